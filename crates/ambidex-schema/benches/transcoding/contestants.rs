//! The three ways from JSON to struct and back, and what of ours is prost's part.

use std::fmt::Debug;
use std::hint::black_box;

use ambidex_schema::{DecodeOptions, EncodeOptions, MessageType, Schema, encode_wire};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::case::{Case, Run};
use crate::messages;

/// Every message with every contestant.
pub(crate) fn cases() -> Vec<Case> {
    let set = ambidex_bench_messages::DESCRIPTOR_SET;
    let schema = Schema::builder()
        .add_file_descriptor_set(set)
        .and_then(|builder| builder.build())
        .expect("the descriptors are sound");
    let pool = DescriptorPool::decode(set).expect("the descriptors are sound");
    let types = |name: &str| {
        let ours = schema.message(name).expect("the schema holds it");
        (ours, pool.get_message_by_name(name).expect("the pool holds it"))
    };
    vec![
        case("hello", messages::hello(), types("bench.v1.Hello")),
        case("order", messages::order(), types("bench.v1.Order")),
        case("list", messages::list(), types("bench.v1.List")),
        case("well-known", messages::well_known(), types("bench.v1.WellKnown")),
        case("numbers", messages::numbers(), types("bench.v1.Numbers")),
    ]
}

fn case<T>(name: &'static str, value: T, (ours, reflected): (MessageType, MessageDescriptor)) -> Case
where
    T: Message + Default + Clone + PartialEq + Debug + Serialize + DeserializeOwned + 'static,
{
    let wire = value.encode_to_vec();
    let mut json = Vec::new();
    ours.wire_to_json(&wire, &EncodeOptions::default(), &mut json).expect("the message has JSON");
    let runs = [
        [
            in_ours::<T>(ours.clone(), json.clone()),
            in_pbjson::<T>(json.clone()),
            in_reflect::<T>(reflected.clone(), json.clone()),
            in_prost::<T>(wire.clone()),
        ],
        [
            out_ours(ours.clone(), value.clone()),
            out_pbjson(value.clone()),
            out_reflect(reflected.clone(), value.clone()),
            out_prost(value.clone()),
        ],
    ];
    let (json_bytes, wire_bytes) = (json.len(), wire.len());
    let agree = Box::new(move || agree(&ours, &reflected, &value, &json));
    Case { name, json_bytes, wire_bytes, agree, runs }
}

/// What one writes the others read, and it is the same message.
fn agree<T>(ours: &MessageType, reflected: &MessageDescriptor, value: &T, json: &[u8])
where
    T: Message + Default + Clone + PartialEq + Debug + Serialize + DeserializeOwned,
{
    let dynamic = DynamicMessage::decode(reflected.clone(), value.encode_to_vec().as_slice());
    let dynamic = serde_json::to_vec(&dynamic.expect("the bytes are sound")).expect("it has JSON");
    let generated = serde_json::to_vec(value).expect("it has JSON");
    for text in [json, &dynamic, &generated] {
        let mut wire = Vec::new();
        ours.json_to_wire(text, &DecodeOptions::default(), &mut wire).expect("we read it");
        assert!(&T::decode(wire.as_slice()).expect("we write wire bytes") == value, "our reading differs");
    }
    assert!(
        &serde_json::from_slice::<T>(json).expect("pbjson reads it") == value,
        "pbjson's reading differs"
    );
    let mut reader = serde_json::Deserializer::from_slice(json);
    let dynamic =
        DynamicMessage::deserialize(reflected.clone(), &mut reader).expect("prost-reflect reads it");
    let decoded = T::decode(dynamic.encode_to_vec().as_slice()).expect("it writes wire bytes");
    assert!(&decoded == value, "prost-reflect's reading differs");
}

fn in_ours<T: Message + Default>(message: MessageType, json: Vec<u8>) -> Run {
    let options = DecodeOptions::default();
    let mut wire = Vec::new();
    Box::new(move |times| {
        for _ in 0..times {
            wire.clear();
            message.json_to_wire(black_box(&json), &options, &mut wire).expect("checked before");
            black_box(T::decode(wire.as_slice()).expect("checked before"));
        }
    })
}

fn in_pbjson<T: DeserializeOwned>(json: Vec<u8>) -> Run {
    Box::new(move |times| {
        for _ in 0..times {
            black_box(serde_json::from_slice::<T>(black_box(&json)).expect("checked before"));
        }
    })
}

fn in_reflect<T: Message + Default>(message: MessageDescriptor, json: Vec<u8>) -> Run {
    let mut wire = Vec::new();
    Box::new(move |times| {
        for _ in 0..times {
            let mut reader = serde_json::Deserializer::from_slice(black_box(&json));
            let dynamic = DynamicMessage::deserialize(message.clone(), &mut reader).expect("checked before");
            wire.clear();
            dynamic.encode(&mut wire).expect("a vector has room");
            black_box(T::decode(wire.as_slice()).expect("checked before"));
        }
    })
}

fn in_prost<T: Message + Default>(wire: Vec<u8>) -> Run {
    Box::new(move |times| {
        for _ in 0..times {
            black_box(T::decode(black_box(&wire[..])).expect("it is sound"));
        }
    })
}

fn out_prost<T: Message + 'static>(value: T) -> Run {
    let mut wire = Vec::new();
    Box::new(move |times| {
        for _ in 0..times {
            wire.clear();
            encode_wire(black_box(&value), &mut wire);
            black_box(&wire);
        }
    })
}

fn out_ours<T: Message + 'static>(message: MessageType, value: T) -> Run {
    let options = EncodeOptions::default();
    let (mut wire, mut json) = (Vec::new(), Vec::new());
    Box::new(move |times| {
        for _ in 0..times {
            wire.clear();
            json.clear();
            encode_wire(black_box(&value), &mut wire);
            message.wire_to_json(&wire, &options, &mut json).expect("checked before");
            black_box(&json);
        }
    })
}

fn out_pbjson<T: Serialize + 'static>(value: T) -> Run {
    let mut json = Vec::new();
    Box::new(move |times| {
        for _ in 0..times {
            json.clear();
            serde_json::to_writer(&mut json, black_box(&value)).expect("checked before");
            black_box(&json);
        }
    })
}

fn out_reflect<T: Message + 'static>(message: MessageDescriptor, value: T) -> Run {
    let (mut wire, mut json) = (Vec::new(), Vec::new());
    Box::new(move |times| {
        for _ in 0..times {
            wire.clear();
            json.clear();
            black_box(&value).encode(&mut wire).expect("a vector has room");
            let dynamic = DynamicMessage::decode(message.clone(), wire.as_slice()).expect("checked before");
            serde_json::to_writer(&mut json, &dynamic).expect("checked before");
            black_box(&json);
        }
    })
}
