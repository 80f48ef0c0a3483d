//! Content types: what a request body may be, and what form a reply takes.

use http::HeaderValue;

use super::heads::Heads;

pub(super) const JSON: &str = "application/json";
pub(super) const PROTO: &str = "application/proto";
pub(super) const X_PROTOBUF: &str = "application/x-protobuf";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const SSE: &str = "text/event-stream";
pub(super) const CONNECT_JSON: &str = "application/connect+json";
pub(super) const CONNECT_PROTO: &str = "application/connect+proto";

/// Protobuf never got a registered name in time, so it has several.
const PROTOS: [&str; 3] = [PROTO, "application/protobuf", X_PROTOBUF];
const NDJSONS: [&str; 3] = [NDJSON, "application/ndjson", "application/jsonl"];

/// How messages are spelled in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Proto,
}

impl Encoding {
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => JSON,
            Self::Proto => PROTO,
        })
    }
}

/// What a request body says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyType {
    /// A message, or an array of them.
    One(Encoding),
    /// A message of JSON each line.
    Ndjson,
    /// Connect's envelopes.
    Envelopes(Encoding),
}

/// How a stream of messages is laid out in the body of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamForm {
    Ndjson,
    Array,
    Sse,
    Envelopes(Encoding),
}

impl StreamForm {
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Ndjson => NDJSON,
            Self::Array => JSON,
            Self::Sse => SSE,
            Self::Envelopes(Encoding::Json) => CONNECT_JSON,
            Self::Envelopes(Encoding::Proto) => CONNECT_PROTO,
        })
    }
}

/// Whether a client asks for nothing but what one gets that says nothing: JSON, unpacked.
pub(super) fn is_usual(heads: &Heads<'_>) -> bool {
    heads.content_type.is_none_or(|value| value == JSON)
        && heads.content_encoding.is_none()
        && heads.accept.iter().all(|value| value == "*/*")
        && heads.connect_protocol_version.is_none_or(|version| version == "1")
}

/// The media type of a header value, without its parameters.
fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// What a request body is by its `Content-Type`; JSON where there is none. `None` for what we do not read.
pub(super) fn of_request(heads: &Heads<'_>) -> Option<BodyType> {
    let Some(value) = heads.content_type else { return Some(BodyType::One(Encoding::Json)) };
    if value == JSON {
        return Some(BodyType::One(Encoding::Json));
    }
    let media_type = media_type(value.to_str().ok()?);
    let is = |name: &&str| media_type.eq_ignore_ascii_case(name);
    if is(&JSON) {
        Some(BodyType::One(Encoding::Json))
    } else if PROTOS.iter().any(is) {
        Some(BodyType::One(Encoding::Proto))
    } else if NDJSONS.iter().any(is) {
        Some(BodyType::Ndjson)
    } else if is(&CONNECT_JSON) {
        Some(BodyType::Envelopes(Encoding::Json))
    } else {
        is(&CONNECT_PROTO).then_some(BodyType::Envelopes(Encoding::Proto))
    }
}

/// The form of a streamed reply by `Accept`. What a client names goes before what it takes besides; NDJSON before an
/// array, and both before events, where it likes them equally. `None` for a client that takes none of them.
pub(super) fn stream_form(heads: &Heads<'_>) -> Option<StreamForm> {
    if heads.accept.is_empty() {
        return Some(StreamForm::Ndjson);
    }
    let forms = [(StreamForm::Sse, &[SSE][..]), (StreamForm::Array, &[JSON]), (StreamForm::Ndjson, &NDJSONS)];
    let rated = forms.into_iter().map(|(form, types)| {
        let is_named = |range: &str| types.iter().any(|name| range.eq_ignore_ascii_case(name));
        let named = accepts(heads).any(|(range, quality)| quality > 0 && is_named(range));
        // Nobody who takes everything means events.
        ((quality(heads, types), named), form)
    });
    let best = rated.filter(|((quality, _), _)| *quality > 0).max_by_key(|(rating, _)| *rating);
    best.map(|(_, form)| form)
}

/// The encoding of a reply of one message by `Accept`: protobuf for a client that names it and likes it as much.
pub(super) fn reply_encoding(heads: &Heads<'_>) -> Option<Encoding> {
    if heads.accept.is_empty() {
        return Some(Encoding::Json);
    }
    let json = quality(heads, &[JSON]);
    let proto = quality(heads, &PROTOS);
    let is_proto = |range: &str| PROTOS.iter().any(|name| range.eq_ignore_ascii_case(name));
    if proto > 0 && proto >= json && accepts(heads).any(|(range, _)| is_proto(range)) {
        return Some(Encoding::Proto);
    }
    (json > 0).then_some(Encoding::Json)
}

