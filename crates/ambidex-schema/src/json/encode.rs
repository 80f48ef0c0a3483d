//! wire → JSON: messages, lists and maps.
//!
//! Members are written in the order of field numbers. Encoders write fields in that order too, so values are
//! written as they are met, and the hope that the order holds is checked on the way. Wire bytes may also be
//! out of order, interleaved, or hold singular fields and map keys several times. The first such surprise,
//! at whatever depth, abandons the whole run, and a second one starts that expects it everywhere: there
//! every message looks through its tags before it writes, and sorts and merges its records where it has to.
//! Falling back message by message would double the work at every level of nesting; this doubles it once.
//!
//! Single values are in `encode_scalar`, maps in `encode_map`, special messages in `well_known`.

use super::encode_map::Entry;
use super::options::{DEPTH_CEILING, EncodeOptions};
use super::well_known::wrong_wire_type;
use crate::message_type::{FieldHandle, MessageType};
use crate::tables::{FieldTable, Kind, MessageTable, Shape, Tables, WellKnown};
use crate::wire::{Reader, Record, WireError, WireErrorKind, WireValue};

impl MessageType {
    /// Appends the JSON of an encoded message.
    ///
    /// Members come in the order of field numbers, map entries in the order of the wire. On error `out` is
    /// as it was before.
    ///
    /// # Errors
    ///
    /// When the bytes are not a message of this type, hold a value that ProtoJSON cannot write, or nest too
    /// deeply.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let set = prost_reflect::DescriptorPool::global().encode_to_vec();
    /// # let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(&set)?.build()?;
    /// let timestamp = schema.message("google.protobuf.Timestamp").expect("a well-known type");
    /// let mut json = Vec::new();
    /// timestamp.wire_to_json(&[0x08, 1], &Default::default(), &mut json)?;
    /// assert_eq!(json, br#""1970-01-01T00:00:01Z""#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wire_to_json(
        &self,
        wire: &[u8],
        options: &EncodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        encode(self.tables(), options, out, |encoder| encoder.message(self.index(), wire, 0))
    }

    /// Appends the JSON of one field of an encoded message.
    ///
    /// This is what an HTTP rule with `response_body` asks for. A field that is absent is written as its
    /// default (`0`, `""`, `[]`, `{}`) where it has no presence, and as `null` where it has: the same `null`
    /// that [`json_to_wire_field`](Self::json_to_wire_field) reads as absent.
    ///
    /// # Errors
    ///
    /// As [`wire_to_json`](Self::wire_to_json).
    ///
    /// # Panics
    ///
    /// When the field is not one of this message.
    pub fn wire_to_json_field(
        &self,
        field: &FieldHandle,
        wire: &[u8],
        options: &EncodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        assert_eq!(field.parent().index(), self.index(), "the field belongs to another message");
        encode(self.tables(), options, out, |encoder| {
            let records = occurrences(self.table(), wire, 0)?;
            let index = field.index();
            let own = records.iter().filter(|occurrence| occurrence.field == index);
            let own: Vec<Occurrence<'_>> = own.copied().collect();
            let mut run = Run { bare: true, ..Run::new(true) };
            encoder.merged(self.table(), &own, &mut run)?;
            encoder.close(self.table(), &mut run)?;
            if run.next != index + 1 {
                encoder.absent(field.table());
            }
            Ok(())
        })
    }
}

fn encode<'a>(
    tables: &'a Tables,
    options: &'a EncodeOptions,
    out: &mut Vec<u8>,
    write: impl Fn(&mut Encoder<'a, '_>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let before = out.len();
    let level_max = options.max_depth.min(DEPTH_CEILING);
    let run = |order, out: &mut Vec<u8>| {
        let mut encoder = Encoder { tables, options, level_max, level: 0, order, map_keys: Vec::new(), out };
        let result = write(&mut encoder);
        let order = encoder.order;
        if result.is_err() {
            out.truncate(before);
        }
        (result, order)
    };
    match run(Order::Expected, out) {
        (Err(_), Order::Broken) => run(Order::Unknown, out).0,
        (result, _) => result,
    }
}

/// What a run knows of the order of the records it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// By field number, nothing twice: written as it comes.
    Expected,
    /// That was wrong, and the run is being abandoned.
    Broken,
    /// Every message is looked through first.
    Unknown,
}

/// One encoding run.
pub(crate) struct Encoder<'a, 'o> {
    pub(crate) tables: &'a Tables,
    pub(crate) options: &'a EncodeOptions,
    /// How many braces and brackets are open: what indentation needs, and what the depth limit counts.
    level: usize,
    level_max: usize,
    order: Order,
    /// Where the keys of the maps being written stand in the output, innermost map last; each map owns the
    /// tail it pushed.
    pub(crate) map_keys: Vec<(usize, usize)>,
    pub(crate) out: &'o mut Vec<u8>,
}

