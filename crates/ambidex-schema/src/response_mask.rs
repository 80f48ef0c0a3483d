//! Response masks: which fields of a reply a client wants to see, as Google's partial responses spell it.
//!
//! `name,author.name,reviews(rating,text)`: fields by comma, what is below a field behind a dot, a slash or in
//! parentheses, and `*` for every field. The mask cuts wire bytes, so it holds for JSON and protobuf alike, and
//! what is left is copied without being understood. Fields that the schema does not know are left out.

use std::collections::BTreeMap;

use crate::json::DEPTH_CEILING;
use crate::message_type::{FieldHandle, MessageType};
use crate::tables::{Kind, WellKnown};
use crate::wire::{Reader, WireError, WireValue, put_varint};

/// The fields of a message that are to be shown; made by [`MessageType::response_mask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseMask(Selection);

/// Why text is no response mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseMaskError {
    /// A name is missing, or a parenthesis, or there is one too many.
    #[error(
        "the mask is malformed at byte {0}: write fields by comma, and what is below one as a.b or a(b,c)"
    )]
    Syntax(usize),
    /// There is no such field.
    #[error("{message} has no field `{name}`")]
    Unknown {
        /// Full name of the message.
        message: String,
        /// What the mask says.
        name: String,
    },
    /// The field has no fields of its own that could be chosen from.
    #[error("`{0}` has no fields to choose from")]
    NotAMessage(String),
    /// The mask nests deeper than any message may.
    #[error("the mask nests too deeply")]
    TooDeep,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selection {
    All,
    /// By field number.
    Fields(BTreeMap<u32, Selection>),
}

impl MessageType {
    /// Reads a mask of this message's fields, by their proto names or JSON names.
    ///
    /// # Errors
    ///
    /// When the text is malformed, names what there is not, or asks for fields of what has none: a scalar, a map,
    /// or a well-known type, which JSON shows as one value.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let set = prost_reflect::DescriptorPool::global().encode_to_vec();
    /// # let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(&set)?.build()?;
    /// let file = schema.message("google.protobuf.FileDescriptorProto").expect("part of the pool");
    /// let mask = file.response_mask("name,messageType(name)")?;
    /// // name: "a", package: "b", message_type { name: "c" }
    /// let shown = mask.apply(b"\x0a\x01a\x12\x01b\x22\x03\x0a\x01c")?;
    /// assert_eq!(shown, b"\x0a\x01a\x22\x03\x0a\x01c");
    /// # Ok(())
    /// # }
    /// ```
    pub fn response_mask(&self, text: &str) -> Result<ResponseMask, ResponseMaskError> {
        let mut parser = Parser { text: text.as_bytes(), position: 0 };
        let selection = parser.list(self, DEPTH_CEILING)?;
        if parser.position < text.len() {
            return Err(ResponseMaskError::Syntax(parser.position));
        }
        Ok(ResponseMask(selection))
    }
}

impl ResponseMask {
    /// The mask of a message that shows, of `field` alone, what this shows.
    #[must_use]
    pub fn below(self, field: &FieldHandle) -> Self {
        Self(Selection::Fields(BTreeMap::from([(field.number(), self.0)])))
    }

    /// The wire bytes without what is not to be shown.
    ///
    /// # Errors
    ///
    /// When the bytes are not a valid message.
    pub fn apply(&self, wire: &[u8]) -> Result<Vec<u8>, WireError> {
        let mut out = Vec::with_capacity(wire.len());
        copy(&self.0, wire, 0, &mut out)?;
        Ok(out)
    }
}

fn copy(selection: &Selection, wire: &[u8], base: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    let Selection::Fields(fields) = selection else {
        out.extend_from_slice(wire);
        return Ok(());
    };
    let mut reader = Reader::new(wire, base);
    loop {
        let start = reader.position();
        let Some(record) = reader.next()? else { return Ok(()) };
        match (fields.get(&record.number), record.value) {
            (None, _) => {}
            (Some(inner @ Selection::Fields(_)), WireValue::Bytes(bytes)) => {
                put_varint(u64::from(record.number << 3 | 2), out);
                let mut shown = Vec::with_capacity(bytes.len());
                copy(inner, bytes, record.offset, &mut shown)?;
                put_varint(shown.len() as u64, out);
                out.extend_from_slice(&shown);
            }
            (Some(inner @ Selection::Fields(_)), WireValue::Group(bytes)) => {
                put_varint(u64::from(record.number << 3 | 3), out);
                copy(inner, bytes, record.offset, out)?;
                put_varint(u64::from(record.number << 3 | 4), out);
            }
            (Some(_), _) => out.extend_from_slice(&wire[start..reader.position()]),
        }
    }
}

struct Parser<'a> {
    text: &'a [u8],
    position: usize,
}

