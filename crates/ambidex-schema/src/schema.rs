//! The schema: every type of a program, loaded once and shared.
//!
//! Owns loading descriptor sets (custom options kept, editions lowered) and handing out handles to messages
//! and services. It refuses to know what the handles are used for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use prost::Message as _;
use prost_reflect::{DescriptorPool, ServiceDescriptor};
use prost_types::FileDescriptorProto;

use crate::features::{FeatureMap, LowerError, files_of};
use crate::message_type::MessageType;
use crate::tables::Tables;

/// All message types, enums and services of a program. Cloning it is cheap.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use prost::Message;
///
/// // Any encoded `FileDescriptorSet` does; here one that the descriptor types describe themselves with.
/// let set = prost_reflect::DescriptorPool::global().encode_to_vec();
/// let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(&set)?.build()?;
///
/// let timestamp = schema.message("google.protobuf.Timestamp").expect("part of every global pool");
/// assert_eq!(timestamp.full_name(), "google.protobuf.Timestamp");
/// assert!(schema.message("no.such.Message").is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Schema {
    tables: Arc<Tables>,
}

impl Schema {
    /// Starts a schema without any file.
    pub fn builder() -> SchemaBuilder {
        SchemaBuilder { files: Vec::new(), positions: HashMap::new() }
    }

    /// The message with this full name, without a leading dot.
    pub fn message(&self, full_name: &str) -> Option<MessageType> {
        let index = self.tables.message_index(full_name)?;
        Some(MessageType::new(self.tables.clone(), index))
    }

    /// The service with this full name, without a leading dot.
    pub fn service(&self, full_name: &str) -> Option<ServiceDescriptor> {
        self.tables.pool.get_service_by_name(full_name)
    }

    /// The descriptors the tables were built from, for code that reads options or renders documents.
    ///
    /// Files written in an edition appear in it as proto2.
    pub fn pool(&self) -> &DescriptorPool {
        &self.tables.pool
    }
}

/// Collects the files of a [`Schema`].
#[derive(Debug)]
pub struct SchemaBuilder {
    /// Encoded `FileDescriptorProto`s, in the order they came.
    files: Vec<Vec<u8>>,
    positions: HashMap<String, usize>,
}

impl SchemaBuilder {
    /// Adds every file of an encoded `FileDescriptorSet`.
    ///
    /// A file that came before, in another set, is skipped. The order of files and sets does not matter.
    ///
    /// # Errors
    ///
    /// When the bytes are no `FileDescriptorSet`, or a file of the same name came before and declares other
    /// types.
    pub fn add_file_descriptor_set(mut self, encoded: &[u8]) -> Result<Self, SchemaError> {
        for file in files_of(encoded).map_err(|error| SchemaError::Decode(error.to_string()))? {
            let descriptor =
                FileDescriptorProto::decode(file).map_err(|error| SchemaError::Decode(error.to_string()))?;
            match self.positions.entry(descriptor.name().to_owned()) {
                Entry::Vacant(entry) => {
                    entry.insert(self.files.len());
                    self.files.push(file.to_vec());
                }
                Entry::Occupied(entry) => {
                    let earlier = FileDescriptorProto::decode(self.files[*entry.get()].as_slice())
                        .map_err(|error| SchemaError::Decode(error.to_string()))?;
                    if !declare_the_same(&earlier, &descriptor) {
                        return Err(SchemaError::ConflictingFile { file: entry.key().clone() });
                    }
                }
            }
        }
        Ok(self)
    }

    /// Links all files and builds the tables.
    ///
    /// # Errors
    ///
    /// When a file imports one that no set holds, its declarations contradict each other, or it is written in an
    /// edition later than 2024.
    pub fn build(self) -> Result<Schema, SchemaError> {
        let mut features = FeatureMap::default();
        let mut set = Vec::new();
        for file in self.files {
            let file = features.lower(file)?;
            prost::encoding::bytes::encode(1, &file, &mut set);
        }
        let mut pool = DescriptorPool::new();
        pool.decode_file_descriptor_set(set.as_slice())
            .map_err(|error| SchemaError::Link(Box::new(error)))?;
        Ok(Schema { tables: Arc::new(Tables::build(pool, &features)) })
    }
}

/// Why descriptor sets do not make a [`Schema`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The bytes are no encoded `FileDescriptorSet`.
    #[error("not an encoded FileDescriptorSet: {0}")]
    Decode(String),
    /// Two sets hold different files under one name.
    #[error(
        "two descriptor sets hold different versions of `{file}`; compile all protos against the same copy of it"
    )]
    ConflictingFile {
        /// Name of the file, as imports spell it.
        file: String,
    },
    /// A file is written in an edition whose defaults are not known here.
    #[error("`{file}` is written in an edition later than 2024 (number {edition} in descriptor.proto)")]
    UnsupportedEdition {
        /// Name of the file, as imports spell it.
        file: String,
        /// The value of the enum `google.protobuf.Edition`.
        edition: i32,
    },
    /// The files do not fit together.
    #[error("the descriptors do not link: {0}")]
    Link(#[source] Box<prost_reflect::DescriptorError>),
}

impl From<LowerError> for SchemaError {
    fn from(error: LowerError) -> Self {
        match error {
            LowerError::UnsupportedEdition { file, edition } => Self::UnsupportedEdition { file, edition },
            LowerError::Decode(_) | LowerError::Wire(_) => Self::Decode(error.to_string()),
        }
    }
}

/// Compilers differ in comments and file options, which change no type; those are not compared.
fn declare_the_same(a: &FileDescriptorProto, b: &FileDescriptorProto) -> bool {
    a.package == b.package
        && a.syntax == b.syntax
        && a.message_type == b.message_type
        && a.enum_type == b.enum_type
        && a.service == b.service
        && a.extension == b.extension
}
