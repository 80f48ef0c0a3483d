//! The compact tables behind every hot path: one per message and enum of the pool, linked by index.
//!
//! They are built once, eagerly, when a [`Schema`](crate::Schema) is; afterwards nothing on a call's way
//! touches `prost-reflect`, whose descriptors cost an `Arc` clone and a map lookup per question. Links are
//! indexes, so recursive messages need no special care. Everything that can be prepared is: encoded tags,
//! escaped and quoted JSON keys, lookup by name and by number. This file refuses to know JSON or HTTP.

use std::collections::HashMap;

use prost_reflect::{Cardinality, DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor};
use prost_reflect::{MessageDescriptor, Syntax};

use crate::features::{FeatureMap, Presence};
use crate::json::quoted;
use crate::name_index::NameIndex;
use crate::prepared::{PreparedKey, Tag};
use crate::wire::{WireValue, put_varint};

/// Field numbers below this are found by array lookup; larger ones by binary search.
const DENSE_NUMBERS: u32 = 256;
/// In the array of dense numbers: no such field.
const NO_FIELD: u16 = u16::MAX;
/// In the array of tags: look elsewhere.
const OTHER_TAG: u8 = u8::MAX;

#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) pool: DescriptorPool,
    pub(crate) messages: Vec<MessageTable>,
    pub(crate) enums: Vec<EnumTable>,
    message_names: NameIndex,
}

#[derive(Debug)]
pub(crate) struct MessageTable {
    pub(crate) full_name: Box<str>,
    pub(crate) well_known: WellKnown,
    /// Sorted by number.
    pub(crate) fields: Box<[FieldTable]>,
    pub(crate) oneof_names: Box<[Box<str>]>,
    /// JSON names first, then proto names.
    names: NameIndex,
    proto_names: NameIndex,
    dense: Box<[u16]>,
    /// Index of the field by a tag of one byte, where the field accepts its wire type.
    by_tag: Box<[u8; 128]>,
}

#[derive(Debug)]
pub(crate) struct FieldTable {
    pub(crate) number: u32,
    /// For an extension: the full name in brackets, as ProtoJSON spells it.
    pub(crate) name: Box<str>,
    pub(crate) json_name: Box<str>,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    /// Kind and shape in one, for the fast path of wire → JSON.
    pub(crate) usual: Usual,
    /// Index of the oneof as the message declares it; synthetic oneofs do not count.
    pub(crate) oneof: Option<u16>,
    /// One bit for each oneof, the last one shared by those beyond; none for a field outside.
    pub(crate) oneof_bit: u64,
    /// The encoded tag; packed for packed fields, start-group for groups.
    pub(crate) tag: Tag,
    /// `"jsonName":`, escaped.
    pub(crate) json_key: PreparedKey,
    /// `"proto_name":`, escaped.
    pub(crate) proto_key: PreparedKey,
}

/// How often a field occurs and whether it knows its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Absent is the same as default.
    Implicit,
    /// Absent and default differ.
    Explicit,
    List {
        packed: bool,
    },
    Map {
        key: Kind,
        value: Kind,
    },
}

/// What kinds of members there are for who writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usual {
    /// Empty is the same as absent.
    ImplicitString,
    /// Zero is the same as absent.
    ImplicitScalar,
    String,
    Scalar,
    Message(u32),
    /// One of the messages that ProtoJSON spells in a way of their own.
    WellKnown(u32, WellKnown),
    List,
    Map,
}

/// The type of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(u32),
    Message(u32),
    Group(u32),
}

/// The messages that ProtoJSON spells in a way of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WellKnown {
    No,
    Any,
    Timestamp,
    Duration,
    FieldMask,
    /// Both carry the index of `Value`, which they hold.
    Struct {
        value: u32,
    },
    ListValue {
        value: u32,
    },
    Value,
    Empty,
    Wrapper(Kind),
}

