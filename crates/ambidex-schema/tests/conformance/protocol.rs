//! What the runner and its testee say to each other: the fields of `conformance.proto` that matter to us.
//!
//! Each message is preceded by its length, four bytes, little-endian.

use std::io::{self, Read, Write};

use prost::{Message, Oneof};

/// `conformance.WireFormat`.
pub(crate) const PROTOBUF: i32 = 1;
/// `conformance.WireFormat`.
pub(crate) const JSON: i32 = 2;
/// `conformance.TestCategory`: unknown members are to be skipped.
pub(crate) const JSON_IGNORE_UNKNOWN: i32 = 3;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(oneof = "Payload", tags = "1, 2, 7, 8")]
    pub(crate) payload: Option<Payload>,
    #[prost(int32, tag = "3")]
    pub(crate) output_format: i32,
    #[prost(string, tag = "4")]
    pub(crate) message_type: String,
    #[prost(int32, tag = "5")]
    pub(crate) test_category: i32,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Payload {
    #[prost(bytes, tag = "1")]
    Protobuf(Vec<u8>),
    // A string in `conformance.proto`; as bytes, the text need not be UTF-8 to reach us.
    #[prost(bytes, tag = "2")]
    Json(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Jspb(Vec<u8>),
    #[prost(bytes, tag = "8")]
    Text(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(oneof = "Answer", tags = "1, 3, 4, 5, 6")]
    pub(crate) answer: Option<Answer>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Answer {
    #[prost(string, tag = "1")]
    ParseError(String),
    #[prost(bytes, tag = "3")]
    Protobuf(Vec<u8>),
    #[prost(bytes, tag = "4")]
    Json(Vec<u8>),
    #[prost(string, tag = "5")]
    Skipped(String),
    #[prost(string, tag = "6")]
    SerializeError(String),
}

/// The next request; `None` where the runner has closed the pipe.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Request>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut request = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut request)?;
    Ok(Some(Request::decode(request.as_slice())?))
}

/// Sends an answer.
pub(crate) fn write(to: &mut impl Write, answer: Answer) -> io::Result<()> {
    let response = Response { answer: Some(answer) }.encode_to_vec();
    to.write_all(&(response.len() as u32).to_le_bytes())?;
    to.write_all(&response)?;
    to.flush()
}
