//! The transcoder against the JSON of `prost-reflect`, over arbitrary messages.
//!
//! JSON texts are compared as values: the two may differ in spacing and, because the oracle keeps maps in
//! hash maps, in the order of map entries.

use std::sync::LazyLock;

use ambidex_schema::{DecodeOptions, EncodeOptions, MessageType};
use proptest::prelude::*;
use prost_reflect::prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};

use crate::generator::{Entropy, message};
use crate::oracle_faults::{oracle_mends, oracle_mistakes_a_map, refuses_wire_type};
use crate::schemas;
use crate::slow_paths::{read_slowly, write_slowly};

static RICH: LazyLock<MessageType> = LazyLock::new(schemas::rich);
static DESCRIPTOR: LazyLock<MessageDescriptor> = LazyLock::new(|| RICH.descriptor());

fn value(json: &[u8]) -> serde_json::Value {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

/// Where two JSON values differ first; the whole values are too long to compare by eye.
fn difference(ours: &serde_json::Value, oracle: &serde_json::Value) -> Option<String> {
    use serde_json::Value::{Array, Object};
    match (ours, oracle) {
        (Object(a), Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, value)| Some(format!("{key}.{}", difference(value, &b[key])?)))
        }
        (Array(a), Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| Some(format!("{i}.{}", difference(a, b)?)))
        }
        (Object(a), Object(b)) => {
            let keys = |a: &serde_json::Map<String, serde_json::Value>| a.keys().cloned().collect::<Vec<_>>();
            Some(format!(": members {:?}, the oracle has {:?}", keys(a), keys(b)))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!(": {a}, the oracle has {b}")),
    }
}

/// What the oracle writes; `None` where it refuses.
fn oracle(message: &DynamicMessage, options: &SerializeOptions) -> Option<Vec<u8>> {
    let mut serializer = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut serializer, options).ok()?;
    Some(serializer.into_inner())
}

fn ours(wire: &[u8], options: &EncodeOptions) -> Vec<u8> {
    let mut json = Vec::new();
    RICH.wire_to_json(wire, options, &mut json).unwrap_or_else(|error| panic!("{error}"));
    json
}

fn entropy() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..1500)
}

