//! Brings documentation through the generators unharmed.
//!
//! prost writes comments into the code it generates, changed by rules of its own that know
//! nothing of code spans or examples. So it is given a short mark for each message, field and
//! method in place of the comment, and the marks are replaced in the finished, formatted code,
//! where a documentation line is known to be one. That is also how things without a comment get
//! a line (the user's crate may deny `missing_docs`), and how blank lines get into the code,
//! which the formatter leaves out.

use std::collections::HashMap;

use prost_types::source_code_info::Location;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, SourceCodeInfo};

use super::markdown::rustdoc_lines;
use crate::location::step;

/// The text of a documentation line that stands for a blank line.
pub(crate) const BLANK_LINE: &str = " @ambidex:blank@";

const MARK_START: &str = "@ambidex:doc:";
const MARK_END: &str = "@";

/// The documentation behind the marks.
#[derive(Debug, Default)]
pub(crate) struct DocMarks {
    docs: Vec<Vec<String>>,
}

impl DocMarks {
    /// Replaces the comments of a file by marks, one for everything that code is generated for.
    pub(crate) fn mark(&mut self, file: &mut FileDescriptorProto) {
        let info = file.source_code_info.take().unwrap_or_default();
        let mut marker = Marker { docs: self, comments: HashMap::new(), marked: SourceCodeInfo::default() };
        for location in &info.location {
            marker.comments.entry(&location.path).or_insert(location);
        }
        marker.file(file);
        file.source_code_info = Some(marker.marked);
    }

    /// Replaces the marks in generated code by the documentation.
    pub(crate) fn expand(&self, code: &str) -> String {
        let mut expanded = String::with_capacity(code.len() * 2);
        for line in code.lines() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let Some(mark) = line.trim_start().strip_prefix("///") else {
                push_line(&mut expanded, "", line);
                continue;
            };
            if mark == BLANK_LINE {
                push_blank_line(&mut expanded);
            } else if let Some(docs) = self.docs_of(mark) {
                // Documentation of an item follows the item before it or opens a block. Fields
                // and variants, which end with a comma, stand closer.
                if expanded.ends_with("}\n") || expanded.ends_with(";\n") {
                    push_blank_line(&mut expanded);
                }
                for doc in docs {
                    let space = if doc.is_empty() { "" } else { " " };
                    push_line(&mut expanded, indent, &format!("///{space}{doc}"));
                }
            } else {
                // Documentation that a generator wrote itself, on a module or a function.
                if expanded.ends_with("}\n") {
                    push_blank_line(&mut expanded);
                }
                push_line(&mut expanded, "", line);
            }
        }
        expanded
    }

    fn docs_of(&self, line: &str) -> Option<&[String]> {
        let number = line.trim().strip_prefix(MARK_START)?.strip_suffix(MARK_END)?;
        self.docs.get(number.parse::<usize>().ok()?).map(Vec::as_slice)
    }
}

fn push_line(code: &mut String, indent: &str, line: &str) {
    code.push_str(indent);
    code.push_str(line);
    code.push('\n');
}

/// No blank line opens a block or a file, and none follows another.
fn push_blank_line(code: &mut String) {
    if !code.is_empty() && !code.ends_with("{\n") && !code.ends_with("\n\n") {
        code.push('\n');
    }
}

/// Walks one file.
struct Marker<'m, 'f> {
    docs: &'m mut DocMarks,
    comments: HashMap<&'f [i32], &'f Location>,
    marked: SourceCodeInfo,
}

impl Marker<'_, '_> {
    fn file(&mut self, file: &FileDescriptorProto) {
        let package = file.package();
        for (message, index) in file.message_type.iter().zip(0..) {
            self.message(message, package, &[step::FILE_MESSAGE, index]);
        }
        for (enumeration, index) in file.enum_type.iter().zip(0..) {
            self.enumeration(enumeration, package, &[step::FILE_ENUM, index]);
        }
        for (service, index) in file.service.iter().zip(0..) {
            let path = [step::FILE_SERVICE, index];
            let name = full_name(package, service.name());
            self.declaration(&path, || format!("The service `{name}`."));
            for (method, index) in service.method.iter().zip(0..) {
                let path = below(&path, step::SERVICE_METHOD, index);
                self.declaration(&path, || format!("The method `{name}/{}`.", method.name()));
            }
        }
    }

    fn message(&mut self, message: &DescriptorProto, scope: &str, path: &[i32]) {
        let name = full_name(scope, message.name());
        self.declaration(path, || format!("The message `{name}`."));
        for (field, index) in message.field.iter().zip(0..) {
            let path = below(path, step::MESSAGE_FIELD, index);
            self.declaration(&path, || format!("The field `{}`, number {}.", field.name(), field.number()));
        }
        for (oneof, index) in message.oneof_decl.iter().zip(0..) {
            let path = below(path, step::MESSAGE_ONEOF, index);
            self.declaration(&path, || format!("The oneof `{}`.", oneof.name()));
        }
        for (nested, index) in message.nested_type.iter().zip(0..) {
            self.message(nested, &name, &below(path, step::MESSAGE_NESTED, index));
        }
        for (enumeration, index) in message.enum_type.iter().zip(0..) {
            self.enumeration(enumeration, &name, &below(path, step::MESSAGE_ENUM, index));
        }
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptorProto, scope: &str, path: &[i32]) {
        let name = full_name(scope, enumeration.name());
        self.declaration(path, || format!("The enum `{name}`."));
        for (value, index) in enumeration.value.iter().zip(0..) {
            let path = below(path, step::ENUM_VALUE, index);
            self.declaration(&path, || format!("The value `{}`, number {}.", value.name(), value.number()));
        }
    }

    fn declaration(&mut self, path: &[i32], otherwise: impl FnOnce() -> String) {
        let mut lines = self.comments.get(path).map(|location| comment_lines(location)).unwrap_or_default();
        if lines.is_empty() {
            lines.push(otherwise());
        }
        let mark = format!(" {MARK_START}{}{MARK_END}", self.docs.docs.len());
        self.docs.docs.push(lines);
        self.marked.location.push(Location {
            path: path.to_vec(),
            leading_comments: Some(mark),
            ..Location::default()
        });
    }
}

/// The comment above a declaration and the one behind it. Detached comments are not about it.
fn comment_lines(location: &Location) -> Vec<String> {
    let mut lines = rustdoc_lines(location.leading_comments());
    let trailing = rustdoc_lines(location.trailing_comments());
    if !lines.is_empty() && !trailing.is_empty() {
        lines.push(String::new());
    }
    lines.extend(trailing);
    lines
}

fn full_name(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn below(path: &[i32], step: i32, index: i32) -> Vec<i32> {
    [path, &[step, index]].concat()
}