/// How far the members of one object are written.
struct Run<'w> {
    /// No member was written yet.
    first: bool,
    /// Write values without names and separators: there is only one.
    bare: bool,
    /// The list or map being written.
    open: Option<usize>,
    /// Elements of that list, or entries of that map, so far.
    elements: usize,
    /// Where that map's keys begin in `Encoder::map_keys`.
    first_key: usize,
    /// Entries of that map, where the order is unknown: a later one may replace an earlier one, so they are
    /// written when it is closed.
    entries: Vec<Entry<'w>>,
    /// The first field that neither was written nor passed over.
    next: usize,
    /// The oneofs that have a member, for the first 64 of them.
    oneofs: u64,
}

impl Run<'_> {
    fn new(first: bool) -> Self {
        Self {
            first,
            bare: false,
            open: None,
            elements: 0,
            first_key: 0,
            entries: Vec::new(),
            next: 0,
            oneofs: 0,
        }
    }
}

/// A record that belongs to a known field.
#[derive(Clone, Copy)]
struct Occurrence<'w> {
    field: usize,
    offset: usize,
    value: WireValue<'w>,
}

impl<'a> Encoder<'a, '_> {
    /// Writes a message of any kind.
    pub(crate) fn message(&mut self, index: u32, wire: &[u8], base: usize) -> Result<(), WireError> {
        let tables = self.tables;
        let table = tables.message(index);
        match table.well_known {
            WellKnown::No | WellKnown::Empty => {
                self.begin(b'{', base)?;
                let empty = self.fields(table, wire, base, true)?;
                self.end(b'}', empty);
                Ok(())
            }
            special => self.well_known(index, special, wire, base),
        }
    }

    /// Writes the fields of a message as members of an object that is open; `true` where there still are none.
    pub(crate) fn fields(
        &mut self,
        table: &'a MessageTable,
        wire: &[u8],
        base: usize,
        first: bool,
    ) -> Result<bool, WireError> {
        let mut run = Run::new(first);
        if self.order == Order::Unknown && !is_in_order(table, wire, base)? {
            self.merged(table, &occurrences(table, wire, base)?, &mut run)?;
        } else {
            let mut reader = Reader::new(wire, base);
            while let Some(Record { number, offset, value }) = reader.next()? {
                let Some(field) = table.field_by_number(number) else { continue };
                if field < run.next && run.open != Some(field) {
                    return Err(self.order_is_broken(offset));
                }
                if let Some(oneof) = table.fields[field].oneof {
                    // A oneof beyond the bits is taken as broken, which is merely slower.
                    let bit = 1u64.checked_shl(oneof.into()).unwrap_or(0);
                    if run.oneofs & bit != 0 || bit == 0 {
                        return Err(self.order_is_broken(offset));
                    }
                    run.oneofs |= bit;
                }
                self.occurrence(table, Occurrence { field, offset, value }, &mut run)?;
            }
        }
        self.close(table, &mut run)?;
        self.unset(table, &mut run, table.fields.len());
        Ok(run.first)
    }

    /// Whether records and map entries are written as they come.
    #[inline]
    pub(crate) fn expects_order(&self) -> bool {
        self.order == Order::Expected
    }

    /// Abandons the run, to be started again without expectations.
    #[cold]
    pub(crate) fn order_is_broken(&mut self, offset: usize) -> WireError {
        debug_assert_eq!(self.order, Order::Expected, "nothing is expected of an unknown order");
        self.order = Order::Broken;
        WireError::new(WireErrorKind::Malformed, offset, "the records are not in order")
    }

    /// Writes records that are sorted by field, those of a singular message merged into one.
    fn merged<'w>(
        &mut self,
        table: &'a MessageTable,
        occurrences: &[Occurrence<'w>],
        run: &mut Run<'w>,
    ) -> Result<(), WireError> {
        for same in occurrences.chunk_by(|a, b| a.field == b.field) {
            let field = &table.fields[same[0].field];
            if !field.is_singular() {
                for occurrence in same {
                    self.occurrence(table, *occurrence, run)?;
                }
                continue;
            }
            let [.., last] = same else { unreachable!("chunks are not empty") };
            if same.len() == 1 || field.kind.message_index().is_none() {
                self.occurrence(table, *last, run)?;
                continue;
            }
            let mut bytes = Vec::new();
            for occurrence in same {
                match (field.kind, occurrence.value) {
                    (Kind::Message(_), WireValue::Bytes(part)) => bytes.extend_from_slice(part),
                    (Kind::Group(_), WireValue::Group(part)) => bytes.extend_from_slice(part),
                    _ => return Err(wrong_wire_type(occurrence.offset).in_field(&field.name)),
                }
            }
            let value = match field.kind {
                Kind::Group(_) => WireValue::Group(&bytes),
                _ => WireValue::Bytes(&bytes),
            };
            self.reach(table, last.field, run)?;
            self.singular(field, value, last.offset, run)?;
        }
        Ok(())
    }

    /// Writes one record, which belongs to the current field or a later one.
    #[inline]
    fn occurrence<'w>(
        &mut self,
        table: &'a MessageTable,
        occurrence: Occurrence<'w>,
        run: &mut Run<'w>,
    ) -> Result<(), WireError> {
        let Occurrence { field: index, offset, value } = occurrence;
        let field = &table.fields[index];
        if run.open != Some(index) {
            self.reach(table, index, run)?;
        }
        match field.shape {
            Shape::Implicit | Shape::Explicit => self.singular(field, value, offset, run),
            Shape::List { .. } => {
                run.open = Some(index);
                self.elements(field, value, offset, run).map_err(|error| error.in_field(&field.name))
            }
            Shape::Map { key, value: kind } => {
                let first = run.open.replace(index) != Some(index);
                let entry = Entry::read(value, offset, key).map_err(|error| error.in_field(&field.name))?;
                if self.order == Order::Unknown {
                    run.entries.push(entry);
                    return Ok(());
                }
                if first {
                    self.member(field, run);
                    self.begin(b'{', offset)?;
                    run.first_key = self.map_keys.len();
                }
                self.entry(&entry, kind, first).map_err(|error| error.in_field(&field.name))
            }
        }
    }

    /// Finishes the current field and writes what is unset up to the next.
    #[inline]
    fn reach(&mut self, table: &'a MessageTable, index: usize, run: &mut Run<'_>) -> Result<(), WireError> {
        if run.open.is_some() {
            self.close(table, run)?;
        }
        self.unset(table, run, index);
        run.next = index + 1;
        Ok(())
    }

    #[inline]
    fn singular(
        &mut self,
        field: &FieldTable,
        value: WireValue<'_>,
        offset: usize,
        run: &mut Run<'_>,
    ) -> Result<(), WireError> {
        let silent = field.shape == Shape::Implicit && !self.options.emit_unset_fields && !run.bare;
        if silent && is_default(field.kind, value) {
            return Ok(());
        }
        self.member(field, run);
        self.value(field.kind, value, offset).map_err(|error| error.in_field(&field.name))
    }

    /// Writes the elements that one record of a list holds: one, or as many as are packed into it.
    fn elements(
        &mut self,
        field: &FieldTable,
        value: WireValue<'_>,
        offset: usize,
        run: &mut Run<'_>,
    ) -> Result<(), WireError> {
        if let (WireValue::Bytes(packed), true) = (value, field.kind.is_packable()) {
            let mut reader = Reader::new(packed, offset);
            while !reader.is_empty() {
                let offset = reader.offset();
                let value = match field.kind.wire_type() {
                    0 => WireValue::Varint(reader.varint()?),
                    1 => WireValue::Fixed64(u64::from_le_bytes(reader.fixed()?)),
                    _ => WireValue::Fixed32(u32::from_le_bytes(reader.fixed()?)),
                };
                self.element(field, value, offset, run)?;
            }
            return Ok(());
        }
        self.element(field, value, offset, run)
    }

    #[inline]
    fn element(
        &mut self,
        field: &FieldTable,
        value: WireValue<'_>,
        offset: usize,
        run: &mut Run<'_>,
    ) -> Result<(), WireError> {
        if run.elements == 0 {
            self.member(field, run);
            self.begin(b'[', offset)?;
        }
        self.separate(run.elements == 0);
        run.elements += 1;
        self.value(field.kind, value, offset)
    }

    /// Finishes the list or map that is open.
    fn close(&mut self, table: &'a MessageTable, run: &mut Run<'_>) -> Result<(), WireError> {
        let Some(index) = run.open.take() else { return Ok(()) };
        let field = &table.fields[index];
        if let Shape::Map { value, .. } = field.shape {
            if self.order == Order::Expected {
                self.end(b'}', false);
                return self.refuse_equal_keys(run.first_key, 0);
            }
            let entries = std::mem::take(&mut run.entries);
            self.member(field, run);
            return self.map(&entries, value).map_err(|error| error.in_field(&field.name));
        }
        match run.elements {
            // Packed records may be empty; together they are a list that is unset.
            0 if self.options.emit_unset_fields || run.bare => {
                self.member(field, run);
                self.out.extend_from_slice(b"[]");
            }
            0 => {}
            _ => self.end(b']', false),
        }
        run.elements = 0;
        Ok(())
    }

    /// Writes the defaults of the fields from the last one reached up to this index, if options ask for it.
    #[inline]
    fn unset(&mut self, table: &'a MessageTable, run: &mut Run<'_>, until: usize) {
        if !self.options.emit_unset_fields || run.bare {
            return;
        }
        for field in table.fields.get(run.next..until).unwrap_or_default() {
            if field.shape != Shape::Explicit && !field.is_extension() {
                self.member(field, run);
                self.absent(field);
            }
        }
    }

    /// Writes what an absent field means.
    fn absent(&mut self, field: &FieldTable) {
        match field.shape {
            Shape::Implicit => self.default_scalar(field.kind),
            Shape::Explicit => self.out.extend_from_slice(b"null"),
            Shape::List { .. } => self.out.extend_from_slice(b"[]"),
            Shape::Map { .. } => self.out.extend_from_slice(b"{}"),
        }
    }

    /// Writes the comma and the name of a member.
    #[inline]
    fn member(&mut self, field: &FieldTable, run: &mut Run<'_>) {
        if run.bare {
            return;
        }
        self.separate(run.first);
        run.first = false;
        let key = if self.options.original_field_names { &field.proto_key } else { &field.json_key };
        key.put(self.out);
        if self.options.pretty {
            self.out.push(b' ');
        }
    }

    /// Writes one value: of a singular field, of a list, of a map entry.
    #[inline]
    pub(crate) fn value(&mut self, kind: Kind, value: WireValue<'_>, offset: usize) -> Result<(), WireError> {
        match (kind, value) {
            (Kind::Message(index), WireValue::Bytes(bytes)) => self.message(index, bytes, offset),
            (Kind::Group(index), WireValue::Group(bytes)) => self.message(index, bytes, offset),
            (Kind::Message(_) | Kind::Group(_), _) => Err(wrong_wire_type(offset)),
            (scalar, value) => self.scalar(scalar, value, offset),
        }
    }

    /// Opens an object or array. Decoding counts the same levels, so what was read can be written.
    #[inline]
    pub(crate) fn begin(&mut self, open: u8, offset: usize) -> Result<(), WireError> {
        if self.level >= self.level_max {
            return Err(WireError::new(WireErrorKind::LimitExceeded, offset, "values nest too deeply"));
        }
        self.out.push(open);
        self.level += 1;
        Ok(())
    }

    /// Closes an object or array.
    #[inline]
    pub(crate) fn end(&mut self, close: u8, empty: bool) {
        self.level -= 1;
        if !empty {
            self.break_line();
        }
        self.out.push(close);
    }

    /// What stands before a member or element.
    #[inline]
    pub(crate) fn separate(&mut self, first: bool) {
        if !first {
            self.out.push(b',');
        }
        self.break_line();
    }

    /// Writes a name that is quoted, escaped and followed by its colon.
    #[inline]
    pub(crate) fn put_key(&mut self, key: &[u8]) {
        self.out.extend_from_slice(key);
        if self.options.pretty {
            self.out.push(b' ');
        }
    }

    #[inline]
    fn break_line(&mut self) {
        if self.options.pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * self.level, b' ');
        }
    }
}

