//! Every setting there is, found out from the types themselves.
//!
//! serde asks a deserializer for each field by its name and type. One that has nothing to read, and answers every
//! question with some value, learns of them all. So no list of settings has to be kept beside the fields.

use std::cell::RefCell;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::Config;
use super::error::Problem;
use super::node::Path;

/// What stands in a path for a name that the user chooses.
pub(super) const NAME: &str = "NAME";
const NAMES: &[&str] = &[NAME];
/// What stands in a path for the place in a list.
pub(super) const ITEM: &str = "[]";

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) path: Path,
    /// What is written there, in words.
    pub(super) kind: String,
    /// Whether it may be left unset.
    pub(super) optional: bool,
    /// The type whose field it is, and the field.
    pub(super) field: (&'static str, &'static str),
}

impl Setting {
    /// Whether there may be several of it: one for each name, or for each item.
    pub(super) fn is_in_many(&self) -> bool {
        self.path.iter().any(|name| name == NAME || name == ITEM)
    }

    /// Where it stands in a file: `scheduler.lanes[].weight`.
    #[cfg(test)]
    pub(super) fn name(&self) -> String {
        self.path.join(".").replace(".[]", "[]")
    }
}

/// Every setting, in the order of the fields.
pub(super) fn settings() -> Vec<Setting> {
    let found = RefCell::default();
    let probe = Probe { path: Path::new(), field: ("", ""), optional: false, list: false, found: &found };
    Config::deserialize(probe).expect("whatever a setting may be, one value of it is known here");
    found.into_inner()
}

struct Probe<'a> {
    path: Path,
    field: (&'static str, &'static str),
    optional: bool,
    list: bool,
    found: &'a RefCell<Vec<Setting>>,
}

impl Probe<'_> {
    fn note(&self, kind: &str) {
        let kind = if self.list { format!("list of {kind}") } else { kind.to_owned() };
        let setting = Setting { path: self.path.clone(), kind, optional: self.optional, field: self.field };
        self.found.borrow_mut().push(setting);
    }

    /// The same place, one name further.
    fn below(&self, name: &str) -> Self {
        let path = [&self.path[..], &[name.to_owned()]].concat();
        Self { path, field: self.field, optional: false, list: false, found: self.found }
    }

    fn again(&self) -> Self {
        Self { path: self.path.clone(), ..*self }
    }
}

macro_rules! leaves {
    ($($method:ident $kind:literal $visit:ident $value:expr,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            self.note($kind);
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Problem;

    leaves! {
        deserialize_any "text" visit_str "",
        deserialize_bool "true or false" visit_bool false,
        deserialize_i64 "whole number" visit_i64 1,
        deserialize_u16 "whole number" visit_u16 1,
        deserialize_u32 "whole number" visit_u32 1,
        deserialize_u64 "whole number" visit_u64 1,
        deserialize_f64 "number" visit_f64 1.0,
        deserialize_str "text" visit_str "",
        deserialize_string "text" visit_str "",
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        self.optional = true;
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        self.list = true;
        visitor.visit_seq(Once(Some(self)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_map(Fields { owner: self.field.0, left: NAMES.iter(), current: NAME, probe: self })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        owner: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let probe = if self.list { self.below(ITEM) } else { self };
        visitor.visit_map(Fields { owner, left: fields.iter(), current: "", probe })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.note(&variants.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
        let first: StrDeserializer<'_, Problem> =
            variants.first().copied().unwrap_or_default().into_deserializer();
        visitor.visit_enum(first)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// One item of a list, of which there is no telling how many there are.
struct Once<'a>(Option<Probe<'a>>);

impl<'de> de::SeqAccess<'de> for Once<'_> {
    type Error = Problem;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        self.0.take().map(|probe| seed.deserialize(probe)).transpose()
    }
}

/// Every field of a struct, or one name of a map.
struct Fields<'a> {
    owner: &'static str,
    left: std::slice::Iter<'a, &'static str>,
    current: &'static str,
    probe: Probe<'a>,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Problem;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some(&name) = self.left.next() else { return Ok(None) };
        self.current = name;
        let key: StrDeserializer<'_, Problem> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let mut probe = self.probe.again().below(self.current);
        if self.current != NAME {
            probe.field = (self.owner, self.current);
        }
        seed.deserialize(probe)
    }
}
