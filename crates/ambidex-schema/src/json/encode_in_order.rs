//! wire → JSON, the usual way: records written as they come.
//!
//! This is the hot path. It reads the tag and length of a record itself and hands on only what is in it;
//! whatever it does not expect it leaves to the run in any order.

use super::encode::Encoder;
use super::encode_map::Entry;
use super::encode_scalar::invalid_utf8;
use super::text::put_text;
use crate::tables::{FieldTable, Kind, MessageTable, Shape};
use crate::wire::{Reader, WireError, WireValue};

impl<'a> Encoder<'a, '_> {
    /// Writes the fields of a message as members of an object that is open; `true` where there still are none.
    pub(super) fn fields_in_order(
        &mut self,
        table: &'a MessageTable,
        wire: &[u8],
        base: usize,
        mut first: bool,
    ) -> Result<bool, WireError> {
        let mut reader = Reader::new(wire, base);
        // The first field that may still come.
        let mut next = 0;
        let mut oneofs = 0u64;
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let Some(index) = table.field_by_number(number) else {
                reader.value(number, wire_type)?;
                continue;
            };
            let field = &table.fields[index];
            if index < next {
                return Err(self.order_is_broken(reader.offset()));
            }
            if let Some(oneof) = field.oneof {
                // A oneof beyond the bits is taken as broken, which is merely slower.
                let bit = 1u64.checked_shl(oneof.into()).unwrap_or(0);
                if oneofs & bit != 0 || bit == 0 {
                    return Err(self.order_is_broken(reader.offset()));
                }
                oneofs |= bit;
            }
            self.unset(&table.fields[next..index], &mut first);
            next = index + 1;
            let written = match field.shape {
                Shape::Implicit | Shape::Explicit => self.singular(field, wire_type, &mut reader, &mut first),
                Shape::List { .. } => self.list(field, wire_type, &mut reader, &mut first),
                Shape::Map { key, value } => {
                    self.map_in_order(field, (key, value), wire_type, &mut reader, &mut first)
                }
            };
            written.map_err(|error| error.in_field(&field.name))?;
        }
        self.unset(&table.fields[next..], &mut first);
        Ok(first)
    }

    #[inline]
    fn singular(
        &mut self,
        field: &FieldTable,
        wire_type: u8,
        reader: &mut Reader<'_>,
        first: &mut bool,
    ) -> Result<(), WireError> {
        match (field.kind, wire_type) {
            (Kind::String, 2) => {
                let (text, offset) = reader.delimited()?;
                if text.is_empty() && self.is_left_out(field, WireValue::Bytes(text)) {
                    return Ok(());
                }
                self.member(field, first);
                put_text(text, self.out).map_err(|valid| invalid_utf8(offset + valid))
            }
            (Kind::Message(index), 2) => {
                let (bytes, offset) = reader.delimited()?;
                self.member(field, first);
                self.message(index, bytes, offset)
            }
            (kind, _) => {
                let (value, offset) = reader.value(field.number, wire_type)?;
                if self.tables.is_unknown_value(kind, value) {
                    return Err(self.order_is_broken(offset));
                }
                if self.is_left_out(field, value) {
                    return Ok(());
                }
                self.member(field, first);
                self.value(kind, value, offset)
            }
        }
    }

    /// Writes a list: this record and those of the same field that follow it.
    fn list(
        &mut self,
        field: &'a FieldTable,
        mut wire_type: u8,
        reader: &mut Reader<'_>,
        first: &mut bool,
    ) -> Result<(), WireError> {
        let mut elements = 0;
        loop {
            match (field.kind, wire_type) {
                (Kind::Message(index), 2) => {
                    let (bytes, offset) = reader.delimited()?;
                    self.element(field, offset, &mut elements, first)?;
                    self.message(index, bytes, offset)?;
                }
                (Kind::String, 2) => {
                    let (text, offset) = reader.delimited()?;
                    self.element(field, offset, &mut elements, first)?;
                    put_text(text, self.out).map_err(|valid| invalid_utf8(offset + valid))?;
                }
                (kind, 2) if kind.is_packable() => {
                    let (packed, offset) = reader.delimited()?;
                    let mut packed = Reader::new(packed, offset);
                    while let Some((value, offset)) = packed.packed_element(kind.wire_type())? {
                        if self.tables.is_unknown_value(kind, value) {
                            return Err(self.order_is_broken(offset));
                        }
                        self.element(field, offset, &mut elements, first)?;
                        self.scalar(kind, value, offset)?;
                    }
                }
                (kind, _) => {
                    let (value, offset) = reader.value(field.number, wire_type)?;
                    if self.tables.is_unknown_value(kind, value) {
                        return Err(self.order_is_broken(offset));
                    }
                    self.element(field, offset, &mut elements, first)?;
                    self.value(kind, value, offset)?;
                }
            }
            match reader.tag_of(field.number)? {
                Some(same) => wire_type = same,
                None => break,
            }
        }
        match elements {
            // Packed records may be empty; together they are a list that is unset.
            0 => self.unset(std::slice::from_ref(field), first),
            _ => self.end(b']', false),
        }
        Ok(())
    }

    /// Writes what stands before an element of a list.
    #[inline]
    fn element(
        &mut self,
        field: &FieldTable,
        offset: usize,
        elements: &mut usize,
        first: &mut bool,
    ) -> Result<(), WireError> {
        if *elements == 0 {
            self.member(field, first);
            self.begin(b'[', offset)?;
        }
        self.separate(*elements == 0);
        *elements += 1;
        Ok(())
    }

    /// Writes a map: this record and those of the same field that follow it.
    fn map_in_order(
        &mut self,
        field: &FieldTable,
        (key, value): (Kind, Kind),
        mut wire_type: u8,
        reader: &mut Reader<'_>,
        first: &mut bool,
    ) -> Result<(), WireError> {
        let first_key = self.map_keys.len();
        let start = reader.offset();
        self.member(field, first);
        self.begin(b'{', start)?;
        let mut first_entry = true;
        loop {
            if wire_type != 2 {
                return Err(self.order_is_broken(reader.offset()));
            }
            let (entry, offset) = reader.delimited()?;
            let entry = Entry::read(entry, offset, (key, value))?;
            if entry.value_is_unknown(self.tables, value) {
                return Err(self.order_is_broken(offset));
            }
            self.entry(&entry, value, first_entry)?;
            first_entry = false;
            match reader.tag_of(field.number)? {
                Some(same) => wire_type = same,
                None => break,
            }
        }
        self.end(b'}', false);
        self.refuse_equal_keys(first_key, start)
    }
}
