//! Lets serde read a tree: what each setting is comes from the type of its field.
//!
//! A variable has no type, so its text is read as what the field wants. Every error knows its setting and its place.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::error::{Problem, What};
use super::node::{Node, Path, Value};

/// A node that is to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a Node);

impl<'a> Reader<'a> {
    pub(super) fn new(node: &'a Node) -> Self {
        Self(node)
    }

    fn should_be(self, what: impl fmt::Display) -> Problem {
        Problem::wrong(format!("should be {what}, not {}", self.0.shown()))
    }

    fn integer(self, min: i128, max: i128) -> Result<i128, Problem> {
        let integer = integer(&self.0.value).filter(|integer| (min..=max).contains(integer));
        integer.ok_or_else(|| match min {
            0 => self.should_be(format_args!("a whole number from 0 to {max}")),
            _ => self.should_be(format_args!("a whole number from {min} to {max}")),
        })
    }

    fn text(self) -> Result<&'a str, Problem> {
        match &self.0.value {
            Value::Text(text) | Value::Raw(text) => Ok(text),
            _ => Err(self.should_be("text in quotes")),
        }
    }

    fn members(self, problem: impl FnOnce() -> Problem) -> Result<Members<'a>, Problem> {
        match &self.0.value {
            Value::Table(members) => Ok(Members { left: members.iter(), value: None }),
            _ => Err(problem()),
        }
    }
}

/// A whole number, which in a variable is text.
pub(super) fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Integer(integer) => Some(*integer),
        // As TOML has it: 1_000_000.
        Value::Raw(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            let integer = self.integer(<$type>::MIN.into(), <$type>::MAX.into())?;
            visitor.$visit(<$type>::try_from(integer).expect("it is in the range of its type"))
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.0.value {
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::Integer(integer) => match (u64::try_from(*integer), i64::try_from(*integer)) {
                (Ok(integer), _) => visitor.visit_u64(integer),
                (_, Ok(integer)) => visitor.visit_i64(integer),
                _ => visitor.visit_i128(*integer),
            },
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Text(text) | Value::Raw(text) => visitor.visit_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Table(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let raw = match &self.0.value {
            Value::Bool(bool) => return visitor.visit_bool(*bool),
            Value::Raw(text) => text.trim(),
            _ => "",
        };
        match raw.to_ascii_lowercase().as_str() {
            "true" | "1" => visitor.visit_bool(true),
            "false" | "0" => visitor.visit_bool(false),
            _ => Err(self.should_be("true or false")),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.0.value {
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Integer(integer) => visitor.visit_f64(*integer as f64),
            Value::Raw(text) => match text.trim().parse() {
                Ok(float) => visitor.visit_f64(float),
                Err(_) => Err(self.should_be("a number")),
            },
            _ => Err(self.should_be("a number")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.0.value {
            Value::Raw(text) if text.trim().is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items { left: items.iter().enumerate() }),
            Value::Raw(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                let raw = |part: &str| Node::new(Value::Raw(part.to_owned()), self.0.place.clone());
                let items: Vec<_> = parts.map(raw).collect();
                // They are not in the tree, so nothing that borrows from it can be made of them.
                visitor.visit_seq(Parts { left: items.into_iter().enumerate() })
            }
            _ => Err(self.should_be("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_map(self.members(|| self.should_be("a table"))?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let members =
            self.members(|| self.should_be(format_args!("a table with some of {}", fields.join(", "))))?;
        if let Some((name, node)) = members.left.clone().find(|(name, _)| !fields.contains(&name.as_str())) {
            let unknown = Problem { path: Path::new(), place: None, what: What::Unknown(fields) };
            return Err(unknown.below(name, &node.place));
        }
        visitor.visit_map(members)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let one_of = || self.should_be(format_args!("one of {}", variants.join(", ")));
        match &self.0.value {
            Value::Text(text) | Value::Raw(text) if variants.contains(&text.as_str()) => {
                let name: StrDeserializer<'_, Problem> = text.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            Value::Table(_) => visitor.visit_enum(MapAccessDeserializer::new(self.members(one_of)?)),
            _ => Err(one_of()),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// The members of a table.
struct Members<'a> {
    left: std::collections::btree_map::Iter<'a, String, Node>,
    value: Option<(&'a str, &'a Node)>,
}

impl<'de> de::MapAccess<'de> for Members<'de> {
    type Error = Problem;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((name, node)) = self.left.next() else { return Ok(None) };
        self.value = Some((name, node));
        let key: StrDeserializer<'_, Problem> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|problem| problem.below(name, &node.place))
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (name, node) = self.value.take().expect("serde asks for a value after its key");
        seed.deserialize(Reader(node)).map_err(|problem| problem.below(name, &node.place))
    }
}

/// The items of a list.
struct Items<'a> {
    left: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Problem;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some((index, node)) = self.left.next() else { return Ok(None) };
        let item = seed.deserialize(Reader(node)).map(Some);
        item.map_err(|problem| problem.below(&index.to_string(), &node.place))
    }
}

/// The items of a list that a variable has with commas.
struct Parts {
    left: std::iter::Enumerate<std::vec::IntoIter<Node>>,
}

impl<'de> de::SeqAccess<'de> for Parts {
    type Error = Problem;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some((_, node)) = self.left.next() else { return Ok(None) };
        // The whole list is the variable's, and what is wrong with a part is wrong with it.
        seed.deserialize(Part(node)).map(Some)
    }
}

/// One of them: it is read like any other node, but nothing borrows from it.
struct Part(Node);

impl<'de> Deserializer<'de> for Part {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0.value {
            Value::Raw(text) => visitor.visit_string(text),
            _ => Err(Reader(&self.0).should_be("text")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::wrong(format!("is wrong: {message}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: Path::new(), place: None, what: What::Missing(field) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for Problem {}
