//! Resolves the features of protobuf editions, and lowers edition files to a syntax the pool can load.
//!
//! `prost-reflect` knows proto2 and proto3. An edition file is handed to it as proto2, which is enough for
//! names, types and options; what an edition changes (presence, open enums, packing, delimited messages) is
//! resolved here, by the inheritance file → message → field that the editions design lays down, and kept by
//! full name for the tables. This file refuses to know what a feature does to JSON.
//!
//! Two features of the language-neutral ones are not read. `json_format` concerns compilers: it decides whether
//! names that collide in JSON are an error there. `utf8_validation` decides whether a reader of wire bytes checks
//! strings; JSON cannot say anything but UTF-8, so here every string is checked.

use std::collections::HashMap;

use prost::Message;

use crate::wire::{Reader, WireError, WireValue, begin_length, end_length, put_varint};

/// The resolved features that change how a field or an enum is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) presence: Presence,
    pub(crate) closed_enum: bool,
    pub(crate) packed: bool,
    pub(crate) delimited: bool,
}

/// Whether a singular scalar knows that it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Explicit,
    Implicit,
    Required,
}

/// `EDITION_2024`. A later one may start from other defaults, so it is refused rather than guessed.
const EDITION_MAX: i32 = 1001;

/// What every edition so far starts from.
const EDITION_DEFAULTS: Features =
    Features { presence: Presence::Explicit, closed_enum: false, packed: true, delimited: false };

/// Features of the fields and enums that edition files declare, by full name.
#[derive(Debug, Default)]
pub(crate) struct FeatureMap {
    by_full_name: HashMap<String, Features>,
}

impl FeatureMap {
    pub(crate) fn get(&self, full_name: &str) -> Option<Features> {
        self.by_full_name.get(full_name).copied()
    }

    /// Takes an encoded `FileDescriptorProto`; an edition file comes back lowered, any other untouched.
    pub(crate) fn lower(&mut self, file: Vec<u8>) -> Result<Vec<u8>, LowerError> {
        let view = FileView::decode(file.as_slice())?;
        if view.syntax != "editions" {
            return Ok(file);
        }
        if view.edition > EDITION_MAX {
            return Err(LowerError::UnsupportedEdition { file: view.name, edition: view.edition });
        }
        let features = EDITION_DEFAULTS.overridden_by(view.options.and_then(|o| o.features));
        for message in &view.messages {
            self.add_message(&view.package, message, features);
        }
        for field in &view.extensions {
            self.add_field(&view.package, field, features);
        }
        for item in &view.enums {
            self.add_enum(&view.package, item, features);
        }
        Ok(with_syntax_proto2(&file)?)
    }

    fn add_message(&mut self, scope: &str, message: &MessageView, inherited: Features) {
        let name = qualified(scope, &message.name);
        let features = inherited.overridden_by(message.options.and_then(|o| o.features));
        for field in message.fields.iter().chain(&message.extensions) {
            let mut inherited = features;
            if let Some(oneof) = field.oneof_index {
                let oneof = usize::try_from(oneof).ok().and_then(|index| message.oneofs.get(index));
                inherited = inherited.overridden_by(oneof.and_then(|o| o.options).and_then(|o| o.features));
            }
            self.add_field(&name, field, inherited);
        }
        for nested in &message.nested {
            // Map entries are spelled by the compiler, not by the user: their fields are plain.
            if nested.options.is_some_and(|options| options.map_entry) {
                let plain = Features { delimited: false, ..features };
                self.add_message(&name, &MessageView { options: None, ..nested.clone() }, plain);
            } else {
                self.add_message(&name, nested, features);
            }
        }
        for item in &message.enums {
            self.add_enum(&name, item, features);
        }
    }

    fn add_field(&mut self, scope: &str, field: &FieldView, inherited: Features) {
        let features = inherited.overridden_by(field.options.and_then(|o| o.features));
        self.by_full_name.insert(qualified(scope, &field.name), features);
    }

    fn add_enum(&mut self, scope: &str, item: &EnumView, inherited: Features) {
        let features = inherited.overridden_by(item.options.and_then(|o| o.features));
        self.by_full_name.insert(qualified(scope, &item.name), features);
    }
}

/// Why a file cannot be lowered: it is no `FileDescriptorProto`, or of an edition that came after this crate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LowerError {
    #[error(transparent)]
    Decode(#[from] prost::DecodeError),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("`{file}` is written in edition {edition}")]
    UnsupportedEdition { file: String, edition: i32 },
}

