//! Which content codings a request and its reply have, by their headers.

use http::HeaderValue;
use tonic::Status;

use super::status;
pub(super) use crate::coding::{Coding, Decoder, Encoder, UnpackError};

/// The names of all codings that are read and written over HTTP, as a header spells them. No deflate: it is two
/// formats by one name.
pub(super) const NAMES: &str = "zstd, br, gzip";

/// Better ones first: what is chosen where the client has no preference.
const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

/// The status of a body that cannot be unpacked.
pub(super) fn refusal(error: UnpackError) -> Status {
    match error {
        UnpackError::TooLarge { limit_bytes } => status::body_too_large(limit_bytes),
        UnpackError::Malformed => {
            Status::invalid_argument("the body is not what its content coding says, or ends early")
        }
    }
}

/// Reads the value of `Content-Encoding` or one of its kin. `None` for identity.
pub(super) fn named(value: &HeaderValue) -> Result<Option<Coding>, Status> {
    let name = value.to_str().unwrap_or_default().trim();
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is("identity") || name.is_empty() {
        return Ok(None);
    }
    let known = ALL.into_iter().find(|coding| is(coding.name()) || (is("x-gzip") && *coding == Coding::Gzip));
    known.map(Some).ok_or_else(status::unsupported_coding)
}

/// The coding that `Accept-Encoding` or one of its kin likes best; `None` where that is identity. Of those it
/// likes equally it is the one that stands first, where the list is `ordered`, and else the server's choice.
pub(super) fn accepted<'a>(values: impl Iterator<Item = &'a HeaderValue>, ordered: bool) -> Option<Coding> {
    let (mut identity, mut others) = (0, None);
    let mut named: Vec<(u16, Coding)> = Vec::new();
    for range in values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let (name, quality) = super::content::with_quality(range);
        let known = ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name()));
        match (known, name) {
            (Some(coding), _) if named.iter().all(|(_, known)| *known != coding) => {
                named.push((quality, coding))
            }
            (None, "identity") => identity = quality,
            (None, "*") => others = Some(quality),
            _ => {}
        }
    }
    if !ordered {
        named.sort_by_key(|(_, coding)| ALL.iter().position(|known| known == coding));
    }
    if let Some(quality) = others {
        let unnamed = ALL.into_iter().filter(|coding| named.iter().all(|(_, named)| named != coding));
        named.extend(unnamed.map(|coding| (quality, coding)).collect::<Vec<_>>());
    }
    let mut best: Option<(u16, Coding)> = None;
    for (quality, coding) in named {
        if quality > 0 && best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, coding));
        }
    }
    best.filter(|(quality, _)| *quality >= identity).map(|(_, coding)| coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &str) -> Option<Coding> {
        let value = HeaderValue::from_str(value).expect("a value");
        super::accepted([&value].into_iter(), false)
    }

    #[test]
    fn the_client_chooses_and_the_server_breaks_ties() {
        let cases = [
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip;q=1.0, br;q=0.8", Some(Coding::Gzip)),
            ("GZIP", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("*, zstd;q=0", Some(Coding::Brotli)),
            ("gzip, *", Some(Coding::Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0, gzip", Some(Coding::Gzip)),
            ("gzip;q=0", None),
            ("deflate", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(accepted(value), expected, "{value}");
        }
        assert_eq!(super::accepted([].into_iter(), false), None);
        let ordered =
            |value: &'static str| super::accepted([&HeaderValue::from_static(value)].into_iter(), true);
        assert_eq!(ordered("gzip, br, zstd"), Some(Coding::Gzip), "Connect's lists are ordered");
        assert_eq!(ordered("gzip;q=0.5, br, zstd"), Some(Coding::Brotli));
    }
}
