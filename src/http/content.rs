//! Content types: what a request body may be, and what form a reply takes.

use http::{HeaderMap, HeaderValue, header};

pub(super) const JSON: &str = "application/json";
pub(super) const PROTO: &str = "application/proto";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const SSE: &str = "text/event-stream";

/// How messages are spelled in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Proto,
}

/// How a stream of messages is laid out in the body of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamForm {
    Ndjson,
    Sse,
}

impl StreamForm {
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Ndjson => NDJSON,
            Self::Sse => SSE,
        })
    }
}

/// The media type of a header value, without its parameters.
fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// The encoding of a request body by its `Content-Type`; JSON where there is none. `None` for one we do not
/// read.
pub(super) fn of_request(headers: &HeaderMap, streams: bool) -> Option<Encoding> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Some(Encoding::Json) };
    if value == JSON {
        return Some(Encoding::Json);
    }
    let media_type = media_type(value.to_str().ok()?);
    let is = |name: &str| media_type.eq_ignore_ascii_case(name);
    if streams {
        let json = [NDJSON, "application/ndjson", "application/jsonl", JSON];
        return json.into_iter().any(is).then_some(Encoding::Json);
    }
    if is(JSON) {
        return Some(Encoding::Json);
    }
    let proto = [PROTO, "application/protobuf", "application/x-protobuf"];
    proto.into_iter().any(is).then_some(Encoding::Proto)
}

/// The form of a streamed reply by `Accept`: SSE for a client that names it and prefers it to NDJSON, NDJSON
/// otherwise. `None` for a client that takes neither.
pub(super) fn stream_form(headers: &HeaderMap) -> Option<StreamForm> {
    let ndjson = quality(headers, &[NDJSON, "application/ndjson", "application/jsonl", JSON]);
    let sse = quality(headers, &[SSE]);
    let named = accepts(headers).any(|(range, _)| range.eq_ignore_ascii_case(SSE));
    if named && sse > 0 && sse >= ndjson {
        return Some(StreamForm::Sse);
    }
    if ndjson > 0 {
        return Some(StreamForm::Ndjson);
    }
    (sse > 0).then_some(StreamForm::Sse)
}

/// Whether a client takes a reply of `media_type`.
pub(super) fn accepts_type(headers: &HeaderMap, media_type: &str) -> bool {
    quality(headers, &[media_type]) > 0
}

/// The best quality, in thousandths, that `Accept` gives to one of `types`; full where it does not speak.
fn quality(headers: &HeaderMap, types: &[&str]) -> u16 {
    if !headers.contains_key(header::ACCEPT) {
        return 1000;
    }
    let best = types.iter().map(|media_type| {
        // The most specific range decides: `text/html;q=0` refuses although `*/*` takes all.
        let matching = accepts(headers).filter_map(|(range, quality)| {
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
fn accepts(headers: &HeaderMap) -> impl Iterator<Item = (&str, u16)> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|range| {
        let quality = range.split(';').skip(1).find_map(|parameter| {
            let value = parameter.trim().strip_prefix("q=")?;
            value.parse::<f32>().ok()
        });
        // A quality outside 0 to 1 is no quality; the range still counts.
        let thousandths = (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u16;
        (media_type(range), thousandths)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().expect("a value"));
        headers
    }

    fn typed(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
        headers
    }

    #[test]
    fn a_stream_takes_the_form_the_client_asks_for() {
        let cases = [
            ("*/*", Some(StreamForm::Ndjson)),
            ("text/event-stream", Some(StreamForm::Sse)),
            ("text/event-stream, */*;q=0.1", Some(StreamForm::Sse)),
            ("application/x-ndjson, text/event-stream;q=0.5", Some(StreamForm::Ndjson)),
            ("application/json", Some(StreamForm::Ndjson)),
            ("text/*", Some(StreamForm::Sse)),
            ("image/png", None),
            ("*/*, application/x-ndjson;q=0, application/json;q=0", Some(StreamForm::Ndjson)),
        ];
        for (value, expected) in cases {
            assert_eq!(stream_form(&accept(value)), expected, "{value}");
        }
        assert_eq!(stream_form(&HeaderMap::new()), Some(StreamForm::Ndjson));
    }

    #[test]
    fn the_most_specific_range_decides() {
        assert!(accepts_type(&accept("*/*"), JSON));
        assert!(!accepts_type(&accept("*/*, application/json;q=0"), JSON));
        assert!(!accepts_type(&accept("text/html"), JSON));
    }

    #[test]
    fn a_body_is_read_by_its_content_type() {
        assert_eq!(of_request(&typed("application/json; charset=utf-8"), false), Some(Encoding::Json));
        assert_eq!(of_request(&typed("Application/Proto"), false), Some(Encoding::Proto));
        assert_eq!(of_request(&typed("text/xml"), false), None);
        assert_eq!(of_request(&typed("application/x-ndjson"), true), Some(Encoding::Json));
        assert_eq!(of_request(&typed("application/proto"), true), None);
        assert_eq!(of_request(&HeaderMap::new(), false), Some(Encoding::Json));
    }
}
