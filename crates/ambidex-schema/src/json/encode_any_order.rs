//! wire → JSON, whatever the order: the records of a message gathered, sorted by field, merged, then written.
//!
//! Wire bytes may hold a singular field several times, where the last value counts or the messages merge; a
//! member of a oneof that a later one replaces; the records of a list or map between those of other fields;
//! values of another wire type than their field's. All of that is valid, and rare.

use super::encode::Encoder;
use super::encode_map::Entry;
use crate::tables::{FieldTable, Kind, MessageTable, Shape, Tables};
use crate::wire::{Reader, Record, WireError, WireValue};

/// A record that belongs to a known field.
#[derive(Clone, Copy)]
struct Occurrence<'w> {
    field: usize,
    offset: usize,
    value: WireValue<'w>,
}

impl<'a> Encoder<'a, '_> {
    /// Writes the fields of a message as members of an object that is open; `true` where there still are none.
    pub(crate) fn fields(
        &mut self,
        table: &'a MessageTable,
        wire: &[u8],
        base: usize,
        mut first: bool,
    ) -> Result<bool, WireError> {
        let mut next = 0;
        for same in occurrences(self.tables, table, wire, base)?.chunk_by(|a, b| a.field == b.field) {
            let index = same[0].field;
            self.unset(&table.fields[next..index], &mut first);
            next = index + 1;
            self.occurrences_of(&table.fields[index], same, Some(&mut first))?;
        }
        self.unset(&table.fields[next..], &mut first);
        Ok(first)
    }

    /// Writes the value of one field, without its name.
    pub(super) fn one_field(
        &mut self,
        table: &'a MessageTable,
        index: usize,
        wire: &[u8],
    ) -> Result<(), WireError> {
        let field = &table.fields[index];
        let mut own = occurrences(self.tables, table, wire, 0)?;
        own.retain(|occurrence| occurrence.field == index);
        if own.is_empty() {
            self.absent(field);
            return Ok(());
        }
        self.occurrences_of(field, &own, None)
    }

    /// Writes the value that all records of a field make together; without a name where `first` is `None`.
    fn occurrences_of(
        &mut self,
        field: &'a FieldTable,
        same: &[Occurrence<'_>],
        first: Option<&mut bool>,
    ) -> Result<(), WireError> {
        let written = match field.shape {
            Shape::Implicit | Shape::Explicit => self.merged(field, same, first),
            Shape::List { .. } => self.gathered_list(field, same, first),
            Shape::Map { key, value } => {
                let entries: Result<Vec<_>, _> = same
                    .iter()
                    .filter_map(|each| Some((each.value.bytes()?, each.offset)))
                    .map(|(bytes, offset)| Entry::read(bytes, offset, (key, value)))
                    .collect();
                entries.and_then(|mut entries| {
                    entries.retain(|entry| !entry.value_is_unknown(self.tables, value));
                    if entries.is_empty() {
                        self.without_elements(field, first);
                        return Ok(());
                    }
                    self.name(field, first);
                    self.map(&entries, value)
                })
            }
        };
        written.map_err(|error| error.in_field(&field.name))
    }

    /// Records may be there and hold nothing, such as empty packed ones: together they are a field that is unset.
    fn without_elements(&mut self, field: &'a FieldTable, first: Option<&mut bool>) {
        match first {
            Some(first) => self.unset(std::slice::from_ref(field), first),
            None => self.absent(field),
        }
    }

    fn name(&mut self, field: &FieldTable, first: Option<&mut bool>) {
        if let Some(first) = first {
            self.member(field, first);
        }
    }

    /// Writes a singular field: the last value, or all messages merged, which is to say concatenated.
    fn merged(
        &mut self,
        field: &FieldTable,
        same: &[Occurrence<'_>],
        first: Option<&mut bool>,
    ) -> Result<(), WireError> {
        let [.., last] = same else { unreachable!("a field without records is absent") };
        let mut bytes = Vec::new();
        let mut value = last.value;
        if same.len() > 1 && field.kind.message_index().is_some() {
            for occurrence in same {
                bytes.extend_from_slice(occurrence.value.bytes().unwrap_or_default());
            }
            value = match field.kind {
                Kind::Group(_) => WireValue::Group(&bytes),
                _ => WireValue::Bytes(&bytes),
            };
        }
        if first.is_some() && self.is_left_out(field, value) {
            return Ok(());
        }
        self.name(field, first);
        self.value(field.kind, value, last.offset)
    }

    fn gathered_list(
        &mut self,
        field: &'a FieldTable,
        same: &[Occurrence<'_>],
        first: Option<&mut bool>,
    ) -> Result<(), WireError> {
        let mut elements = Vec::new();
        for &Occurrence { offset, value, .. } in same {
            let WireValue::Bytes(packed) = value else {
                elements.push((value, offset));
                continue;
            };
            if !field.kind.is_packable() {
                elements.push((value, offset));
                continue;
            }
            let mut packed = Reader::new(packed, offset);
            while let Some((value, offset)) = packed.packed_element(field.kind.wire_type())? {
                if !self.tables.is_unknown_value(field.kind, value) {
                    elements.push((value, offset));
                }
            }
        }
        let Some(&(_, start)) = elements.first() else {
            self.without_elements(field, first);
            return Ok(());
        };
        self.name(field, first);
        self.begin(b'[', start)?;
        for (index, (value, offset)) in elements.into_iter().enumerate() {
            self.separate(index == 0);
            self.value(field.kind, value, offset)?;
        }
        self.end(b']', false);
        Ok(())
    }
}

/// The records of known fields with known values, sorted by field, without members of a oneof that a later one replaced.
fn occurrences<'w>(
    tables: &Tables,
    table: &MessageTable,
    wire: &'w [u8],
    base: usize,
) -> Result<Vec<Occurrence<'w>>, WireError> {
    let mut found = Vec::new();
    // For each oneof: its current member, and where in `found` that member began.
    let mut members: Vec<Option<(usize, usize)>> = vec![None; table.oneof_names.len()];
    let mut reader = Reader::new(wire, base);
    while let Some(Record { number, offset, value }) = reader.next()? {
        let Some(field) = table.field_by_number(number) else { continue };
        let declared = &table.fields[field];
        if !declared.accepts(value.wire_type()) || tables.is_unknown_value(declared.kind, value) {
            continue;
        }
        if let Some(oneof) = table.fields[field].oneof {
            let member = &mut members[usize::from(oneof)];
            if member.is_none_or(|(current, _)| current != field) {
                *member = Some((field, found.len()));
            }
        }
        found.push(Occurrence { field, offset, value });
    }
    let mut position = 0;
    found.retain(|occurrence| {
        let replaced = table.fields[occurrence.field]
            .oneof
            .and_then(|oneof| members[usize::from(oneof)])
            .is_some_and(|(member, since)| member != occurrence.field || position < since);
        position += 1;
        !replaced
    });
    found.sort_by_key(|occurrence| occurrence.field);
    Ok(found)
}