impl Features {
    fn overridden_by(mut self, set: Option<FeatureSetView>) -> Self {
        let Some(set) = set else { return self };
        match set.field_presence {
            Some(1) => self.presence = Presence::Explicit,
            Some(2) => self.presence = Presence::Implicit,
            Some(3) => self.presence = Presence::Required,
            _ => {}
        }
        match set.enum_type {
            Some(1) => self.closed_enum = false,
            Some(2) => self.closed_enum = true,
            _ => {}
        }
        match set.repeated_field_encoding {
            Some(1) => self.packed = true,
            Some(2) => self.packed = false,
            _ => {}
        }
        match set.message_encoding {
            Some(1) => self.delimited = false,
            Some(2) => self.delimited = true,
            _ => {}
        }
        self
    }
}

fn qualified(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// Copies the file, with `syntax = "proto2"` in place of the edition.
fn with_syntax_proto2(file: &[u8]) -> Result<Vec<u8>, WireError> {
    const SYNTAX: u32 = 12;
    const EDITION: u32 = 14;
    let mut lowered = Vec::with_capacity(file.len());
    let mut reader = Reader::new(file, 0);
    let mut start = 0;
    while let Some(record) = reader.next()? {
        if record.number != SYNTAX && record.number != EDITION {
            lowered.extend_from_slice(&file[start..reader.position()]);
        }
        start = reader.position();
    }
    put_string(SYNTAX, "proto2", &mut lowered);
    Ok(lowered)
}

fn put_string(number: u32, value: &str, out: &mut Vec<u8>) {
    put_varint(u64::from(number << 3 | 2), out);
    let mark = begin_length(out);
    out.extend_from_slice(value.as_bytes());
    end_length(mark, out);
}

/// The encoded files of an encoded `FileDescriptorSet`.
pub(crate) fn files_of(set: &[u8]) -> Result<Vec<&[u8]>, WireError> {
    let mut files = Vec::new();
    let mut reader = Reader::new(set, 0);
    while let Some(record) = reader.next()? {
        if let (1, WireValue::Bytes(file)) = (record.number, record.value) {
            files.push(file);
        }
    }
    Ok(files)
}

// What is read of `descriptor.proto`: only names, nesting and features. `prost-types` cannot be used,
// because its options have no `features`.

#[derive(Clone, PartialEq, Message)]
struct FileView {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<MessageView>,
    #[prost(message, repeated, tag = "5")]
    enums: Vec<EnumView>,
    #[prost(message, repeated, tag = "7")]
    extensions: Vec<FieldView>,
    #[prost(message, optional, tag = "8")]
    options: Option<FileOptionsView>,
    #[prost(string, tag = "12")]
    syntax: String,
    #[prost(int32, tag = "14")]
    edition: i32,
}

#[derive(Clone, PartialEq, Message)]
struct MessageView {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<FieldView>,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<MessageView>,
    #[prost(message, repeated, tag = "4")]
    enums: Vec<EnumView>,
    #[prost(message, repeated, tag = "6")]
    extensions: Vec<FieldView>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageOptionsView>,
    #[prost(message, repeated, tag = "8")]
    oneofs: Vec<OneofView>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldView {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "8")]
    options: Option<FieldOptionsView>,
    #[prost(int32, optional, tag = "9")]
    oneof_index: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct OneofView {
    #[prost(message, optional, tag = "2")]
    options: Option<OneofOptionsView>,
}

#[derive(Clone, PartialEq, Message)]
struct EnumView {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "3")]
    options: Option<EnumOptionsView>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FileOptionsView {
    #[prost(message, optional, tag = "50")]
    features: Option<FeatureSetView>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct MessageOptionsView {
    #[prost(bool, tag = "7")]
    map_entry: bool,
    #[prost(message, optional, tag = "12")]
    features: Option<FeatureSetView>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FieldOptionsView {
    #[prost(message, optional, tag = "21")]
    features: Option<FeatureSetView>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct OneofOptionsView {
    #[prost(message, optional, tag = "1")]
    features: Option<FeatureSetView>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct EnumOptionsView {
    #[prost(message, optional, tag = "7")]
    features: Option<FeatureSetView>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FeatureSetView {
    #[prost(int32, optional, tag = "1")]
    field_presence: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    enum_type: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    repeated_field_encoding: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    message_encoding: Option<i32>,
}
