//! JSON → wire: what a caller sees of it, and the path that takes every spelling.
//!
//! One pass over the text, appending wire bytes as values are met, so fields come out in the order of the
//! JSON members, which protobuf allows. [`decode_fast`](super::decode_fast) comes first; what it does not expect is
//! read here from the start, and here the errors are made. A value that is written explicitly is written to the wire even
//! where it is the default: the edge binds paths and queries by concatenation, and an explicit default must
//! be able to override. Single values are in `decode_scalar`, special messages in `well_known`.

use super::decode_fast::decode_fast;
use super::error::{JsonError, JsonErrorKind};
use super::options::{DEPTH_CEILING, DecodeOptions};
use super::scanner::{RawString, Scanner, TokenLimits};
use super::well_known::any::LateTypes;
use crate::message_type::{FieldHandle, MessageType};
use crate::prepared::Tag;
use crate::tables::{FieldTable, Kind, MessageTable, Shape, Tables, WellKnown};
use crate::wire::{begin_length, end_length, put_varint};

impl MessageType {
    /// Appends the wire bytes of the message that JSON text holds.
    ///
    /// On error `out` is as it was before.
    ///
    /// # Errors
    ///
    /// When the text is not JSON, does not fit the message, or exceeds a limit of the options.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let set = prost_reflect::DescriptorPool::global().encode_to_vec();
    /// # let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(&set)?.build()?;
    /// let duration = schema.message("google.protobuf.Duration").expect("a well-known type");
    /// let mut wire = Vec::new();
    /// duration.json_to_wire(b"\"90s\"", &Default::default(), &mut wire)?;
    /// assert_eq!(wire, [0x08, 90, 0x10, 0]);
    ///
    /// let error = duration.json_to_wire(b"\"90\"", &Default::default(), &mut wire).unwrap_err();
    /// assert_eq!((error.line(), error.column()), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn json_to_wire(
        &self,
        json: &[u8],
        options: &DecodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        if decode_fast(self.tables(), json, options, out, |fast| fast.message(self.index(), 0)).is_some() {
            return Ok(());
        }
        decode(self.tables(), json, options, out, |decoder| decoder.message(self.index()))
    }

    /// Appends the wire bytes of one field, tag included, whose value the JSON text is.
    ///
    /// This is what an HTTP rule with `body: "book"` asks for. `null` leaves the field unset, so nothing is
    /// appended; a list appends every element.
    ///
    /// # Errors
    ///
    /// When the text is not JSON, does not fit the field, or exceeds a limit of the options.
    ///
    /// # Panics
    ///
    /// When the field is not one of this message.
    pub fn json_to_wire_field(
        &self,
        field: &FieldHandle,
        json: &[u8],
        options: &DecodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        assert_eq!(field.parent().index(), self.index(), "the field belongs to another message");
        if decode_fast(self.tables(), json, options, out, |fast| fast.field(field.table(), 0)).is_some() {
            return Ok(());
        }
        decode(self.tables(), json, options, out, |decoder| decoder.field(field.table()).map(drop))
    }
}

#[cold]
fn decode<'a>(
    tables: &'a Tables,
    json: &'a [u8],
    options: &'a DecodeOptions,
    out: &'a mut Vec<u8>,
    read: impl FnOnce(&mut Decoder<'a, '_>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let before = out.len();
    if json.len() > options.max_bytes {
        let message = format!("the text is longer than {} bytes", options.max_bytes);
        return Err(JsonError::new(JsonErrorKind::LimitExceeded, options.max_bytes, message).located(json));
    }
    let limits = TokenLimits { string: options.max_string_bytes, number: options.max_number_bytes };
    let result = Scanner::new(json, limits).and_then(|scanner| {
        let mut decoder = Decoder {
            tables,
            scanner,
            options,
            depth_left: options.max_depth.min(DEPTH_CEILING),
            elements_left: options.max_elements,
            map_keys: Vec::new(),
            types: LateTypes::default(),
            out,
        };
        read(&mut decoder)?;
        decoder.scanner.finish()
    });
    result.map_err(|error| {
        out.truncate(before);
        error.located(json)
    })
}

/// One decoding run.
pub(crate) struct Decoder<'a, 'o> {
    pub(crate) tables: &'a Tables,
    pub(crate) scanner: Scanner<'a>,
    pub(crate) options: &'a DecodeOptions,
    pub(crate) depth_left: usize,
    pub(crate) elements_left: usize,
    /// Keys of the maps being read, innermost map last; each map owns the tail it pushed.
    map_keys: Vec<KeySpan>,
    pub(crate) types: LateTypes,
    pub(crate) out: &'o mut Vec<u8>,
}

