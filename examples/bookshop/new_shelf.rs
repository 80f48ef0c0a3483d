//! Owns the reading of a request for a new shelf.

use crate::bookshop::v1::{CreateShelfRequest, Shelf};
use crate::error::ShopError;
use crate::resource_id::{NewId, ResourceId};
use crate::resource_name::ShelfName;
use crate::violations::Violations;

const THEME_LENGTH_MAX: usize = 300;

/// A shelf that can be put up.
#[derive(Debug, Clone)]
pub struct NewShelf {
    pub id: NewId,
    pub theme: String,
}

impl NewShelf {
    pub fn parse(request: CreateShelfRequest) -> Result<Self, ShopError> {
        let CreateShelfRequest { shelf, shelf_id } = request;
        let mut violations = Violations::default();
        let Shelf { name, theme } = shelf.unwrap_or_default();
        if theme.trim().is_empty() {
            violations.add("shelf.theme", "must not be empty");
        }
        if theme.chars().count() > THEME_LENGTH_MAX {
            violations
                .add("shelf.theme", format_args!("must not be longer than {THEME_LENGTH_MAX} characters"));
        }
        let id = new_id(&name, &shelf_id, &theme, &mut violations);
        violations.into_result()?;
        let id = id.expect("what yields no id is a violation");
        Ok(Self { id, theme })
    }

    /// A shelf of which only the name is known: its theme is made from that.
    pub fn named(name: &ShelfName) -> Self {
        Self { theme: name.id().to_words(), id: NewId::Asked(name.id().clone()) }
    }
}

/// The id that was asked for, in one place or the other, or one made from the theme.
fn new_id(name: &str, shelf_id: &str, theme: &str, violations: &mut Violations) -> Option<NewId> {
    let named = (!name.is_empty()).then(|| violations.note("shelf.name", ShelfName::parse(name)));
    let asked = (!shelf_id.is_empty()).then(|| violations.note("shelf_id", ResourceId::parse(shelf_id)));
    match (named, asked) {
        (Some(named), None) => named.map(|named| NewId::Asked(named.id().clone())),
        (None, Some(asked)) => asked.map(NewId::Asked),
        (Some(named), Some(asked)) => {
            let (named, asked) = (named?, asked?);
            if *named.id() != asked {
                violations.add("shelf_id", "must agree with shelf.name where both are given");
            }
            Some(NewId::Asked(asked))
        }
        (None, None) => {
            let made = ResourceId::from_words(theme);
            if made.is_none() {
                violations.add("shelf_id", "must be given, since the theme has no letters to make it from");
            }
            made.map(NewId::Made)
        }
    }
}
