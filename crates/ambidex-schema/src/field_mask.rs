//! Field masks of PATCH requests: which fields a JSON body names.
//!
//! A client that patches a resource without sending a mask means the fields it sent. This file finds their
//! paths and appends them as a mask. It refuses to check the body: that is the transcoder's, which reads the
//! same text under the limits of its options.

use crate::json::DEPTH_CEILING;
use crate::json::JsonError;
use crate::json::scanner::{Scanner, TokenLimits};
use crate::message_type::{FieldHandle, MessageType};
use crate::tables::{FieldTable, Tables, WellKnown};
use crate::wire::{begin_length, end_length, put_varint};

/// The paths, in proto names, of the fields that a JSON object holds.
///
/// Plain messages are followed down to their members, so that patching `{"book": {"title": "x"}}` touches
/// `book.title` and nothing else of the book. Lists, maps, scalars and well-known types are paths as a
/// whole, and so is an empty object. A member that is `null` counts: it clears its field. Members that are
/// no field are left out.
///
/// # Errors
///
/// When the text is not a JSON object, or nests too deeply.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let set = prost_reflect::DescriptorPool::global().encode_to_vec();
/// # let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(&set)?.build()?;
/// let file = schema.message("google.protobuf.FileDescriptorProto").expect("part of the pool");
/// let json = br#"{"name": "x", "options": {"javaPackage": null}, "dependency": []}"#;
/// let paths = ambidex_schema::mask_from_json(&file, json)?;
/// assert_eq!(paths, ["name", "options.java_package", "dependency"]);
/// # Ok(())
/// # }
/// ```
pub fn mask_from_json(resource: &MessageType, json: &[u8]) -> Result<Vec<String>, JsonError> {
    let mut paths = Vec::new();
    let result = Scanner::new(json, TokenLimits::NONE).and_then(|scanner| {
        let mut walk =
            Walk { tables: resource.tables(), scanner, paths: &mut paths, elements_left: usize::MAX };
        walk.object(resource.index(), "", DEPTH_CEILING)?;
        walk.scanner.finish()
    });
    match result {
        Ok(()) => Ok(paths),
        Err(error) => Err(error.located(json)),
    }
}

impl FieldHandle {
    /// Appends the wire bytes, tag included, that add these paths to a field of the type `FieldMask`.
    ///
    /// # Panics
    ///
    /// When the field is of another type.
    pub fn put_field_mask<P: AsRef<str>>(&self, paths: &[P], out: &mut Vec<u8>) {
        assert!(self.is_field_mask(), "{self:?} is no FieldMask");
        const PATHS: u8 = 1 << 3 | 2;
        self.table().tag.put(out);
        let mark = begin_length(out);
        for path in paths {
            out.push(PATHS);
            put_varint(path.as_ref().len() as u64, out);
            out.extend_from_slice(path.as_ref().as_bytes());
        }
        end_length(mark, out);
    }

    /// Whether the field holds one `google.protobuf.FieldMask`.
    pub fn is_field_mask(&self) -> bool {
        let field = self.table();
        let message = field.kind.message_index().map(|index| self.parent().tables().message(index));
        field.is_singular() && message.is_some_and(|message| message.well_known == WellKnown::FieldMask)
    }
}

struct Walk<'a, 'p> {
    tables: &'a Tables,
    scanner: Scanner<'a>,
    paths: &'p mut Vec<String>,
    /// Unlimited: the transcoder counts the same elements.
    elements_left: usize,
}

impl Walk<'_, '_> {
    fn object(&mut self, message: u32, prefix: &str, depth_left: usize) -> Result<(), JsonError> {
        let table = self.tables.message(message);
        self.scanner.expect(b'{')?;
        if self.scanner.take(b'}') {
            if !prefix.is_empty() {
                self.paths.push(prefix.to_owned());
            }
            return Ok(());
        }
        loop {
            let key = self.scanner.string()?.content();
            self.scanner.expect(b':')?;
            let field = table.field_by_any_name(key.as_bytes()).map(|index| &table.fields[index]);
            let path = field.map(|field| match prefix {
                "" => field.name.to_string(),
                prefix => format!("{prefix}.{}", field.name),
            });
            match (field.and_then(|field| self.followed(field)), path) {
                (Some(inner), Some(path)) if depth_left > 1 && self.scanner.peek() == b'{' => {
                    self.object(inner, &path, depth_left - 1)?;
                }
                (_, path) => {
                    self.paths.extend(path);
                    self.scanner.skip(depth_left.saturating_sub(1), &mut self.elements_left)?;
                }
            }
            if !self.scanner.take(b',') {
                return self.scanner.expect(b'}');
            }
        }
    }

    /// The message whose members are paths of their own.
    fn followed(&self, field: &FieldTable) -> Option<u32> {
        let index = field.kind.message_index().filter(|_| field.is_singular())?;
        (self.tables.message(index).well_known == WellKnown::No).then_some(index)
    }
}
