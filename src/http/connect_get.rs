//! Connect's GET: a call without side effects whose message is in the query, so that caches can answer it.
//!
//! <https://connectrpc.com/docs/protocol/#unary-get-request>

use std::borrow::Cow;

use ambidex_schema::MessageType;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use tonic::Status;

use super::HttpConfig;
use super::coding;
use super::content::Encoding;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);

/// What the query says.
#[derive(Debug, Default)]
struct Query<'a> {
    message: Option<&'a str>,
    encoding: Option<Cow<'a, str>>,
    base64: bool,
    compression: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    fn read(query: &'a str) -> Self {
        let mut found = Self::default();
        for pair in query.split('&') {
            let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
            let value = || percent_decode_str(raw).decode_utf8_lossy();
            match name {
                "message" => found.message = Some(raw),
                "encoding" => found.encoding = Some(value()),
                "base64" => found.base64 = value() == "1",
                "compression" => found.compression = Some(value()),
                "connect" => found.version = Some(value()),
                // The protocol asks servers to pass others over.
                _ => {}
            }
        }
        found
    }

    fn encoding(&self) -> Result<Encoding, Status> {
        match self.encoding.as_deref() {
            Some("json") => Ok(Encoding::Json),
            Some("proto") => Ok(Encoding::Proto),
            Some(other) => Err(super::status::unknown_get_encoding(other)),
            None => Err(Status::invalid_argument("the parameter `encoding` is missing: json or proto")),
        }
    }

    /// The message as it was before it was put in a URL. `+` is no space here: base64 may hold one.
    fn bytes(&self) -> Result<Vec<u8>, Status> {
        let raw =
            self.message.ok_or_else(|| Status::invalid_argument("the parameter `message` is missing"))?;
        let bytes: Vec<u8> = percent_decode_str(raw).collect();
        if !self.base64 {
            return Ok(bytes);
        }
        let decoded = URL_SAFE_BASE64.decode(&bytes).or_else(|_| STANDARD_BASE64.decode(&bytes));
        decoded.map_err(|_| Status::invalid_argument("the parameter `message` is not base64"))
    }
}

/// The encoding of the message and of its answer.
pub(super) fn encoding(query: &str, require_version: bool) -> Result<Encoding, Status> {
    let query = Query::read(query);
    match query.version.as_deref() {
        Some("v1") => {}
        Some(_) => return Err(Status::invalid_argument("the only version spoken here is connect=v1")),
        None if require_version => {
            return Err(Status::invalid_argument("the parameter connect=v1 is missing"));
        }
        None => {}
    }
    query.encoding()
}

/// The wire bytes of the message in the query.
pub(super) fn message(
    query: &str,
    message: &MessageType,
    limit_bytes: usize,
    config: &HttpConfig,
) -> Result<Bytes, Status> {
    let query = Query::read(query);
    let mut bytes = Bytes::from(query.bytes()?);
    if let Some(name) = &query.compression {
        let name = HeaderValue::from_str(name).unwrap_or(HeaderValue::from_static("?"));
        // Connect has a code for it, and HTTP no status: there is no body whose type could be wrong.
        let coding = coding::named(&name).map_err(|status| Status::unimplemented(status.message()))?;
        // Nothing is packed in no coding, whatever its name: the protocol says so.
        if let Some(chosen) = coding.filter(|_| !bytes.is_empty()) {
            bytes = chosen.decode(&bytes, limit_bytes).map_err(coding::refusal)?;
        }
    }
    if query.encoding()? == Encoding::Proto {
        return Ok(bytes);
    }
    let mut wire = Vec::with_capacity(bytes.len());
    let json = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
    message
        .json_to_wire(json, &config.json_in, &mut wire)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok(wire.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_from_the_query() {
        let cases = [
            ("encoding=json&message=%7B%22a%22%3A1%7D&connect=v1", "{\"a\":1}"),
            ("message=eyJhIjoxfQ&base64=1&encoding=json", "{\"a\":1}"),
            ("message=eyJhIjoxfQ%3D%3D&base64=1&encoding=json&other=x", "{\"a\":1}"),
            ("message=a+b&encoding=json", "a+b"),
        ];
        for (query, expected) in cases {
            assert_eq!(Query::read(query).bytes().expect("a message"), expected.as_bytes(), "{query}");
            assert_eq!(encoding(query, false).expect("an encoding"), Encoding::Json);
        }
        // Either alphabet, as browsers and shells produce them.
        for text in ["-_8", "%2B%2F8%3D", "+/8="] {
            let query = format!("base64=1&message={text}");
            assert_eq!(Query::read(&query).bytes().expect("base64"), [0xfb, 0xff]);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let message =
            |query: &str, required| encoding(query, required).expect_err(query).message().to_owned();
        assert!(message("message=a", false).contains("`encoding`"));
        assert!(message("encoding=json", true).contains("connect=v1"));
        assert!(message("encoding=json&connect=v2", false).contains("connect=v1"));
        assert!(message("encoding=xml", false).contains("xml"));
        assert!(Query::read("encoding=json").bytes().is_err());
        assert!(Query::read("message=%%%&base64=1").bytes().is_err());
    }
}