/// Where the bytes of a map key are in the output, and where its text is in the input.
#[derive(Debug, Clone, Copy)]
struct KeySpan {
    start: usize,
    end: usize,
    offset: usize,
}

impl<'a> Decoder<'a, '_> {
    /// Reads a message of any kind and appends its bytes, without tag or length.
    pub(crate) fn message(&mut self, index: u32) -> Result<(), JsonError> {
        let tables = self.tables;
        let table = tables.message(index);
        match table.well_known {
            WellKnown::No | WellKnown::Empty => self.plain_message(table, Extra::None),
            special => self.well_known(index, special),
        }
    }

    /// Reads an object whose members are the fields of the message.
    pub(crate) fn plain_message(&mut self, table: &'a MessageTable, extra: Extra) -> Result<(), JsonError> {
        self.enter(b'{', "an object")?;
        let mut members = Members::new(table);
        // Writers mostly keep the order of the proto file, so the next field is the first guess.
        let mut guess = 0;
        let mut has_type = false;
        if self.scanner.take(b'}') {
            self.leave();
            return Ok(());
        }
        loop {
            self.scanner.count_element(&mut self.elements_left)?;
            if let Some(field) = table.fields.get(guess)
                && self.scanner.peek() == b'"'
                && self.scanner.take_key(&field.json_key)
            {
                let offset = self.scanner.position() - field.json_key.len();
                self.member(table, guess, offset, &mut members)
                    .map_err(|error| error.in_field(&field.json_name))?;
                guess += 1;
            } else {
                let key = self.scanner.string()?;
                self.scanner.expect(b':')?;
                let index = match key.plain() {
                    Some(name) => table.field_by_any_name(name),
                    None => table.field_by_any_name(key.content().as_bytes()),
                };
                match index {
                    Some(index) => {
                        guess = index + 1;
                        self.member(table, index, key.offset, &mut members)
                            .map_err(|error| error.in_field(&key.content()))?;
                    }
                    None if extra == Extra::AnyType && key.content() == "@type" => {
                        if std::mem::replace(&mut has_type, true) {
                            return Err(duplicate(key.offset, "the type is given twice").in_field("@type"));
                        }
                        self.skip()?;
                    }
                    None => self.unknown_member(table, &key)?,
                }
            }
            if !self.next_member()? {
                break;
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads the value of a member whose name is consumed.
    #[inline]
    fn member(
        &mut self,
        table: &'a MessageTable,
        index: usize,
        key_offset: usize,
        members: &mut Members,
    ) -> Result<(), JsonError> {
        if !members.fields.insert(index) {
            return Err(duplicate(key_offset, "the field is given twice"));
        }
        let field = &table.fields[index];
        let set = self.field(field)?;
        if let Some(oneof) = field.oneof
            && set
            && !members.oneofs.insert(oneof.into())
        {
            let oneof = &table.oneof_names[usize::from(oneof)];
            return Err(duplicate(key_offset, format!("the oneof `{oneof}` already has another member")));
        }
        Ok(())
    }

    /// Refuses or skips a member that the message has no field for.
    fn unknown_member(&mut self, table: &MessageTable, key: &RawString<'_>) -> Result<(), JsonError> {
        if self.options.ignore_unknown_fields {
            return self.skip();
        }
        let message = format!("{} has no such field", table.full_name);
        Err(JsonError::new(JsonErrorKind::UnknownField, key.offset, message).in_field(&key.content()))
    }

    /// Reads the value of a field and appends it with its tag; `false` where `null` left the field unset.
    pub(crate) fn field(&mut self, field: &'a FieldTable) -> Result<bool, JsonError> {
        if self.scanner.peek() == b'n' {
            let null_is_a_value = field.is_singular() && self.tables.null_is_a_value(field.kind);
            if !null_is_a_value && self.scanner.take_word("null") {
                return Ok(false);
            }
        }
        match field.shape {
            Shape::Implicit | Shape::Explicit => self.tagged(&field.tag, field.kind),
            Shape::List { packed } => self.list(field, packed).map(|()| true),
            Shape::Map { key, value } => self.map(&field.tag, key, value).map(|()| true),
        }
    }

    /// Reads one value and appends it behind a tag; `false` where it was skipped as unknown.
    #[inline]
    fn tagged(&mut self, tag: &Tag, kind: Kind) -> Result<bool, JsonError> {
        let before = self.out.len();
        tag.put(self.out);
        match kind {
            Kind::Message(index) => {
                let mark = begin_length(self.out);
                self.message(index)?;
                end_length(mark, self.out);
            }
            Kind::Group(index) => {
                self.message(index)?;
                tag.put(self.out);
                // The tag that ends a group is the one that starts it plus one, and that never carries.
                let end_tag = self.out.len() - tag.len();
                self.out[end_tag] += 1;
            }
            scalar => {
                if !self.scalar(scalar)? {
                    self.out.truncate(before);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn list(&mut self, field: &'a FieldTable, packed: bool) -> Result<(), JsonError> {
        self.enter(b'[', "an array")?;
        if !self.scanner.take(b']') {
            let mark = packed.then(|| {
                field.tag.put(self.out);
                begin_length(self.out)
            });
            for index in 0.. {
                self.scanner.count_element(&mut self.elements_left)?;
                self.list_element(field, packed).map_err(|error| error.in_element(index))?;
                if !self.next_element()? {
                    break;
                }
            }
            if let Some(mark) = mark {
                end_length(mark, self.out);
            }
        }
        self.leave();
        Ok(())
    }

    #[inline]
    fn list_element(&mut self, field: &'a FieldTable, packed: bool) -> Result<(), JsonError> {
        self.refuse_null(field.kind, "a list")?;
        if packed { self.scalar(field.kind).map(drop) } else { self.tagged(&field.tag, field.kind).map(drop) }
    }

    /// Reads an object as a map: every member becomes an entry behind the tag.
    pub(crate) fn map(&mut self, tag: &Tag, key_kind: Kind, value_kind: Kind) -> Result<(), JsonError> {
        self.enter(b'{', "an object")?;
        let first_key = self.map_keys.len();
        if !self.scanner.take(b'}') {
            loop {
                let key = self.key()?;
                self.map_entry(tag, key_kind, value_kind, &key)
                    .map_err(|error| error.in_entry(&key.content()))?;
                if !self.next_member()? {
                    break;
                }
            }
        }
        self.leave();
        self.refuse_duplicate_keys(first_key)
    }

    fn map_entry(
        &mut self,
        tag: &Tag,
        key_kind: Kind,
        value_kind: Kind,
        key: &RawString<'_>,
    ) -> Result<(), JsonError> {
        const KEY: u8 = 1;
        const VALUE: u8 = 2;
        let before = self.out.len();
        tag.put(self.out);
        let mark = begin_length(self.out);
        self.out.push(KEY << 3 | key_kind.wire_type());
        let key_start = self.out.len();
        self.map_key(key_kind, key)?;
        let key_length = self.out.len() - key_start;
        self.refuse_null(value_kind, "a map")?;
        if !self.tagged(&Tag::of_byte(VALUE << 3 | value_kind.wire_type()), value_kind)? {
            // An enum name that is unknown and ignored takes its entry with it.
            self.out.truncate(before);
            return Ok(());
        }
        let length = self.out.len() - mark;
        end_length(mark, self.out);
        // Filling in the length may have moved the entry, so the key is found from its end.
        let start = self.out.len() - length + 1;
        self.map_keys.push(KeySpan { start, end: start + key_length, offset: key.offset });
        Ok(())
    }

    /// Sorting the keys at the end of a map finds duplicates without a hash that an attacker could flood.
    fn refuse_duplicate_keys(&mut self, first_key: usize) -> Result<(), JsonError> {
        let keys = &mut self.map_keys[first_key..];
        let out: &[u8] = self.out;
        let bytes = |key: &KeySpan| &out[key.start..key.end];
        // Sorted maps and small ones, which most are, need no sorting.
        let all_differ = match keys.len() {
            0..=COMPARED_KEYS_MAX => {
                let again = |(at, key)| keys[at + 1..].iter().any(|other| bytes(other) == bytes(key));
                !keys.iter().enumerate().any(again)
            }
            _ => keys.is_sorted_by(|a, b| bytes(a) < bytes(b)),
        };
        if all_differ {
            self.map_keys.truncate(first_key);
            return Ok(());
        }
        keys.sort_unstable_by(|a, b| bytes(a).cmp(bytes(b)).then(a.offset.cmp(&b.offset)));
        let repeated = keys
            .windows(2)
            .filter(|pair| bytes(&pair[0]) == bytes(&pair[1]))
            .map(|pair| pair[1].offset)
            .min();
        self.map_keys.truncate(first_key);
        match repeated {
            Some(offset) => Err(duplicate(offset, "the map has this key twice")),
            None => Ok(()),
        }
    }

    /// `null` in a list or map says nothing, except where it is a value.
    #[inline]
    fn refuse_null(&mut self, kind: Kind, container: &str) -> Result<(), JsonError> {
        if self.scanner.peek() == b'n' && !self.tables.null_is_a_value(kind) {
            let position = self.scanner.position();
            if self.scanner.take_word("null") {
                let message = format!("null cannot stand in {container}");
                return Err(JsonError::new(JsonErrorKind::InvalidValue, position, message));
            }
        }
        Ok(())
    }

    /// Consumes the brace or bracket that opens a value, one level deeper.
    pub(crate) fn enter(&mut self, open: u8, expected: &str) -> Result<(), JsonError> {
        if !self.scanner.take(open) {
            return Err(self.wrong_type(expected));
        }
        match self.depth_left.checked_sub(1) {
            Some(left) => {
                self.depth_left = left;
                Ok(())
            }
            None => Err(JsonError::new(
                JsonErrorKind::LimitExceeded,
                self.scanner.position() - 1,
                "values nest too deeply",
            )),
        }
    }

    /// The level that [`enter`](Self::enter) opened is closed.
    pub(crate) fn leave(&mut self) {
        self.depth_left += 1;
    }

    /// Consumes a key and its colon.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<RawString<'a>, JsonError> {
        self.scanner.count_element(&mut self.elements_left)?;
        let key = self.scanner.string()?;
        self.scanner.expect(b':')?;
        Ok(key)
    }

    /// Consumes what stands behind a member: `true` for a comma, `false` for the end of the object.
    #[inline]
    pub(crate) fn next_member(&mut self) -> Result<bool, JsonError> {
        match self.scanner.peek() {
            b',' => {
                self.scanner.advance();
                return Ok(true);
            }
            b'}' => {
                self.scanner.advance();
                return Ok(false);
            }
            _ => {}
        }
        Err(self.scanner.syntax(format!("expected `,` or `}}`, found {}", self.scanner.describe_next())))
    }

    /// Consumes what stands behind an element: `true` for a comma, `false` for the end of the array.
    #[inline]
    pub(crate) fn next_element(&mut self) -> Result<bool, JsonError> {
        match self.scanner.peek() {
            b',' => {
                self.scanner.advance();
                return Ok(true);
            }
            b']' => {
                self.scanner.advance();
                return Ok(false);
            }
            _ => {}
        }
        Err(self.scanner.syntax(format!("expected `,` or `]`, found {}", self.scanner.describe_next())))
    }

    pub(crate) fn skip(&mut self) -> Result<(), JsonError> {
        self.scanner.skip(self.depth_left, &mut self.elements_left)
    }

    /// An error about the value that comes next: of another type than expected, or no value at all.
    #[cold]
    pub(crate) fn wrong_type(&mut self, expected: &str) -> JsonError {
        self.scanner.peek();
        let kind = match self.scanner.value_comes_next() {
            true => JsonErrorKind::InvalidValue,
            false => JsonErrorKind::Syntax,
        };
        let message = format!("expected {expected}, found {}", self.scanner.describe_next());
        JsonError::new(kind, self.scanner.position(), message)
    }

    /// Appends a length-delimited value: tag, then text.
    pub(crate) fn put_text(&mut self, tag: u8, text: &str) {
        self.out.push(tag);
        put_varint(text.len() as u64, self.out);
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Members an object may have beside the fields of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extra {
    None,
    /// The `@type` of an `Any`, which has been read before.
    AnyType,
}

#[cold]
fn duplicate(offset: usize, message: impl Into<String>) -> JsonError {
    JsonError::new(JsonErrorKind::Duplicate, offset, message)
}

/// Maps of up to this many entries have their keys compared with each other; larger ones are sorted.
const COMPARED_KEYS_MAX: usize = 8;

/// What of a message was read so far.
struct Members {
    fields: BitSet,
    oneofs: BitSet,
}

impl Members {
    #[inline]
    fn new(table: &MessageTable) -> Self {
        Self { fields: BitSet::new(table.fields.len()), oneofs: BitSet::new(table.oneof_names.len()) }
    }
}

/// A set of small numbers; allocates only for more than 64 of them.
struct BitSet {
    low: u64,
    high: Vec<u64>,
}

impl BitSet {
    #[inline]
    fn new(size: usize) -> Self {
        Self { low: 0, high: if size <= 64 { Vec::new() } else { vec![0; size.div_ceil(64) - 1] } }
    }

    /// Adds a member; `false` where it was one already.
    #[inline]
    fn insert(&mut self, index: usize) -> bool {
        let word = match index / 64 {
            0 => &mut self.low,
            word => &mut self.high[word - 1],
        };
        let bit = 1u64 << (index % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bit_set_holds_more_than_it_has_inline() {
        let mut set = BitSet::new(500);
        for index in 0..500 {
            assert!(set.insert(index));
        }
        for index in 0..500 {
            assert!(!set.insert(index));
        }
    }
}
