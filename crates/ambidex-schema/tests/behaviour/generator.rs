//! Arbitrary messages of any type, out of arbitrary bytes.
//!
//! Bytes shrink well: where they run out, nothing more is set. Well-known types get values that ProtoJSON can
//! write; everything else is as wild as its type allows.

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, Value};

/// How deep generated messages nest.
const DEPTH_MAX: usize = 4;

pub(crate) struct Entropy<'b> {
    bytes: &'b [u8],
}

impl<'b> Entropy<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                *byte
            }
            None => 0,
        }
    }

    fn word(&mut self) -> u64 {
        // Small and extreme values are worth more than evenly spread ones.
        match self.byte() % 5 {
            0 => 0,
            1 => u64::from(self.byte()),
            2 => u64::MAX - u64::from(self.byte()),
            3 => 1 << (self.byte() % 64),
            _ => (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte())),
        }
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    fn text(&mut self) -> String {
        const CHARACTERS: [char; 12] =
            ['a', 'Z', '0', '"', '\\', '\n', '\u{1}', '/', 'é', '\u{2028}', '😀', ' '];
        (0..self.below(12)).map(|_| CHARACTERS[usize::from(self.below(12))]).collect()
    }

    fn blob(&mut self) -> Vec<u8> {
        (0..self.below(9)).map(|_| self.byte()).collect()
    }

    fn double(&mut self) -> f64 {
        match self.below(8) {
            0 => f64::NAN,
            1 => f64::NEG_INFINITY,
            2 => -0.0,
            3 => f64::MAX,
            4 => f64::MIN_POSITIVE / 4.0,
            5 => f64::from(self.byte()) / 10.0,
            _ => f64::from_bits(self.word()),
        }
    }

    fn float(&mut self) -> f32 {
        match self.below(6) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => -0.0,
            // The largest float is refused by the oracle, which reads its digits as a double.
            3 => 3e38,
            4 => f32::from(self.byte()) / 10.0,
            _ => f32::from_bits(self.word() as u32),
        }
    }
}

/// An arbitrary message of this type.
pub(crate) fn message(entropy: &mut Entropy<'_>, descriptor: &MessageDescriptor) -> DynamicMessage {
    nested(entropy, descriptor, 0)
}

fn nested(entropy: &mut Entropy<'_>, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => {
            let seconds = entropy.word() as i64 % 62_135_596_800;
            message.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field_by_name("nanos", Value::I32((entropy.word() % 1_000_000_000) as i32));
        }
        "google.protobuf.Duration" => {
            let seconds = entropy.word() as i64 % 315_576_000_000;
            let nanos = (entropy.word() % 1_000_000_000) as i32;
            message.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field_by_name("nanos", Value::I32(if seconds < 0 { -nanos } else { nanos }));
        }
        "google.protobuf.FieldMask" => {
            let paths = ["a", "foo_bar", "foo.bar_baz", "a.b.c"];
            let paths = (0..entropy.below(4)).map(|_| paths[usize::from(entropy.below(4))]);
            let paths = paths.map(|path| Value::String(path.to_owned())).collect();
            message.set_field_by_name("paths", Value::List(paths));
        }
        "google.protobuf.Any" => {
            let inner = any_payload(entropy, descriptor.parent_pool(), depth);
            let url = format!("type.googleapis.com/{}", inner.descriptor_name());
            message.set_field_by_name("type_url", Value::String(url));
            message.set_field_by_name("value", Value::Bytes(inner.0.encode_to_vec().into()));
        }
        "google.protobuf.Value" => {
            let finite = |entropy: &mut Entropy<'_>| match entropy.double() {
                number if number.is_finite() => number,
                _ => 0.5,
            };
            match entropy.below(if depth < DEPTH_MAX { 6 } else { 4 }) {
                0 => message.set_field_by_name("null_value", Value::EnumNumber(0)),
                1 => message.set_field_by_name("number_value", Value::F64(finite(entropy))),
                2 => message.set_field_by_name("string_value", Value::String(entropy.text())),
                3 => message.set_field_by_name("bool_value", Value::Bool(entropy.below(2) == 0)),
                4 => set_nested(&mut message, "struct_value", entropy, depth),
                _ => set_nested(&mut message, "list_value", entropy, depth),
            }
        }
        // The oracle writes what is not finite in a wrapper as null.
        "google.protobuf.DoubleValue" => {
            message.set_field_by_name("value", Value::F64(f64::from(entropy.byte()) / 10.0));
        }
        "google.protobuf.FloatValue" => {
            message.set_field_by_name("value", Value::F32(f32::from(entropy.byte()) / 10.0));
        }
        _ => fields(entropy, &mut message, depth),
    }
    message
}