/// The best quality, in thousandths, that `Accept` gives to one of `types`; full where it does not speak.
fn quality(heads: &Heads<'_>, types: &[&str]) -> u16 {
    if heads.accept.is_empty() {
        return 1000;
    }
    let best = types.iter().map(|media_type| {
        // The most specific range decides: `text/html;q=0` refuses although `*/*` takes all.
        let matching = accepts(heads).filter_map(|(range, quality)| {
            specificity(range, media_type).map(|specificity| (specificity, quality))
        });
        matching.max_by_key(|(specificity, _)| *specificity).map_or(0, |(_, quality)| quality)
    });
    best.max().unwrap_or(0)
}

fn specificity(range: &str, media_type: &str) -> Option<u8> {
    if range.eq_ignore_ascii_case(media_type) {
        return Some(2);
    }
    if range == "*/*" {
        return Some(0);
    }
    let kind = range.strip_suffix("/*")?;
    media_type.split('/').next().is_some_and(|own| own.eq_ignore_ascii_case(kind)).then_some(1)
}

/// The media ranges of `Accept`, each with its quality in thousandths.
fn accepts<'h>(heads: &'h Heads<'_>) -> impl Iterator<Item = (&'h str, u16)> {
    let values = heads.accept.iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(with_quality)
}

/// An element of `Accept` or one of its kin, and its quality in thousandths.
pub(super) fn with_quality(range: &str) -> (&str, u16) {
    let quality = range.split(';').skip(1).find_map(|parameter| {
        let value = parameter.trim().strip_prefix("q=")?;
        value.parse::<f32>().ok()
    });
    // A quality outside 0 to 1 is no quality; the range still counts.
    let thousandths = (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u16;
    (media_type(range), thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, header};

    fn of(name: HeaderName, value: &str) -> Heads<'static> {
        Heads::of(Box::leak(Box::new(HeaderMap::from_iter([(name, value.parse().expect("a value"))]))))
    }

    fn accept(value: &str) -> Heads<'static> {
        of(header::ACCEPT, value)
    }

    fn typed(value: &str) -> Heads<'static> {
        of(header::CONTENT_TYPE, value)
    }

    #[test]
    fn a_stream_takes_the_form_the_client_asks_for() {
        let cases = [
            ("*/*", Some(StreamForm::Ndjson)),
            ("text/event-stream", Some(StreamForm::Sse)),
            ("text/event-stream, */*;q=0.1", Some(StreamForm::Sse)),
            ("application/x-ndjson, text/event-stream;q=0.5", Some(StreamForm::Ndjson)),
            ("application/json", Some(StreamForm::Array)),
            ("application/json, text/plain, */*", Some(StreamForm::Array)),
            ("application/json, application/x-ndjson", Some(StreamForm::Ndjson)),
            ("application/json, application/x-ndjson;q=0.9", Some(StreamForm::Array)),
            ("text/*", Some(StreamForm::Sse)),
            ("image/png", None),
            ("*/*, application/x-ndjson;q=0, application/json;q=0", Some(StreamForm::Ndjson)),
        ];
        for (value, expected) in cases {
            assert_eq!(stream_form(&accept(value)), expected, "{value}");
        }
        assert_eq!(stream_form(&Heads::default()), Some(StreamForm::Ndjson));
    }

    #[test]
    fn a_reply_is_json_unless_protobuf_is_named() {
        let cases = [
            ("*/*", Some(Encoding::Json)),
            ("*/*, application/json;q=0", None),
            ("text/html", None),
            ("application/x-protobuf", Some(Encoding::Proto)),
            ("application/json, application/protobuf;q=0.5", Some(Encoding::Json)),
            ("application/json;q=0.5, application/protobuf", Some(Encoding::Proto)),
        ];
        for (value, expected) in cases {
            assert_eq!(reply_encoding(&accept(value)), expected, "{value}");
        }
    }

    #[test]
    fn a_body_is_read_by_its_content_type() {
        let cases = [
            ("application/json; charset=utf-8", Some(BodyType::One(Encoding::Json))),
            ("Application/Proto", Some(BodyType::One(Encoding::Proto))),
            ("text/xml", None),
            ("application/x-ndjson", Some(BodyType::Ndjson)),
            ("application/connect+proto", Some(BodyType::Envelopes(Encoding::Proto))),
        ];
        for (value, expected) in cases {
            assert_eq!(of_request(&typed(value)), expected, "{value}");
        }
        assert_eq!(of_request(&Heads::default()), Some(BodyType::One(Encoding::Json)));
    }
}
