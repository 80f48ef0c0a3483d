//! Entity tags, by which HTTP tells versions of a representation apart (RFC 9110, section 8.8.3).
//!
//! ```text
//! tags       = "*" / entity-tag *( "," entity-tag )
//! entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE
//! etagc      = %x21 / %x23-7E
//! ```
//!
//! A tag of other bytes is nobody's here, since ours are all ASCII; it is passed over.

use std::fmt;

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Says which version of something an answer shows: the value of `ETag`.
///
/// ```
/// use ambidex::call::EntityTag;
///
/// let tag = EntityTag::strong("v7");
/// assert_eq!(tag.to_string(), "\"v7\"");
/// assert!(tag.matches_weakly(&EntityTag::weak("v7")) && !tag.matches_strongly(&EntityTag::weak("v7")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityTag {
    is_weak: bool,
    opaque: String,
}

/// What a tag cannot hold as it is.
const NOT_IN_A_TAG: &AsciiSet = &CONTROLS.add(b' ').add(b'"');

impl EntityTag {
    /// The tag of a version of which every answer has the same message: a revision, or a hash of all that it shows. What
    /// a tag cannot hold is percent-encoded.
    pub fn strong(opaque: &str) -> Self {
        Self { is_weak: false, opaque: utf8_percent_encode(opaque, NOT_IN_A_TAG).to_string() }
    }

    /// The tag of a version whose answers mean the same, and may be spelled otherwise. It is of no use for changes:
    /// `If-Match` takes strong ones alone.
    pub fn weak(opaque: &str) -> Self {
        Self { is_weak: true, ..Self::strong(opaque) }
    }

    /// The weak tag of the same version.
    pub(super) fn weakened(&self) -> Self {
        Self { is_weak: true, opaque: self.opaque.clone() }
    }

    /// Whether it is a weak one.
    pub fn is_weak(&self) -> bool {
        self.is_weak
    }

    /// What stands between the quotes.
    pub fn opaque(&self) -> &str {
        &self.opaque
    }

    /// Whether both are of the same version, weak or strong: the comparison of `If-None-Match`. A tag that became weak on
    /// its way, as one does when its answer is compressed, still matches.
    pub fn matches_weakly(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }

    /// Whether both are of the same version and strong: the comparison of `If-Match`.
    pub fn matches_strongly(&self, other: &Self) -> bool {
        !self.is_weak && !other.is_weak && self.opaque == other.opaque
    }

    pub(super) fn to_header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("a tag is printable ASCII")
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.is_weak { "W/" } else { "" }, self.opaque)
    }
}

/// Which versions a precondition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tags {
    /// `*`: any that there is.
    Any,
    These(Vec<EntityTag>),
}

impl Tags {
    /// Reads the values of `If-Match` or `If-None-Match`; none where there are none. What stands behind something that is
    /// no tag names none, and so matches nothing.
    pub(super) fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut tags = None;
        for value in values {
            if value.trim_ascii() == b"*" {
                return Some(Self::Any);
            }
            let tags = tags.get_or_insert_with(Vec::new);
            let mut rest = value;
            while let Some((tag, behind)) = next_tag(rest) {
                tags.extend(tag);
                rest = behind;
            }
        }
        tags.map(Self::These)
    }

    /// The tag by which the client knows this version, or for `*`, the version's own.
    pub(super) fn find<'t>(
        &'t self,
        tag: Option<&'t EntityTag>,
        matches: impl Fn(&EntityTag, &EntityTag) -> bool,
    ) -> Option<&'t EntityTag> {
        match self {
            Self::Any => tag,
            Self::These(tags) => tags.iter().find(|known| tag.is_some_and(|tag| matches(known, tag))),
        }
    }
}

/// The first tag of a list, if it is one of ASCII, and what stands behind it; none at the end, and at what is no tag.
fn next_tag(list: &[u8]) -> Option<(Option<EntityTag>, &[u8])> {
    // A list may have empty elements (RFC 9110, section 5.6.1).
    let start = list.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
    let (is_weak, quoted) = match list[start..].strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, &list[start..]),
    };
    let inside = quoted.strip_prefix(b"\"")?;
    let end = inside.iter().position(|byte| *byte == b'"')?;
    let behind = inside[end + 1..].trim_ascii_start();
    if !(behind.is_empty() || behind.starts_with(b",")) {
        return None;
    }
    let opaque = std::str::from_utf8(&inside[..end]).ok();
    let opaque = opaque.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    Some((opaque.map(|text| EntityTag { is_weak, opaque: text.to_owned() }), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Tags> {
        Tags::read(values.iter().map(|value| value.as_bytes()))
    }

    fn these(tags: &[EntityTag]) -> Option<Tags> {
        Some(Tags::These(tags.to_vec()))
    }

    #[test]
    fn lists_are_read_over_several_headers() {
        let (a, b) = (EntityTag::strong("a"), EntityTag::weak("b,c"));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["\"a\""]), these(std::slice::from_ref(&a)));
        assert_eq!(read(&[" , \"a\" ,,\tW/\"b,c\","]), these(&[a.clone(), b.clone()]));
        assert_eq!(read(&["\"a\"", "W/\"b,c\""]), these(&[a.clone(), b]));
        assert_eq!(read(&["\"a\"", " * "]), Some(Tags::Any));
        assert_eq!(read(&["\"\""]), these(&[EntityTag::strong("")]));
        assert_eq!(read(&["\"é\", \"a\""]), these(&[a]), "one of other bytes is passed over");
    }

    #[test]
    fn what_is_no_tag_matches_nothing() {
        for value in ["", "a", "\"a", "w/\"a\"", "\"a\"b", "W/ \"a\"", "*, \"a\""] {
            assert_eq!(read(&[value]), these(&[]), "{value}");
        }
        assert_eq!(read(&["\"a\", b, \"c\""]), these(&[EntityTag::strong("a")]));
    }

    #[test]
    fn a_tag_cannot_leave_its_quotes() {
        let tag = EntityTag::strong("a\"\r\n b é");
        assert_eq!(tag.to_header(), "\"a%22%0D%0A%20b%20%C3%A9\"");
        assert_eq!(read(&[&tag.to_string()]), these(&[tag]));
    }
}