struct Payload(DynamicMessage);

impl Payload {
    fn descriptor_name(&self) -> String {
        prost_reflect::ReflectMessage::descriptor(&self.0).full_name().to_owned()
    }
}

fn any_payload(entropy: &mut Entropy<'_>, pool: &DescriptorPool, depth: usize) -> Payload {
    let names = [
        "test.v1.Inner",
        "google.protobuf.Duration",
        "google.protobuf.Int64Value",
        "google.protobuf.Value",
        "google.protobuf.Any",
        "test.v1.Rich",
    ];
    let kinds = if depth < DEPTH_MAX { names.len() } else { 3 };
    let name = names[usize::from(entropy.below(kinds as u8))];
    Payload(nested(entropy, &pool.get_message_by_name(name).unwrap(), depth + 1))
}

fn set_nested(message: &mut DynamicMessage, field: &str, entropy: &mut Entropy<'_>, depth: usize) {
    let descriptor = prost_reflect::ReflectMessage::descriptor(message).get_field_by_name(field).unwrap();
    let inner = nested(entropy, descriptor.kind().as_message().unwrap(), depth + 1);
    message.set_field(&descriptor, Value::Message(inner));
}

fn fields(entropy: &mut Entropy<'_>, message: &mut DynamicMessage, depth: usize) {
    let descriptor = prost_reflect::ReflectMessage::descriptor(message);
    for field in descriptor.fields() {
        if entropy.below(4) != 1 {
            continue;
        }
        let is_message = field.kind().as_message().is_some();
        if is_message && depth >= DEPTH_MAX {
            continue;
        }
        let value = if field.is_map() {
            let entry = field.kind();
            let entry = entry.as_message().unwrap();
            let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            Value::Map(
                (0..entropy.below(4))
                    .map(|_| (map_key(entropy, &key), single(entropy, &value, depth)))
                    .collect(),
            )
        } else if field.is_list() {
            Value::List((0..entropy.below(4)).map(|_| single(entropy, &field.kind(), depth)).collect())
        } else {
            single(entropy, &field.kind(), depth)
        };
        message.set_field(&field, value);
    }
}

fn single(entropy: &mut Entropy<'_>, kind: &Kind, depth: usize) -> Value {
    match kind {
        Kind::Double => Value::F64(entropy.double()),
        Kind::Float => Value::F32(entropy.float()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(entropy.word() as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(entropy.word() as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(entropy.word() as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(entropy.word()),
        Kind::Bool => Value::Bool(entropy.below(2) == 1),
        Kind::String => Value::String(entropy.text()),
        Kind::Bytes => Value::Bytes(entropy.blob().into()),
        Kind::Enum(item) if item.full_name() == "google.protobuf.NullValue" => Value::EnumNumber(0),
        Kind::Enum(item) => match entropy.below(4) {
            0 => Value::EnumNumber(entropy.word() as i32),
            choice => {
                let values: Vec<_> = item.values().collect();
                Value::EnumNumber(values[usize::from(choice) % values.len()].number())
            }
        },
        Kind::Message(inner) => Value::Message(nested(entropy, inner, depth + 1)),
    }
}

fn map_key(entropy: &mut Entropy<'_>, kind: &Kind) -> MapKey {
    match single(entropy, kind, DEPTH_MAX) {
        Value::Bool(key) => MapKey::Bool(key),
        Value::I32(key) => MapKey::I32(key),
        Value::I64(key) => MapKey::I64(key),
        Value::U32(key) => MapKey::U32(key),
        Value::U64(key) => MapKey::U64(key),
        Value::String(key) => MapKey::String(key),
        other => unreachable!("protobuf has no map keys like {other:?}"),
    }
}
