//! Which file declares what: descriptor files found by name, symbol and extension, byte for byte as they came.
//!
//! A [`Schema`](crate::Schema) knows what types mean and forgets how their files were written. This is the other half,
//! for those who hand descriptors on: no file is decoded and encoded again, so custom options, comments and editions
//! are what the compiler made of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use prost::Message as _;
use prost::bytes::Bytes;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

use crate::features::files_of;
use crate::schema::SchemaError;

/// Descriptor files, found by what they declare. Every name is a full one, without a leading dot.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ambidex_schema::FileIndex;
/// use prost::Message;
///
/// let set = prost_reflect::DescriptorPool::global().encode_to_vec();
/// let index = FileIndex::new([set.into()])?;
///
/// let file = index.declaring("google.protobuf.Timestamp.nanos").expect("part of every global pool");
/// assert_eq!(file.name(), "google/protobuf/timestamp.proto");
/// assert!(index.declaring("no.such.Message").is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct FileIndex {
    files: BTreeMap<String, DescriptorFile>,
    symbols: HashMap<String, Symbol>,
    /// For each message that is extended, the files of its extensions by number.
    extensions: HashMap<String, BTreeMap<i32, String>>,
}

/// One encoded `FileDescriptorProto`.
#[derive(Debug)]
pub struct DescriptorFile {
    name: String,
    encoded: Bytes,
    imports: Vec<String>,
    services: Vec<String>,
}

#[derive(Debug)]
struct Symbol {
    file: String,
    is_message: bool,
}

impl DescriptorFile {
    /// Its name, as imports spell it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bytes, as they came.
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// The services it declares.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }
}

impl FileIndex {
    /// Reads encoded `FileDescriptorSet`s, whose bytes are shared rather than copied. Of files of one name the first
    /// counts.
    ///
    /// # Errors
    ///
    /// When the bytes are no `FileDescriptorSet`. Whether the files fit together is not looked at.
    pub fn new(sets: impl IntoIterator<Item = Bytes>) -> Result<Self, SchemaError> {
        let mut index = Self::default();
        for set in sets {
            for file in files_of(&set).map_err(|error| SchemaError::Decode(error.to_string()))? {
                index.add(set.slice_ref(file))?;
            }
        }
        Ok(index)
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&DescriptorFile> {
        self.files.get(name)
    }

    /// The file that declares this: a message, field, oneof, enum, value of an enum, extension, service or method.
    pub fn declaring(&self, symbol: &str) -> Option<&DescriptorFile> {
        self.file(&self.symbols.get(symbol)?.file)
    }

    /// The file that declares the extension of `message` with this number.
    pub fn extending(&self, message: &str, number: i32) -> Option<&DescriptorFile> {
        self.file(self.extensions.get(message)?.get(&number)?)
    }

    /// The numbers of all extensions of a message, ascending; nothing where there is no such message.
    pub fn extension_numbers(&self, message: &str) -> Option<Vec<i32>> {
        match self.extensions.get(message) {
            Some(extensions) => Some(extensions.keys().copied().collect()),
            None => self.symbols.get(message).filter(|symbol| symbol.is_message).map(|_| Vec::new()),
        }
    }

    /// The files that a file imports by itself. One that no set held is passed over.
    pub fn imports<'a>(&'a self, file: &'a DescriptorFile) -> impl Iterator<Item = &'a DescriptorFile> {
        file.imports.iter().filter_map(|name| self.file(name))
    }

    /// Every file, by name.
    pub fn files(&self) -> impl Iterator<Item = &DescriptorFile> {
        self.files.values()
    }

    fn add(&mut self, encoded: Bytes) -> Result<(), SchemaError> {
        let file = FileDescriptorProto::decode(encoded.clone())
            .map_err(|error| SchemaError::Decode(error.to_string()))?;
        let name = file.name().to_owned();
        let Entry::Vacant(place) = self.files.entry(name.clone()) else { return Ok(()) };
        let package = file.package().to_owned();
        let services = file.service.iter().map(|service| qualified(&package, service.name())).collect();
        place.insert(DescriptorFile { name: name.clone(), encoded, imports: file.dependency, services });
        let mut declared = Declared { index: self, file: name };
        file.message_type.iter().for_each(|message| declared.message(&package, message));
        file.enum_type.iter().for_each(|item| declared.item(&package, item));
        file.extension.iter().for_each(|extension| declared.extension(&package, extension));
        for service in &file.service {
            let full_name = qualified(&package, service.name());
            service.method.iter().for_each(|method| declared.symbol(&full_name, method.name()));
            declared.symbol(&package, service.name());
        }
        Ok(())
    }
}

/// Notes what one file declares.
struct Declared<'a> {
    index: &'a mut FileIndex,
    file: String,
}

impl Declared<'_> {
    fn symbol(&mut self, scope: &str, name: &str) {
        self.insert(qualified(scope, name), false);
    }

    fn insert(&mut self, full_name: String, is_message: bool) {
        self.index.symbols.entry(full_name).or_insert_with(|| Symbol { file: self.file.clone(), is_message });
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let full_name = qualified(scope, message.name());
        message.field.iter().for_each(|field| self.symbol(&full_name, field.name()));
        message.oneof_decl.iter().for_each(|oneof| self.symbol(&full_name, oneof.name()));
        message.nested_type.iter().for_each(|nested| self.message(&full_name, nested));
        message.enum_type.iter().for_each(|item| self.item(&full_name, item));
        message.extension.iter().for_each(|extension| self.extension(&full_name, extension));
        self.insert(full_name, true);
    }

    /// The values of an enum are its siblings, as in C++.
    fn item(&mut self, scope: &str, item: &EnumDescriptorProto) {
        self.symbol(scope, item.name());
        item.value.iter().for_each(|value| self.symbol(scope, value.name()));
    }

    fn extension(&mut self, scope: &str, extension: &FieldDescriptorProto) {
        self.symbol(scope, extension.name());
        let extended = extension.extendee().trim_start_matches('.').to_owned();
        let numbers = self.index.extensions.entry(extended).or_default();
        numbers.entry(extension.number()).or_insert_with(|| self.file.clone());
    }
}

fn qualified(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}
