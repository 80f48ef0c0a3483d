//! The inputs: each made to provoke work that grows faster than the input.

use ambidex_schema::{DecodeOptions, EncodeOptions, MessageType, Schema};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Makes the input at a multiple of its size.
    pub(crate) make: fn(usize) -> Input,
}

pub(crate) struct Input {
    message: MessageType,
    text: Text,
}

enum Text {
    Json(Vec<u8>),
    Wire(Vec<u8>),
}

impl Input {
    pub(crate) fn bytes(&self) -> usize {
        match &self.text {
            Text::Json(bytes) | Text::Wire(bytes) => bytes.len(),
        }
    }

    pub(crate) fn run(&self) {
        drop(self.outcome());
    }

    /// What becomes of it, in a word or an error.
    pub(crate) fn answer(&self) -> String {
        self.outcome().err().unwrap_or_else(|| "accepted".to_owned())
    }

    fn outcome(&self) -> Result<(), String> {
        let mut out = Vec::new();
        match &self.text {
            Text::Json(json) => {
                // Only the total is bounded tightly by default; the others are lifted to see their growth.
                let options =
                    DecodeOptions::default().with_max_elements(usize::MAX).with_max_number_bytes(usize::MAX);
                self.message
                    .json_to_wire(json, &options, &mut out)
                    .map_err(|error| error.message().to_owned())
            }
            Text::Wire(wire) => self
                .message
                .wire_to_json(wire, &EncodeOptions::default(), &mut out)
                .map_err(|error| error.to_string()),
        }
    }
}

fn message(name: &str) -> MessageType {
    let mut compiler = protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto")])
        .expect("the protos of the tests are there");
    compiler.include_imports(true);
    compiler.open_file("test/v1/rich.proto").expect("the protos of the tests are sound");
    let set = compiler.encode_file_descriptor_set();
    let schema = Schema::builder().add_file_descriptor_set(&set).and_then(|builder| builder.build());
    schema.expect("the protos of the tests are sound").message(name).expect("one of the messages")
}

fn json(json: String) -> Input {
    Input { message: message("test.v1.Rich"), text: Text::Json(json.into_bytes()) }
}

fn wire(wire: Vec<u8>) -> Input {
    Input { message: message("test.v1.Rich"), text: Text::Wire(wire) }
}

/// Wire bytes that JSON stands for.
fn bytes_of(json: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    message("test.v1.Rich")
        .json_to_wire(json.as_bytes(), &DecodeOptions::default(), &mut wire)
        .expect("the text is one of ours");
    wire
}

/// A message with a string in an `Any` in an `Any` and so on, each with its type behind its value.
fn nested_any(levels: usize, string: usize) -> String {
    let string = "x".repeat(string);
    let mut any = format!(r#"{{"aString":"{string}","@type":"type.googleapis.com/test.v1.Rich"}}"#);
    for _ in 1..levels {
        any = format!(r#"{{"value":{any},"@type":"type.googleapis.com/google.protobuf.Any"}}"#);
    }
    any
}

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, make| Case { name, make };
    vec![
        case("in: nested objects, 90 deep, side by side", |size| {
            let deep = format!("{}{}", "[".repeat(90), "]".repeat(90));
            json(format!(r#"{{"listValue":[{}]}}"#, vec![deep; 10 * size].join(",")))
        }),
        case("in: nested objects, as deep as the text", |size| {
            json(format!(r#"{{"value":{}"#, "[".repeat(1000 * size)))
        }),
        case("in: many keys of a map", |size| {
            let keys: Vec<_> =
                (0..100 * size).map(|key| format!(r#""{}":"v""#, key * 7919 % 1_000_003)).collect();
            json(format!(r#"{{"stringMap":{{{}}}}}"#, keys.join(",")))
        }),
        case("in: many keys of a map, the last one twice", |size| {
            let keys: Vec<_> =
                (0..100 * size).map(|key| format!(r#""k{}":"v""#, key * 7919 % 1_000_003)).collect();
            json(format!(r#"{{"stringMap":{{{},"k0":"v"}}}}"#, keys.join(",")))
        }),
        case("in: one key of a map, over and over", |size| {
            json(format!(r#"{{"stringMap":{{{}}}}}"#, vec![r#""k":"v""#; 100 * size].join(",")))
        }),
        case("in: a long string of escapes", |size| {
            json(format!(r#"{{"aString":"{}"}}"#, r"\u00e9\n\ud83d\ude00".repeat(50 * size)))
        }),
        case("in: a long number for an integer", |size| {
            json(format!(
                r#"{{"anInt64":1{}.{}e-{}}}"#,
                "0".repeat(500 * size),
                "0".repeat(500 * size),
                490 * size
            ))
        }),
        case("in: a long number for a double", |size| {
            json(format!(r#"{{"aDouble":0.{}}}"#, "123456789".repeat(100 * size)))
        }),
        case("in: a long exponent", |size| json(format!(r#"{{"aDouble":1e-{}}}"#, "9".repeat(1000 * size)))),
        case("in: a string in an Any, its type last", |size| {
            json(format!(r#"{{"any":{}}}"#, nested_any(1, 5000 * size)))
        }),
        case("in: a string in Any in Any, 40 deep, types last", |size| {
            json(format!(r#"{{"any":{}}}"#, nested_any(40, 5000 * size)))
        }),
        case("out: fields in falling order", |size| {
            let (late, early) = (bytes_of(r#"{"stringMap":{"k":"v"}}"#), bytes_of(r#"{"aString":"x"}"#));
            wire([late, early].concat().repeat(50 * size))
        }),
        case("out: one message in many parts", |size| {
            wire(bytes_of(r#"{"anInner":{"child":{"child":{}}}}"#).repeat(100 * size))
        }),
        case("out: one key of a map, over and over", |size| {
            wire(bytes_of(r#"{"stringMap":{"key":"value"}}"#).repeat(100 * size))
        }),
        case("out: disorder at the bottom of 90 levels", |size| {
            let leaf = [bytes_of(r#"{"aString":"x"}"#), bytes_of(r#"{"aString":"y"}"#)].concat();
            let deep = format!(r#"{{"anInner":{}{}{}}}"#, r#"{"child":"#.repeat(80), "{}", "}".repeat(80));
            wire([bytes_of(&deep).repeat(size), leaf].concat())
        }),
    ]
}