#[derive(Debug)]
pub(crate) struct EnumTable {
    pub(crate) full_name: Box<str>,
    pub(crate) is_null_value: bool,
    pub(crate) closed: bool,
    /// What an implicit field without a value means.
    pub(crate) default: i32,
    /// Sorted by number, one name each; quoted and ready to print.
    values: Box<[(i32, Box<[u8]>)]>,
    /// Numbers as `u32` bit patterns.
    names: NameIndex,
}

impl Tables {
    pub(crate) fn build(pool: DescriptorPool, features: &FeatureMap) -> Self {
        let links = Links {
            messages: pool
                .all_messages()
                .enumerate()
                .map(|(i, m)| (m.full_name().into(), i as u32))
                .collect(),
            enums: pool.all_enums().enumerate().map(|(i, e)| (e.full_name().into(), i as u32)).collect(),
            features,
        };
        let messages: Vec<_> = pool.all_messages().map(|message| links.message(&message)).collect();
        let enums = pool.all_enums().map(|item| links.enumeration(&item)).collect();
        let message_names =
            NameIndex::new(messages.iter().enumerate().map(|(i, m)| (m.full_name.clone(), i as u32)));
        Self { pool, messages, enums, message_names }
    }

    pub(crate) fn message_index(&self, full_name: &str) -> Option<u32> {
        self.message_names.get(full_name.as_bytes())
    }

    #[inline]
    pub(crate) fn message(&self, index: u32) -> &MessageTable {
        &self.messages[index as usize]
    }

    #[inline]
    pub(crate) fn enumeration(&self, index: u32) -> &EnumTable {
        &self.enums[index as usize]
    }

    /// Whether a value is a number that its closed enum does not know: such a record counts as an unknown field.
    #[inline]
    pub(crate) fn is_unknown_value(&self, kind: Kind, value: WireValue<'_>) -> bool {
        let (Kind::Enum(index), WireValue::Varint(number)) = (kind, value) else { return false };
        let table = self.enumeration(index);
        table.closed && table.quoted_name(number as i32).is_none()
    }

    /// The only messages and enums for which JSON `null` is a value and not an absence.
    #[inline]
    pub(crate) fn null_is_a_value(&self, kind: Kind) -> bool {
        match kind {
            Kind::Enum(index) => self.enumeration(index).is_null_value,
            Kind::Message(index) => self.message(index).well_known == WellKnown::Value,
            _ => false,
        }
    }
}

impl MessageTable {
    /// Finds a field by JSON name, else by proto name.
    #[inline]
    pub(crate) fn field_by_any_name(&self, name: &[u8]) -> Option<usize> {
        self.names.get(name).map(|index| index as usize)
    }

    /// Finds a field by proto name only.
    pub(crate) fn field_by_proto_name(&self, name: &str) -> Option<usize> {
        self.proto_names.get(name.as_bytes()).map(|index| index as usize)
    }

    /// The field that a tag of one byte belongs to, if it is not a group. `None` does not say that there is none.
    #[inline(always)]
    pub(crate) fn field_by_tag(&self, tag: u8) -> Option<usize> {
        let index = *self.by_tag.get(usize::from(tag))?;
        (index != OTHER_TAG).then_some(index.into())
    }

    #[inline]
    pub(crate) fn field_by_number(&self, number: u32) -> Option<usize> {
        if number < DENSE_NUMBERS {
            let index = *self.dense.get(number as usize)?;
            return (index != NO_FIELD).then_some(index as usize);
        }
        self.fields.binary_search_by_key(&number, |field| field.number).ok()
    }
}

impl FieldTable {
    #[inline]
    pub(crate) fn is_singular(&self) -> bool {
        matches!(self.shape, Shape::Implicit | Shape::Explicit)
    }

    pub(crate) fn is_extension(&self) -> bool {
        self.name.starts_with('[')
    }

    /// Whether a record with this wire type holds a value of the field, or several packed ones. One that does not
    /// is an unknown field, however known its number: so every reader of protobuf has it.
    pub(crate) fn accepts(&self, wire_type: u8) -> bool {
        match self.shape {
            Shape::Implicit | Shape::Explicit => wire_type == self.kind.wire_type(),
            Shape::List { .. } => {
                wire_type == self.kind.wire_type() || (wire_type == 2 && self.kind.is_packable())
            }
            Shape::Map { .. } => wire_type == 2,
        }
    }

