//! What the variables of a route captured, kept for later beside the target it stands in rather than copied out of it.

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

/// Captured values. They are read with the path that they were found in.
#[derive(Debug, Default)]
pub(super) struct Captures(SmallVec<[Capture; 4]>);

#[derive(Debug)]
enum Capture {
    /// Part of the path, as it stands there.
    Within { start: u32, end: u32 },
    /// What the path says with escapes.
    Decoded(Box<str>),
}

impl Captures {
    pub(super) fn of(found: &ambidex_schema::Captures<'_>, path: &str) -> Self {
        Self(found.iter().map(|value| Capture::of(value, path)).collect())
    }

    /// The values, in the order of the template's variables.
    pub(super) fn values<'a>(&'a self, path: &'a str) -> ambidex_schema::Captures<'a> {
        self.0.iter().map(|capture| Cow::Borrowed(capture.value(path))).collect()
    }
}

impl Capture {
    fn of(value: &str, path: &str) -> Self {
        let bounds = place(value, path).map(|place| (u32::try_from(place.start), u32::try_from(place.end)));
        match bounds {
            Some((Ok(start), Ok(end))) => Self::Within { start, end },
            _ => Self::Decoded(value.into()),
        }
    }

    fn value<'a>(&'a self, path: &'a str) -> &'a str {
        match self {
            Self::Within { start, end } => path.get(*start as usize..*end as usize).unwrap_or_default(),
            Self::Decoded(value) => value,
        }
    }
}

/// Where a part of a text stands in it, if it is one.
fn place(part: &str, whole: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let place = start..start + part.len();
    (place.end <= whole.len()).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_was_found_wherever_they_are_kept() {
        let path = "/v1/shelves/1/a%20b".to_owned();
        let found = [Cow::Borrowed(&path[4..13]), Cow::Owned("a b".to_owned()), Cow::Borrowed("")];
        let captures = Captures::of(&found.into_iter().collect(), &path);
        assert!(matches!(captures.0[0], Capture::Within { start: 4, end: 13 }));
        // The path goes on living elsewhere.
        let moved = path.clone();
        drop(path);
        assert_eq!(captures.values(&moved)[..], ["shelves/1", "a b", ""]);
    }
}