proptest! {
    // A fixed seed: a run says the same everywhere.
    #![proptest_config(ProptestConfig {
        cases: 256,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn wire_to_json_writes_what_the_oracle_writes(
        bytes in entropy(),
        names: bool,
        unset: bool,
        numbers: bool,
        pretty: bool,
    ) {
        let message = message(&mut Entropy::new(&bytes), &DESCRIPTOR);
        let options = SerializeOptions::new()
            .use_proto_field_name(names)
            .skip_default_fields(!unset)
            .use_enum_numbers(numbers);
        let expected = oracle(&message, &options).expect("the generator makes what can be written");
        let options = EncodeOptions::default()
            .with_original_field_names(names)
            .with_emit_unset_fields(unset)
            .with_enums_as_numbers(numbers)
            .with_pretty(pretty);
        let wire = message.encode_to_vec();
        let json = ours(&wire, &options);
        prop_assert_eq!(difference(&value(&json), &value(&expected)), None);
        if !pretty {
            prop_assert_eq!(write_slowly(&RICH, &wire, &options), Ok(json));
        }
    }

    #[test]
    fn json_to_wire_reads_what_the_oracle_writes(bytes in entropy(), names: bool) {
        let message = message(&mut Entropy::new(&bytes), &DESCRIPTOR);
        let json = oracle(&message, &SerializeOptions::new().use_proto_field_name(names)).unwrap();
        let mut wire = Vec::new();
        RICH.json_to_wire(&json, &DecodeOptions::default(), &mut wire).unwrap();
        prop_assert_eq!(read_slowly(&RICH, &json).unwrap(), wire.clone());
        let read = DynamicMessage::decode(DESCRIPTOR.clone(), wire.as_slice()).unwrap();
        let again = oracle(&read, &SerializeOptions::new().use_proto_field_name(names)).unwrap();
        prop_assert_eq!(difference(&value(&again), &value(&json)), None);
    }

    #[test]
    fn the_oracle_reads_what_wire_to_json_writes(bytes in entropy()) {
        let message = message(&mut Entropy::new(&bytes), &DESCRIPTOR);
        let json = ours(&message.encode_to_vec(), &EncodeOptions::default());
        let mut deserializer = serde_json::Deserializer::from_slice(&json);
        let read = DynamicMessage::deserialize(DESCRIPTOR.clone(), &mut deserializer).unwrap();
        prop_assert_eq!(difference(&value(&oracle(&read, &SerializeOptions::new()).unwrap()), &value(&json)), None);
    }

    #[test]
    fn what_is_written_is_read_back_to_the_same_text(bytes in entropy()) {
        // Duplicate members would be refused on the way back, so this also shows that none are written.
        let message = message(&mut Entropy::new(&bytes), &DESCRIPTOR);
        let json = ours(&message.encode_to_vec(), &EncodeOptions::default());
        let mut wire = Vec::new();
        RICH.json_to_wire(&json, &DecodeOptions::default(), &mut wire).unwrap();
        prop_assert_eq!(ours(&wire, &EncodeOptions::default()), json);
    }

    #[test]
    fn concatenated_messages_are_merged(first in entropy(), second in entropy()) {
        let mut wire = message(&mut Entropy::new(&first), &DESCRIPTOR).encode_to_vec();
        wire.extend(message(&mut Entropy::new(&second), &DESCRIPTOR).encode_to_vec());
        let merged = DynamicMessage::decode(DESCRIPTOR.clone(), wire.as_slice()).unwrap();
        // Merging can make what cannot be written, such as a duration with two signs; both must notice.
        let mut json = Vec::new();
        let written = RICH.wire_to_json(&wire, &EncodeOptions::default(), &mut json);
        match oracle(&merged, &SerializeOptions::new()) {
            // An `Any` put together from two messages of different types, whose fields of another wire type the
            // oracle refuses. To us they are unknown fields.
            None if written.is_ok() && refuses_wire_type(&merged) => {}
            Some(_) if written.as_ref().is_err_and(oracle_mends) => {}
            Some(expected) => {
                prop_assert!(written.is_ok(), "{}", written.unwrap_err());
                prop_assert_eq!(difference(&value(&json), &value(&expected)), None);
            }
            None => prop_assert!(written.is_err(), "the oracle refuses {}", String::from_utf8_lossy(&json)),
        }
    }

    #[test]
    fn damaged_wire_bytes_are_refused_or_read_as_the_oracle_reads_them(
        bytes in entropy(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        cutting: bool,
    ) {
        let mut wire = message(&mut Entropy::new(&bytes), &DESCRIPTOR).encode_to_vec();
        prop_assume!(!wire.is_empty());
        for (index, byte) in damage {
            let index = index.index(wire.len());
            wire[index] = byte;
        }
        if cutting {
            wire.truncate(cut.index(wire.len()));
        }
        let mut json = Vec::new();
        let written = RICH.wire_to_json(&wire, &EncodeOptions::default(), &mut json);
        let slowly = write_slowly(&RICH, &wire, &EncodeOptions::default());
        prop_assert_eq!(slowly, written.clone().map(|()| json.clone()));
        let expected = DynamicMessage::decode(DESCRIPTOR.clone(), wire.as_slice())
            .ok()
            .and_then(|message| oracle(&message, &SerializeOptions::new()));
        match (written, expected) {
            (Ok(()), Some(_)) if oracle_mistakes_a_map(&DESCRIPTOR, &wire) => drop(value(&json)),
            (Ok(()), Some(expected)) => prop_assert_eq!(value(&json), value(&expected)),
            (Ok(()), None) => drop(value(&json)),
            (Err(error), Some(_)) => {
                prop_assert!(oracle_mends(&error) || oracle_mistakes_a_map(&DESCRIPTOR, &wire), "{error}");
            }
            (Err(_), None) => prop_assert!(json.is_empty()),
        }
    }

    #[test]
    fn damaged_json_never_panics(
        bytes in entropy(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let message = message(&mut Entropy::new(&bytes), &DESCRIPTOR);
        let mut json = oracle(&message, &SerializeOptions::new()).unwrap();
        for (index, byte) in damage {
            let index = index.index(json.len());
            json[index] = byte;
        }
        let mut wire = vec![1, 2, 3];
        let read = RICH.json_to_wire(&json, &DecodeOptions::default(), &mut wire);
        match (&read, read_slowly(&RICH, &json)) {
            (Ok(()), Ok(slowly)) => prop_assert_eq!(slowly, &wire[3..]),
            (Err(error), Err(slowly)) => prop_assert_eq!(error.offset() + 1, slowly.offset()),
            (read, slowly) => prop_assert!(false, "{read:?}, and slowly {slowly:?}"),
        }
        match read {
            Ok(()) => {
                // What was accepted is a message, and the text was JSON.
                DynamicMessage::decode(DESCRIPTOR.clone(), &wire[3..]).unwrap();
                value(&json);
            }
            Err(error) => {
                prop_assert_eq!(&wire, &[1, 2, 3]);
                prop_assert!(error.line() >= 1 && error.column() >= 1);
                prop_assert!(error.to_string().len() < 2000);
            }
        }
    }
}