    /// Whether one value can be written as plain text.
    #[inline]
    pub(crate) fn is_text_bindable(&self, tables: &Tables) -> bool {
        match self.kind {
            Kind::Group(_) => false,
            // The entries of a map are messages, too, and none of these.
            Kind::Message(index) => matches!(
                tables.message(index).well_known,
                WellKnown::Timestamp | WellKnown::Duration | WellKnown::FieldMask | WellKnown::Wrapper(_)
            ),
            _ => true,
        }
    }

    /// The tag of one element: for a packed list that is not the tag of the list.
    #[inline]
    pub(crate) fn element_tag(&self) -> u64 {
        u64::from(self.number << 3 | u32::from(self.kind.wire_type()))
    }

    /// Appends the tag of one element.
    #[inline(always)]
    pub(crate) fn put_element_tag(&self, out: &mut Vec<u8>) {
        match self.shape {
            Shape::List { packed: true } => put_varint(self.element_tag(), out),
            _ => self.tag.put(out),
        }
    }
}

impl Kind {
    #[inline]
    pub(crate) fn wire_type(self) -> u8 {
        match self {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
            Kind::String | Kind::Bytes | Kind::Message(_) => 2,
            Kind::Group(_) => 3,
            _ => 0,
        }
    }

    pub(crate) fn is_packable(self) -> bool {
        matches!(self.wire_type(), 0 | 1 | 5)
    }

    pub(crate) fn message_index(self) -> Option<u32> {
        match self {
            Kind::Message(index) | Kind::Group(index) => Some(index),
            _ => None,
        }
    }
}

impl EnumTable {
    #[inline]
    pub(crate) fn number(&self, name: &[u8]) -> Option<i32> {
        self.names.get(name).map(|number| number as i32)
    }

    /// The name of a number, in quotes.
    #[inline]
    pub(crate) fn quoted_name(&self, number: i32) -> Option<&[u8]> {
        // Most enums count up from zero, where the number is the position.
        if let Some((candidate, name)) = usize::try_from(number).ok().and_then(|i| self.values.get(i))
            && *candidate == number
        {
            return Some(name);
        }
        let index = self.values.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.values[index].1)
    }
}

/// What a table needs of the others while they are built: their positions.
struct Links<'a> {
    messages: HashMap<Box<str>, u32>,
    enums: HashMap<Box<str>, u32>,
    features: &'a FeatureMap,
}

/// Fields and extension fields have the same questions answered by different types.
struct Declared {
    number: u32,
    name: String,
    json_name: String,
    full_name: String,
    kind: prost_reflect::Kind,
    cardinality: Cardinality,
    is_group: bool,
    is_map: bool,
    is_packed: bool,
    supports_presence: bool,
    oneof: Option<u16>,
}