impl Parser<'_> {
    /// Fields by comma.
    fn list(&mut self, message: &MessageType, depth_left: usize) -> Result<Selection, ResponseMaskError> {
        let mut all = Selection::Fields(BTreeMap::new());
        loop {
            let one = self.path(message, depth_left)?;
            merge(&mut all, one);
            if !self.take(b',') {
                return Ok(all);
            }
        }
    }

    /// One field and what of it is meant.
    fn path(&mut self, message: &MessageType, depth_left: usize) -> Result<Selection, ResponseMaskError> {
        let depth_left = depth_left.checked_sub(1).ok_or(ResponseMaskError::TooDeep)?;
        if self.take(b'*') {
            return Ok(Selection::All);
        }
        let start = self.position;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        self.position += self.text[start..].iter().take_while(|byte| is_name(byte)).count();
        if start == self.position {
            return Err(ResponseMaskError::Syntax(start));
        }
        let name = String::from_utf8_lossy(&self.text[start..self.position]).into_owned();
        let field = message.field(&name).ok_or_else(|| ResponseMaskError::Unknown {
            message: message.full_name().to_owned(),
            name: crate::json::shortened(&name),
        })?;
        let inner = if self.take(b'.') || self.take(b'/') {
            self.path(&fields_of(&field)?, depth_left)?
        } else if self.take(b'(') {
            let inner = self.list(&fields_of(&field)?, depth_left)?;
            if !self.take(b')') {
                return Err(ResponseMaskError::Syntax(self.position));
            }
            inner
        } else {
            Selection::All
        };
        Ok(Selection::Fields(BTreeMap::from([(field.number(), inner)])))
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.position) == Some(&byte);
        self.position += usize::from(found);
        found
    }
}

/// The message whose fields can be chosen from.
fn fields_of(field: &FieldHandle) -> Result<MessageType, ResponseMaskError> {
    let plain = field.message_type().filter(|message| message.table().well_known == WellKnown::No);
    plain
        .filter(|_| matches!(field.table().kind, Kind::Message(_) | Kind::Group(_)))
        .ok_or_else(|| ResponseMaskError::NotAMessage(field.name().to_owned()))
}

fn merge(into: &mut Selection, other: Selection) {
    match (&mut *into, other) {
        (Selection::All, _) => {}
        (_, Selection::All) => *into = Selection::All,
        (Selection::Fields(fields), Selection::Fields(others)) => {
            for (number, other) in others {
                match fields.entry(number) {
                    std::collections::btree_map::Entry::Occupied(mut known) => merge(known.get_mut(), other),
                    std::collections::btree_map::Entry::Vacant(free) => {
                        free.insert(other);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileOptions};

    fn file() -> MessageType {
        let set = prost_reflect::DescriptorPool::global().encode_to_vec();
        let builder = crate::Schema::builder().add_file_descriptor_set(&set).expect("descriptors");
        let schema = builder.build().expect("a schema");
        schema.message("google.protobuf.FileDescriptorProto").expect("part of the pool")
    }

    fn example() -> FileDescriptorProto {
        let field = |name: &str| FieldDescriptorProto {
            name: Some(name.into()),
            number: Some(7),
            json_name: Some("j".into()),
            ..Default::default()
        };
        FileDescriptorProto {
            name: Some("f".into()),
            package: Some("p".into()),
            dependency: vec!["d".into(), "e".into()],
            message_type: vec![
                DescriptorProto {
                    name: Some("A".into()),
                    field: vec![field("x"), field("y")],
                    ..Default::default()
                },
                DescriptorProto { name: Some("B".into()), ..Default::default() },
            ],
            options: Some(FileOptions { java_package: Some("o".into()), ..Default::default() }),
            ..Default::default()
        }
    }

    fn shown(mask: &str) -> FileDescriptorProto {
        let wire = file().response_mask(mask).expect(mask).apply(&example().encode_to_vec()).expect("valid");
        FileDescriptorProto::decode(&*wire).expect("still a message")
    }

    #[test]
    fn what_is_named_is_shown_and_nothing_else() {
        assert_eq!(shown("*"), example());
        let names = FileDescriptorProto {
            name: Some("f".into()),
            dependency: example().dependency,
            ..Default::default()
        };
        assert_eq!(shown("name,dependency"), names);
        assert_eq!(shown("messageType,name").message_type, example().message_type);
        for spelling in ["message_type(name,field(name))", "messageType.name,messageType/field/name"] {
            let found = shown(spelling);
            assert_eq!(found.name, None);
            assert_eq!(found.message_type.len(), 2);
            assert_eq!(found.message_type[0].field[1].name.as_deref(), Some("y"));
            assert_eq!(found.message_type[0].field[1].number, None);
            assert_eq!(found.message_type[1].name.as_deref(), Some("B"));
        }
        // What is wanted whole stays whole, in either order.
        assert_eq!(shown("options.java_package,options"), shown("options"));
        assert_eq!(shown("options,options.java_package"), shown("options"));
    }

    #[test]
    fn below_a_field_only_that_field_is_left() {
        let field = file().field("options").expect("a field");
        let mask = field.message_type().expect("a message").response_mask("javaPackage").expect("a mask");
        let wire = mask.below(&field).apply(&example().encode_to_vec()).expect("valid");
        let expected = FileDescriptorProto { options: example().options, ..Default::default() };
        assert_eq!(FileDescriptorProto::decode(&*wire).expect("a message"), expected);
    }

    #[test]
    fn a_wrong_mask_says_what_is_wrong() {
        let error = |mask: &str| file().response_mask(mask).expect_err(mask);
        assert_eq!(error(""), ResponseMaskError::Syntax(0));
        assert_eq!(error("name,"), ResponseMaskError::Syntax(5));
        assert_eq!(error("message_type(name"), ResponseMaskError::Syntax(17));
        assert_eq!(error("name)"), ResponseMaskError::Syntax(4));
        assert_eq!(error("name.x"), ResponseMaskError::NotAMessage("name".into()));
        assert!(matches!(error("nope"), ResponseMaskError::Unknown { name, .. } if name == "nope"));
        let deep = "message_type(nested_type(".to_owned() + &"nested_type(".repeat(300);
        assert_eq!(error(&deep), ResponseMaskError::TooDeep);
    }
}
