//! Handles to messages and fields: what the rest of a program holds instead of descriptors.
//!
//! A handle is an `Arc` and an index, so it clones cheaply and keeps its schema alive. What can be done with
//! a message lives beside the mechanism that does it: transcoding in [`json`](crate::json), binding in
//! [`field_path`](crate::field_path) and [`query`](crate::query).

use std::fmt;
use std::sync::Arc;

use prost_reflect::{FieldDescriptor, MessageDescriptor};

use crate::tables::{FieldTable, MessageTable, Shape, Tables};
use crate::wire::{Reader, WireError};

/// A message type of a [`Schema`](crate::Schema). Cloning it is cheap.
#[derive(Clone)]
pub struct MessageType {
    tables: Arc<Tables>,
    index: u32,
}

impl MessageType {
    pub(crate) fn new(tables: Arc<Tables>, index: u32) -> Self {
        Self { tables, index }
    }

    #[inline]
    pub(crate) fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    #[inline]
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    #[inline]
    pub(crate) fn table(&self) -> &MessageTable {
        self.tables.message(self.index)
    }

    /// Full name, such as `bookshop.v1.Order`.
    pub fn full_name(&self) -> &str {
        &self.table().full_name
    }

    /// The field with this proto name or JSON name.
    pub fn field(&self, name: &str) -> Option<FieldHandle> {
        let index = self.table().field_by_any_name(name.as_bytes())?;
        Some(self.field_at(index))
    }

    pub(crate) fn field_by_proto_name(&self, name: &str) -> Option<FieldHandle> {
        Some(self.field_at(self.table().field_by_proto_name(name)?))
    }

    /// The field with this number.
    pub fn field_by_number(&self, number: u32) -> Option<FieldHandle> {
        Some(self.field_at(self.table().field_by_number(number)?))
    }

    /// All fields, in the order of their numbers.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldHandle> + '_ {
        (0..self.table().fields.len()).map(|index| self.field_at(index))
    }

    /// The descriptor this type was built from, for code that needs options or comments.
    pub fn descriptor(&self) -> MessageDescriptor {
        self.tables
            .pool
            .get_message_by_name(self.full_name())
            .expect("the tables hold only messages of their pool")
    }

    /// Whether an encoded message holds this field at all.
    ///
    /// For a field without presence that is "is on the wire": encoders leave its default out. A message
    /// field that is present but empty counts as set; use [`field_is_empty`](Self::field_is_empty) for the
    /// question whether a mask or list has content.
    ///
    /// # Errors
    ///
    /// When the bytes are not a valid message.
    pub fn field_is_set(&self, field: &FieldHandle, wire: &[u8]) -> Result<bool, WireError> {
        let mut reader = Reader::new(wire, 0);
        let mut found = false;
        while let Some(record) = reader.next()? {
            found |= record.number == field.number() && field.table().accepts(record.value.wire_type());
        }
        Ok(found)
    }

    /// Whether a field is absent or, being length-delimited, holds no bytes in any of its occurrences.
    ///
    /// This is how a `FieldMask` that a client left out is told from one it filled.
    ///
    /// # Errors
    ///
    /// When the bytes are not a valid message.
    pub fn field_is_empty(&self, field: &FieldHandle, wire: &[u8]) -> Result<bool, WireError> {
        let mut reader = Reader::new(wire, 0);
        let mut empty = true;
        while let Some(record) = reader.next()? {
            if record.number == field.number() && field.table().accepts(record.value.wire_type()) {
                empty &= record.value.bytes().is_some_and(<[u8]>::is_empty);
            }
        }
        Ok(empty)
    }

    pub(crate) fn field_at(&self, index: usize) -> FieldHandle {
        FieldHandle { message: self.clone(), index: index as u32 }
    }
}

impl PartialEq for MessageType {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.tables, &other.tables)
    }
}

impl Eq for MessageType {}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageType({})", self.full_name())
    }
}

/// A field of a [`MessageType`]. Cloning it is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldHandle {
    message: MessageType,
    index: u32,
}

impl FieldHandle {
    #[inline]
    pub(crate) fn table(&self) -> &FieldTable {
        &self.message.table().fields[self.index as usize]
    }

    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index as usize
    }

    /// The message that declares the field.
    #[inline]
    pub fn parent(&self) -> &MessageType {
        &self.message
    }

    /// Name as the proto file spells it; an extension has its full name in brackets.
    pub fn name(&self) -> &str {
        &self.table().name
    }

    /// Name as JSON spells it.
    pub fn json_name(&self) -> &str {
        &self.table().json_name
    }

    /// Field number.
    pub fn number(&self) -> u32 {
        self.table().number
    }

    /// Whether the field is a list. A map is not.
    pub fn is_list(&self) -> bool {
        matches!(self.table().shape, Shape::List { .. })
    }

    /// Whether the field is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.table().shape, Shape::Map { .. })
    }

    /// Whether absent and default are different things for this field.
    pub fn has_presence(&self) -> bool {
        self.table().shape == Shape::Explicit
    }

    /// The type of a message field, list of messages or group.
    pub fn message_type(&self) -> Option<MessageType> {
        if self.is_map() {
            return None;
        }
        let index = self.table().kind.message_index()?;
        Some(MessageType::new(self.message.tables.clone(), index))
    }

    /// The wire bytes of the message that the field holds in an encoded message: all its occurrences, which protobuf
    /// merges. Empty where it is not set, or is no message.
    ///
    /// # Errors
    ///
    /// When the bytes are not a valid message.
    pub fn content(&self, wire: &[u8]) -> Result<Vec<u8>, WireError> {
        let mut reader = Reader::new(wire, 0);
        let mut content = Vec::new();
        while let Some(record) = reader.next()? {
            if record.number == self.number() && self.table().accepts(record.value.wire_type()) {
                content.extend_from_slice(record.value.bytes().unwrap_or_default());
            }
        }
        Ok(content)
    }

    /// Whether one value of the field can be written as plain text in a path or a query: scalars, enums, and
    /// the well-known messages whose JSON is a string, number or bool.
    pub fn is_text_bindable(&self) -> bool {
        self.table().is_text_bindable(&self.message.tables)
    }

    /// The descriptor this field was built from; `None` for an extension.
    pub fn descriptor(&self) -> Option<FieldDescriptor> {
        self.message.descriptor().get_field(self.number())
    }
}

impl fmt::Debug for FieldHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldHandle({}.{})", self.message.full_name(), self.name())
    }
}
