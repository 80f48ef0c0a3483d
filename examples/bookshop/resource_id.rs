//! Owns the last part of a resource name: which ids there may be, and how one is made from a title.
//!
//! An id is what people see in addresses, so it is kept to what needs no escaping anywhere. Whether it is taken
//! already is for the store to know; here it is only a question that is asked.

use std::fmt;

/// The longest id there may be.
const LENGTH_MAX: usize = 63;

/// The longest id made from a text, so that a number fits behind it.
const MADE_LENGTH_MAX: usize = LENGTH_MAX - "-1000".len();

/// How many ids are tried for things of the same title before their owner has to choose one.
const NUMBER_MAX: u32 = 1000;

/// The id of a shelf or a book: 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceId(String);

/// A text that is no [`ResourceId`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be 1 to 63 of the characters a-z, 0-9 and -, with no - at either end")]
pub struct MalformedId;

impl ResourceId {
    /// Reads an id that somebody wrote.
    pub fn parse(text: &str) -> Result<Self, MalformedId> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > LENGTH_MAX || !text.bytes().all(allowed) {
            return Err(MalformedId);
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(MalformedId);
        }
        Ok(Self(text.to_owned()))
    }

    /// Makes an id of the words of a text; `None` if it has no letter or digit that an id can hold.
    pub fn from_words(text: &str) -> Option<Self> {
        let mut id = String::new();
        let words = text.split(|c: char| !is_part_of_word(c)).map(plain).filter(|word| !word.is_empty());
        for word in words {
            let hyphen = usize::from(!id.is_empty());
            if id.len() + hyphen + word.len() <= MADE_LENGTH_MAX {
                id.extend((hyphen > 0).then_some('-'));
                id += &word;
            } else {
                // A whole word less reads better than a cut one, unless there is no other word.
                if id.is_empty() {
                    id += &word[..MADE_LENGTH_MAX];
                }
                break;
            }
        }
        (!id.is_empty()).then_some(Self(id))
    }

    /// The id as words again, for a shelf of which nothing but the id is known.
    pub fn to_words(&self) -> String {
        let mut words = self.0.replace('-', " ");
        words[..1].make_ascii_uppercase();
        words
    }

    fn numbered(&self, number: u32) -> Self {
        Self(format!("{}-{number}", self.0))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of something that is about to be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewId {
    /// This one, because the caller asked for it.
    Asked(ResourceId),
    /// This one, or if it is taken the same with a number behind it, because we made it.
    Made(ResourceId),
}

impl NewId {
    /// The id without a number.
    pub fn first(&self) -> &ResourceId {
        match self {
            Self::Asked(id) | Self::Made(id) => id,
        }
    }

    /// The id that nothing has yet; `None` if there is none to give.
    pub fn choose<E>(
        &self,
        is_taken: impl Fn(&ResourceId) -> Result<bool, E>,
    ) -> Result<Option<ResourceId>, E> {
        let first = self.first();
        if !is_taken(first)? {
            return Ok(Some(first.clone()));
        }
        if let Self::Made(_) = self {
            for number in 2..=NUMBER_MAX {
                let id = first.numbered(number);
                if !is_taken(&id)? {
                    return Ok(Some(id));
                }
            }
        }
        Ok(None)
    }
}

/// An apostrophe stands inside of a word: Gulliver's is one word, not two.
fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\'' || c == '’'
}

/// A word in the letters an id may hold. A letter that has no plain form is left out.
fn plain(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    for c in word.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => plain.push(c),
            'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => plain.push('a'),
            'ä' | 'æ' => plain.push_str("ae"),
            'ç' | 'ć' | 'č' => plain.push('c'),
            'ď' | 'đ' | 'ð' => plain.push('d'),
            'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => plain.push('e'),
            'ğ' => plain.push('g'),
            'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => plain.push('i'),
            'ł' | 'ľ' => plain.push('l'),
            'ñ' | 'ń' | 'ň' => plain.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ő' => plain.push('o'),
            'ö' | 'ø' | 'œ' => plain.push_str("oe"),
            'ř' => plain.push('r'),
            'ś' | 'š' | 'ş' | 'ș' => plain.push('s'),
            'ß' => plain.push_str("ss"),
            'ť' | 'ț' => plain.push('t'),
            'þ' => plain.push_str("th"),
            'ù' | 'ú' | 'û' | 'ū' | 'ů' | 'ű' => plain.push('u'),
            'ü' => plain.push_str("ue"),
            'ý' | 'ÿ' => plain.push('y'),
            'ź' | 'ż' | 'ž' => plain.push('z'),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_or_not_at_all() {
        for good in ["a", "moby-dick", "1984", &"x".repeat(63)] {
            assert_eq!(ResourceId::parse(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-", "a-", "-a", "Emma", "a b", "a/b", "é", &"x".repeat(64)] {
            assert_eq!(ResourceId::parse(bad), Err(MalformedId), "{bad:?}");
        }
    }

    #[test]
    fn titles_become_ids() {
        let cases = [
            ("Moby-Dick", "moby-dick"),
            ("Gulliver's Travels", "gullivers-travels"),
            ("Les Misérables", "les-miserables"),
            ("  Sense & Sensibility! ", "sense-sensibility"),
            ("Also sprach Zarathustra: Ein Buch für Alle", "also-sprach-zarathustra-ein-buch-fuer-alle"),
        ];
        for (title, id) in cases {
            assert_eq!(ResourceId::from_words(title).expect("an id").to_string(), id);
        }
        assert_eq!(ResourceId::from_words("源氏物語"), None);
    }

    #[test]
    fn long_titles_lose_whole_words() {
        let id = ResourceId::from_words(&"wandering ".repeat(20)).expect("an id").to_string();
        assert!(id.len() <= MADE_LENGTH_MAX && id.ends_with("wandering"), "{id}");
        let id = ResourceId::from_words(&"x".repeat(200)).expect("an id").to_string();
        assert_eq!(id.len(), MADE_LENGTH_MAX);
    }

    #[test]
    fn a_made_id_gets_a_number_and_an_asked_one_does_not() {
        let emma = ResourceId::parse("emma").expect("an id");
        let is_taken = |id: &ResourceId| Ok::<_, MalformedId>(["emma", "emma-2"].contains(&id.0.as_str()));
        let made = NewId::Made(emma.clone()).choose(is_taken).expect("an answer");
        assert_eq!(made.expect("a free id").to_string(), "emma-3");
        assert_eq!(NewId::Asked(emma).choose(is_taken), Ok(None));
    }
}
