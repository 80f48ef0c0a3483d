//! A dotted path of fields for as long as a query parameter is bound: resolved, and borrowed from the tables.
//!
//! A [`FieldPath`](crate::FieldPath) is kept, and so holds on to its schema. One of these is thrown away before the
//! request is answered; most have one step, for which nothing is allocated.

use std::sync::Arc;

use crate::field_path::FieldPathError;
use crate::json::{DEPTH_CEILING, shortened};
use crate::message_type::{FieldHandle, MessageType};
use crate::tables::{FieldTable, MessageTable, Tables};

/// A field of a message, by their places in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    message: u32,
    field: u32,
}

impl Step {
    pub(crate) fn of(field: &FieldHandle) -> Self {
        Self { message: field.parent().index(), field: field.index() as u32 }
    }

    pub(crate) fn handle(self, tables: &Arc<Tables>) -> FieldHandle {
        MessageType::new(Arc::clone(tables), self.message).field_at(self.field as usize)
    }

    /// The place of the field in its message.
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.field as usize
    }

    #[inline]
    pub(crate) fn message(self, tables: &Tables) -> &MessageTable {
        tables.message(self.message)
    }

    #[inline]
    pub(crate) fn table(self, tables: &Tables) -> &FieldTable {
        &self.message(tables).fields[self.field as usize]
    }
}

/// A resolved path: the field of the message itself, and those that lie behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) first: Step,
    pub(crate) behind: Vec<Step>,
}

impl Steps {
    /// Resolves a path in which `field` finds each name.
    pub(crate) fn resolve(
        message: &MessageType,
        path: &str,
        field: impl Fn(&MessageTable, &str) -> Option<usize>,
    ) -> Result<Self, FieldPathError> {
        let tables: &Tables = message.tables();
        let find = |index: u32, name: &str| match field(tables.message(index), name) {
            Some(field) => Ok(Step { message: index, field: field as u32 }),
            None => Err(FieldPathError::Unknown {
                message: tables.message(index).full_name.to_string(),
                name: shortened(name),
            }),
        };
        let (mut name, mut rest) = first_name(path);
        let mut steps = Self { first: find(message.index(), name)?, behind: Vec::new() };
        while let Some(behind) = rest {
            let (leaf, table) = (steps.leaf(), steps.leaf().table(tables));
            let inner = table.kind.message_index().filter(|_| table.is_singular());
            let inner = inner.ok_or_else(|| FieldPathError::NotAMessage {
                message: leaf.message(tables).full_name.to_string(),
                name: shortened(name),
                rest: shortened(behind),
            })?;
            if steps.len() >= DEPTH_CEILING {
                return Err(FieldPathError::TooDeep);
            }
            (name, rest) = first_name(behind);
            steps.behind.push(find(inner, name)?);
        }
        Ok(steps)
    }

    /// The path that is a field of the message itself.
    pub(crate) fn of(field: &FieldHandle) -> Self {
        Self { first: Step::of(field), behind: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        1 + self.behind.len()
    }

    /// The fields, outermost first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Step> + '_ {
        std::iter::once(self.first).chain(self.behind.iter().copied())
    }

    #[inline]
    pub(crate) fn leaf(&self) -> Step {
        self.behind.last().copied().unwrap_or(self.first)
    }
}

/// The first name of a path, and what is behind its dot.
fn first_name(path: &str) -> (&str, Option<&str>) {
    // Names are short: a search costs more than a look at each byte.
    match path.bytes().position(|byte| byte == b'.') {
        Some(dot) => (&path[..dot], Some(&path[dot + 1..])),
        None => (path, None),
    }
}
