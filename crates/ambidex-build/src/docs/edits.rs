//! Changes to a text, noted by position while the text is being read and made afterwards.

use std::ops::Range;

/// Replacements waiting to be made.
#[derive(Debug, Default)]
pub(super) struct Edits {
    replacements: Vec<(Range<usize>, String)>,
}

impl Edits {
    pub(super) fn insert(&mut self, at: usize, text: &str) {
        self.replace(at..at, text);
    }

    pub(super) fn delete(&mut self, range: Range<usize>) {
        self.replace(range, "");
    }

    pub(super) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.replacements.push((range, text.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.replacements.is_empty()
    }

    /// Makes the changes. One that overlaps an earlier one is left for the next reading, when it
    /// is found again if it is still called for.
    pub(super) fn apply(mut self, text: &str) -> String {
        self.replacements.sort_by_key(|(range, _)| (range.start, range.end));
        let mut result = String::with_capacity(text.len() + 64);
        let mut done = 0;
        for (range, replacement) in self.replacements {
            if range.start < done {
                continue;
            }
            result.push_str(&text[done..range.start]);
            result.push_str(&replacement);
            done = range.end;
        }
        result.push_str(&text[done..]);
        result
    }
}
