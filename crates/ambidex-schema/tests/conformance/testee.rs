//! The testee: translates what the runner sends, through nothing but this crate's public interface.

use std::ffi::OsStr;
use std::{fs, io};

use ambidex_schema::{DecodeOptions, EncodeOptions, Schema};

use crate::protocol::{self, Answer, JSON, JSON_IGNORE_UNKNOWN, PROTOBUF, Payload, Request};

/// Answers requests from standard input until the runner closes it.
pub(crate) fn serve(descriptor_set: &OsStr) {
    let set = fs::read(descriptor_set).expect("the test has compiled the descriptors");
    let schema = Schema::builder()
        .add_file_descriptor_set(&set)
        .and_then(|builder| builder.build())
        .expect("the descriptors of the test messages are sound");
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some(request) = protocol::read(&mut input).expect("the runner follows its protocol") {
        protocol::write(&mut output, answer(&schema, request)).expect("the runner waits for its answer");
    }
}

fn answer(schema: &Schema, request: Request) -> Answer {
    let skipped = |what: &str| Answer::Skipped(format!("{what} is not what this crate is for"));
    // The runner asks for the failures the testee expects of itself: none.
    if request.message_type == "conformance.FailureSet" {
        return Answer::Protobuf(Vec::new());
    }
    let message = schema.message(&request.message_type).expect("the descriptors hold every test message");
    let wire = match (request.payload, request.output_format) {
        (Some(Payload::Protobuf(_)), PROTOBUF) => return skipped("protobuf to protobuf"),
        (Some(Payload::Protobuf(wire)), JSON) => wire,
        (Some(Payload::Json(json)), PROTOBUF | JSON) => {
            let options = DecodeOptions::default()
                .with_ignore_unknown_fields(request.test_category == JSON_IGNORE_UNKNOWN);
            let mut wire = Vec::new();
            if let Err(error) = message.json_to_wire(&json, &options, &mut wire) {
                return Answer::ParseError(error.to_string());
            }
            if request.output_format == PROTOBUF {
                return Answer::Protobuf(wire);
            }
            wire
        }
        _ => return skipped("a format other than protobuf and JSON"),
    };
    let mut json = Vec::new();
    match message.wire_to_json(&wire, &EncodeOptions::default(), &mut json) {
        Ok(()) => Answer::Json(json),
        // The runner tells bytes that are no message from messages that have no JSON.
        Err(error) => match error.kind() {
            ambidex_schema::WireErrorKind::Malformed | ambidex_schema::WireErrorKind::InvalidUtf8 => {
                Answer::ParseError(error.to_string())
            }
            _ => Answer::SerializeError(error.to_string()),
        },
    }
}