/// Whether the records can be written as they come: sorted by field, each singular field and oneof once.
fn is_in_order(table: &MessageTable, wire: &[u8], base: usize) -> Result<bool, WireError> {
    let mut least = 0;
    let mut oneofs = 0u64;
    let mut reader = Reader::new(wire, base);
    while let Some(record) = reader.next()? {
        let Some(index) = table.field_by_number(record.number) else { continue };
        if index < least {
            return Ok(false);
        }
        let field = &table.fields[index];
        least = index + usize::from(field.is_singular());
        if let Some(oneof) = field.oneof {
            // A message with more oneofs than bits takes the general path, which is merely slower.
            let bit = 1u64.checked_shl(oneof.into()).unwrap_or(u64::MAX);
            if oneofs & bit != 0 {
                return Ok(false);
            }
            oneofs |= bit;
        }
    }
    Ok(true)
}

/// The records of known fields, sorted by field, without members of a oneof that a later one replaced.
fn occurrences<'w>(
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

/// Whether a value is what an absent field means anyway. Minus zero is not: it has its sign bit.
#[inline]
fn is_default(kind: Kind, value: WireValue<'_>) -> bool {
    match value {
        WireValue::Varint(value) => match kind {
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_) => value as u32 == 0,
            _ => value == 0,
        },
        WireValue::Fixed64(value) => value == 0,
        WireValue::Fixed32(value) => value == 0,
        WireValue::Bytes(bytes) => bytes.is_empty(),
        WireValue::Group(_) => false,
    }
}
