//! Owns how a list is cut into pages, and the token that says where the next one begins.
//!
//! A token is the last name of the page before, so that it stays good while books come and go. Callers get it
//! as an opaque text: what is inside may change without breaking anyone who never looked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ShopError;
use crate::violations::Violations;

const SIZE_DEFAULT: i32 = 50;
const SIZE_MAX: i32 = 1000;

/// Which part of a list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The name behind which it begins; empty at the beginning.
    pub after: String,
    /// How many entries it has at the most.
    pub size: u32,
}

impl Page {
    /// Reads `page_size` and `page_token`. A token is only good for a list that could have given it:
    /// `belongs` tells whether the name inside could have been in the list.
    pub fn parse(size: i32, token: &str, belongs: impl Fn(&str) -> bool) -> Result<Self, ShopError> {
        let mut violations = Violations::default();
        if size < 0 {
            violations.add("page_size", "must not be negative");
        }
        let after = if token.is_empty() {
            Some(String::new())
        } else {
            open_token(token).filter(|name| belongs(name))
        };
        if after.is_none() {
            violations.add("page_token", "must be the next_page_token of the page before, of the same list");
        }
        violations.into_result()?;
        let size = if size == 0 { SIZE_DEFAULT } else { size.min(SIZE_MAX) };
        Ok(Self { after: after.unwrap_or_default(), size: size.unsigned_abs() })
    }

    /// How many entries to ask the store for: one more than the page has, to learn whether it is the last.
    pub fn limit(&self) -> u32 {
        self.size + 1
    }

    /// Cuts what the store found down to the page, and gives the token of the next one, if there is one.
    pub fn cut<T>(&self, found: &mut Vec<T>, name: impl Fn(&T) -> &str) -> String {
        let size = self.size as usize;
        if found.len() <= size {
            return String::new();
        }
        found.truncate(size);
        found.last().map_or_else(String::new, |last| URL_SAFE_NO_PAD.encode(name(last)))
    }
}

fn open_token(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_: &str) -> bool {
        true
    }

    #[test]
    fn sizes_are_kept_within_bounds() {
        for (asked, size) in [(0, 50), (1, 1), (1000, 1000), (i32::MAX, 1000)] {
            assert_eq!(Page::parse(asked, "", any).expect("a page").size, size);
        }
        assert!(Page::parse(-1, "", any).is_err());
    }

    #[test]
    fn a_token_leads_behind_the_last_entry() {
        let page = Page::parse(2, "", any).expect("a page");
        let mut found = vec!["a", "b", "c"];
        let token = page.cut(&mut found, |name| name);
        assert_eq!(found, ["a", "b"]);
        assert_eq!(Page::parse(2, &token, any).expect("the next page").after, "b");
    }

    #[test]
    fn the_last_page_has_no_token() {
        let page = Page::parse(2, "", any).expect("a page");
        assert_eq!(page.cut(&mut vec!["a", "b"], |name| name), "");
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let token = URL_SAFE_NO_PAD.encode("shelves/gothic/books/dracula");
        assert!(Page::parse(0, &token, |name| name.starts_with("shelves/love/")).is_err());
        assert!(Page::parse(0, "no token!", any).is_err());
        assert!(Page::parse(0, &URL_SAFE_NO_PAD.encode([0xff]), any).is_err());
    }
}