impl Links<'_> {
    fn message(&self, message: &MessageDescriptor) -> MessageTable {
        let mut oneof_names: Vec<Box<str>> = Vec::new();
        let mut oneof_of: HashMap<u32, u16> = HashMap::new();
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            for field in oneof.fields() {
                oneof_of.insert(field.number(), oneof_names.len() as u16);
            }
            oneof_names.push(oneof.name().into());
        }
        let mut fields: Vec<FieldTable> = message
            .fields()
            .map(|field| self.field(Declared::from_field(&field, oneof_of.get(&field.number()).copied())))
            .chain(message.extensions().map(|extension| self.field(Declared::from_extension(&extension))))
            .collect();
        fields.sort_by_key(|field| field.number);

        let dense_length = fields.iter().map(|f| f.number + 1).filter(|n| *n <= DENSE_NUMBERS).max();
        let mut dense = vec![NO_FIELD; dense_length.unwrap_or(0) as usize].into_boxed_slice();
        for (index, field) in fields.iter().enumerate() {
            if field.number < DENSE_NUMBERS {
                dense[field.number as usize] = index as u16;
            }
        }
        let mut by_tag = Box::new([OTHER_TAG; 128]);
        for (tag, of_tag) in by_tag.iter_mut().enumerate() {
            let declared = fields.iter().position(|field| field.number as usize == tag >> 3);
            if let Some(index) = declared.filter(|index| fields[*index].accepts(tag as u8 & 7))
                && !matches!(fields[index].kind, Kind::Group(_))
            {
                *of_tag = u8::try_from(index).unwrap_or(OTHER_TAG);
            }
        }
        let by_json = fields.iter().enumerate().map(|(i, field)| (field.json_name.clone(), i as u32));
        let by_name = fields.iter().enumerate().map(|(i, field)| (field.name.clone(), i as u32));
        MessageTable {
            full_name: message.full_name().into(),
            well_known: self.well_known(message.full_name()),
            names: NameIndex::new(by_json.chain(by_name.clone())),
            proto_names: NameIndex::new(by_name),
            fields: fields.into_boxed_slice(),
            oneof_names: oneof_names.into_boxed_slice(),
            dense,
            by_tag,
        }
    }

    fn well_known(&self, full_name: &str) -> WellKnown {
        let value = || self.messages.get("google.protobuf.Value").copied();
        let Some(name) = full_name.strip_prefix("google.protobuf.") else { return WellKnown::No };
        match name {
            "Any" => WellKnown::Any,
            "Timestamp" => WellKnown::Timestamp,
            "Duration" => WellKnown::Duration,
            "FieldMask" => WellKnown::FieldMask,
            "Struct" => value().map_or(WellKnown::No, |value| WellKnown::Struct { value }),
            "Value" => WellKnown::Value,
            "ListValue" => value().map_or(WellKnown::No, |value| WellKnown::ListValue { value }),
            "Empty" => WellKnown::Empty,
            "DoubleValue" => WellKnown::Wrapper(Kind::Double),
            "FloatValue" => WellKnown::Wrapper(Kind::Float),
            "Int32Value" => WellKnown::Wrapper(Kind::Int32),
            "Int64Value" => WellKnown::Wrapper(Kind::Int64),
            "UInt32Value" => WellKnown::Wrapper(Kind::Uint32),
            "UInt64Value" => WellKnown::Wrapper(Kind::Uint64),
            "BoolValue" => WellKnown::Wrapper(Kind::Bool),
            "StringValue" => WellKnown::Wrapper(Kind::String),
            "BytesValue" => WellKnown::Wrapper(Kind::Bytes),
            _ => WellKnown::No,
        }
    }

    fn field(&self, declared: Declared) -> FieldTable {
        let features = self.features.get(&declared.full_name);
        let delimited = features.is_some_and(|features| features.delimited) && !declared.is_map;
        let kind = self.kind(&declared.kind, declared.is_group || delimited);
        let shape = if declared.is_map {
            let entry =
                declared.kind.as_message().expect("the descriptor pool gives map fields an entry type");
            Shape::Map {
                key: self.kind(&entry.map_entry_key_field().kind(), false),
                value: self.kind(&entry.map_entry_value_field().kind(), false),
            }
        } else if declared.cardinality == Cardinality::Repeated {
            let packed = features.map_or(declared.is_packed, |features| features.packed);
            Shape::List { packed: packed && kind.is_packable() }
        } else {
            let explicit = match features {
                Some(features) => {
                    features.presence != Presence::Implicit
                        || declared.oneof.is_some()
                        || kind.message_index().is_some()
                }
                None => declared.supports_presence,
            };
            if explicit { Shape::Explicit } else { Shape::Implicit }
        };

        let special = declared.kind.as_message().map_or(WellKnown::No, |m| self.well_known(m.full_name()));
        let usual = match (shape, kind) {
            (Shape::List { .. }, _) => Usual::List,
            (Shape::Map { .. }, _) => Usual::Map,
            (Shape::Explicit, Kind::Message(index)) if special == WellKnown::No => Usual::Message(index),
            (Shape::Explicit, Kind::Message(index)) => Usual::WellKnown(index, special),
            (Shape::Explicit, Kind::String) => Usual::String,
            (Shape::Explicit, _) => Usual::Scalar,
            (Shape::Implicit, Kind::String) => Usual::ImplicitString,
            (Shape::Implicit, _) => Usual::ImplicitScalar,
        };
        let wire_type = match shape {
            Shape::List { packed: true } | Shape::Map { .. } => 2,
            _ => kind.wire_type(),
        };
        let key = |name: &str| PreparedKey::new(&[&*quoted(name), b":"].concat());
        FieldTable {
            number: declared.number,
            kind,
            shape,
            usual,
            oneof: declared.oneof,
            oneof_bit: declared.oneof.map_or(0, |oneof| 1 << oneof.min(63)),
            tag: Tag::new(declared.number, wire_type),
            json_key: key(&declared.json_name),
            proto_key: key(&declared.name),
            name: declared.name.into(),
            json_name: declared.json_name.into(),
        }
    }

    fn kind(&self, kind: &prost_reflect::Kind, group: bool) -> Kind {
        use prost_reflect::Kind as Declared;
        match kind {
            Declared::Double => Kind::Double,
            Declared::Float => Kind::Float,
            Declared::Int32 => Kind::Int32,
            Declared::Int64 => Kind::Int64,
            Declared::Uint32 => Kind::Uint32,
            Declared::Uint64 => Kind::Uint64,
            Declared::Sint32 => Kind::Sint32,
            Declared::Sint64 => Kind::Sint64,
            Declared::Fixed32 => Kind::Fixed32,
            Declared::Fixed64 => Kind::Fixed64,
            Declared::Sfixed32 => Kind::Sfixed32,
            Declared::Sfixed64 => Kind::Sfixed64,
            Declared::Bool => Kind::Bool,
            Declared::String => Kind::String,
            Declared::Bytes => Kind::Bytes,
            Declared::Enum(item) => Kind::Enum(self.enums[item.full_name()]),
            Declared::Message(message) if group => Kind::Group(self.messages[message.full_name()]),
            Declared::Message(message) => Kind::Message(self.messages[message.full_name()]),
        }
    }

    fn enumeration(&self, item: &EnumDescriptor) -> EnumTable {
        // The descriptor's own order is that of the proto file; the pool's is by number, aliases in any
        // order. The sort is stable, so of several aliases the one declared first is printed.
        let declared = &item.enum_descriptor_proto().value;
        let mut values: Vec<(i32, Box<[u8]>)> =
            declared.iter().map(|value| (value.number(), quoted(value.name()))).collect();
        values.sort_by_key(|(number, _)| *number);
        values.dedup_by_key(|(number, _)| *number);
        let features = self.features.get(item.full_name());
        EnumTable {
            full_name: item.full_name().into(),
            is_null_value: item.full_name() == "google.protobuf.NullValue",
            closed: features
                .map_or(item.parent_file().syntax() == Syntax::Proto2, |features| features.closed_enum),
            default: item.default_value().number(),
            values: values.into_boxed_slice(),
            names: NameIndex::new(item.values().map(|v| (v.name().into(), v.number() as u32))),
        }
    }
}

impl Declared {
    fn from_field(field: &FieldDescriptor, oneof: Option<u16>) -> Self {
        Self {
            number: field.number(),
            name: field.name().to_owned(),
            json_name: field.json_name().to_owned(),
            full_name: field.full_name().to_owned(),
            kind: field.kind(),
            cardinality: field.cardinality(),
            is_group: field.is_group(),
            is_map: field.is_map(),
            is_packed: field.is_packed(),
            supports_presence: field.supports_presence(),
            oneof,
        }
    }

    fn from_extension(field: &ExtensionDescriptor) -> Self {
        Self {
            number: field.number(),
            name: format!("[{}]", field.full_name()),
            json_name: format!("[{}]", field.full_name()),
            full_name: field.full_name().to_owned(),
            kind: field.kind(),
            cardinality: field.cardinality(),
            is_group: field.is_group(),
            is_map: field.is_map(),
            is_packed: field.is_packed(),
            supports_presence: field.supports_presence(),
            oneof: None,
        }
    }
}
