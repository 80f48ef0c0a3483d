//! JSON → wire, the usual way: text as programs write it.
//!
//! Programs write JSON without spaces, or with one behind each colon and comma; names without escapes; numbers in
//! one spelling. This path takes that for granted and gives up at the first surprise. Everything here has that one way
//! out, a `None` that says no more than "not as usual": indented text, a name that is not known, a limit, and every
//! kind of error. Then what was appended is cut off and [`Decoder`](super::decode::Decoder) starts over, which takes
//! every spelling, and says what is wrong if something is. That costs twice what was done so far, once.
//!
//! Nothing is looked at twice: the encoding of a string is checked where it is read, and outside of strings only ASCII
//! is let through.

mod map;
mod scalar;
mod string;
mod well_known;

use super::options::{DEPTH_CEILING, DecodeOptions};
use super::output::Output;
use crate::prepared::Tag;
use crate::tables::{FieldTable, Kind, MessageTable, Shape, Tables, Usual, WellKnown};

/// Appends the wire bytes of the message or field that the text is; `None` where the text is not as usual, and then
/// nothing is appended.
#[inline(always)]
pub(super) fn decode_fast<'a>(
    tables: &'a Tables,
    json: &'a [u8],
    options: &'a DecodeOptions,
    out: &mut Vec<u8>,
    read: impl FnOnce(&mut FastDecoder<'a>) -> Option<usize>,
) -> Option<()> {
    if json.len() > options.max_bytes {
        return None;
    }
    let before = out.len();
    let mut decoder = FastDecoder {
        tables,
        json,
        options,
        levels_left: options.max_depth.min(DEPTH_CEILING),
        elements_left: options.max_elements,
        out: Output::behind(std::mem::take(out), json.len()),
    };
    let end = read(&mut decoder);
    // Files end with a line break.
    let whole = end.is_some_and(|end| matches!(json[end..], [] | [b'\n']));
    let end = if whole { decoder.out.end() } else { before };
    *out = decoder.out.into_bytes(end);
    whole.then_some(())
}

/// One run. Its methods are told where in the text they begin, and return where they end.
pub(super) struct FastDecoder<'a> {
    tables: &'a Tables,
    json: &'a [u8],
    options: &'a DecodeOptions,
    /// How many objects and arrays may still be opened.
    levels_left: usize,
    /// How many members and elements may still come.
    elements_left: usize,
    out: Output,
}

impl<'a> FastDecoder<'a> {
    /// Reads a message of any kind and appends its bytes, without tag or length.
    pub(super) fn message(&mut self, index: u32, at: usize) -> Option<usize> {
        let tables = self.tables;
        let table = tables.message(index);
        match table.well_known {
            WellKnown::No => self.members(table, at),
            special => self.well_known(index, special, at),
        }
    }

    /// Reads an object whose members are the fields of the message.
    fn members(&mut self, table: &'a MessageTable, at: usize) -> Option<usize> {
        let json = self.json;
        let mut at = self.open(b'{', at)?;
        if *json.get(at)? == b'}' {
            return Some(self.close(at));
        }
        // Writers mostly keep the order of the proto file, so the next field is the first guess.
        let mut guess = 0;
        let (mut seen, mut oneofs) = (0u64, 0u64);
        loop {
            self.count_element()?;
            let index = match table.fields.get(guess) {
                Some(field) if field.json_key.begins(json.get(at..)?) => {
                    at += field.json_key.len();
                    guess
                }
                _ => {
                    let (name, after) = self.name(at)?;
                    at = after;
                    table.field_by_any_name(name)?
                }
            };
            at = self.past_space(at);
            let field = &table.fields[index];
            // Beyond the bits, names have to come in order.
            let bit = 1u64.checked_shl(index as u32).unwrap_or(0);
            if seen & bit != 0 || (bit == 0 && index < guess) {
                return None;
            }
            seen |= bit;
            guess = index + 1;
            at = match self.null(field, at) {
                Some(after) => after,
                None => {
                    if oneofs & field.oneof_bit != 0 {
                        return None;
                    }
                    oneofs |= field.oneof_bit;
                    self.field(field, at)?
                }
            };
            match *json.get(at)? {
                b',' => at = self.past_space(at + 1),
                b'}' => return Some(self.close(at)),
                _ => return None,
            }
        }
    }

    /// Reads the value of a field, which is not `null` for nothing, and appends it with its tag.
    #[inline(always)]
    pub(super) fn field(&mut self, field: &'a FieldTable, at: usize) -> Option<usize> {
        match field.usual {
            Usual::ImplicitString | Usual::String => self.string_field(&field.tag, at),
            Usual::ImplicitScalar | Usual::Scalar => {
                self.tag(&field.tag);
                self.scalar(field.kind, at)
            }
            Usual::Message(index) => {
                let tables = self.tables;
                self.tag(&field.tag);
                let mark = self.out.begin_length();
                let at = self.members(tables.message(index), at)?;
                self.out.end_length(mark);
                Some(at)
            }
            Usual::WellKnown(index, special) => {
                self.tag(&field.tag);
                let mark = self.out.begin_length();
                let at = self.well_known(index, special, at)?;
                self.out.end_length(mark);
                Some(at)
            }
            Usual::List => self.list(field, at),
            Usual::Map => match field.shape {
                Shape::Map { key, value } => self.map(&field.tag, (key, value), at),
                _ => None,
            },
        }
    }

    /// Where a `null` ends that leaves its field unset.
    #[inline(always)]
    fn null(&self, field: &FieldTable, at: usize) -> Option<usize> {
        if self.json.get(at) != Some(&b'n') {
            return None;
        }
        let is_value = field.is_singular() && self.tables.null_is_a_value(field.kind);
        if is_value { None } else { self.word(b"null", at) }
    }

    /// Reads a list: every element behind the tag, or behind one tag if they are packed.
    fn list(&mut self, field: &'a FieldTable, at: usize) -> Option<usize> {
        let json = self.json;
        let mut at = self.open(b'[', at)?;
        if *json.get(at)? == b']' {
            return Some(self.close(at));
        }
        let packed = matches!(field.shape, Shape::List { packed: true });
        let mut mark = 0;
        if packed {
            self.tag(&field.tag);
            mark = self.out.begin_length();
        }
        loop {
            self.count_element()?;
            at = if packed { self.scalar(field.kind, at)? } else { self.tagged(&field.tag, field.kind, at)? };
            match *json.get(at)? {
                b',' => at = self.past_space(at + 1),
                b']' => break,
                _ => return None,
            }
        }
        if packed {
            self.out.end_length(mark);
        }
        Some(self.close(at))
    }

    /// Reads one value and appends it behind a tag.
    #[inline(always)]
    fn tagged(&mut self, tag: &Tag, kind: Kind, at: usize) -> Option<usize> {
        match kind {
            Kind::String => self.string_field(tag, at),
            Kind::Message(index) => {
                self.tag(tag);
                let mark = self.out.begin_length();
                let at = self.message(index, at)?;
                self.out.end_length(mark);
                Some(at)
            }
            scalar => {
                self.tag(tag);
                self.scalar(scalar, at)
            }
        }
    }

    #[inline(always)]
    fn tag(&mut self, tag: &Tag) {
        let (block, length) = tag.block();
        self.out.put_block(block, length);
    }

    /// Where this word ends, if it comes here. What may stand behind it is for who reads on to say.
    #[inline(always)]
    fn word<const N: usize>(&self, word: &[u8; N], at: usize) -> Option<usize> {
        (self.json.get(at..)?.first_chunk() == Some(word)).then_some(at + N)
    }

    #[inline(always)]
    fn past_space(&self, at: usize) -> usize {
        match self.json.get(at) {
            Some(b' ') => at + 1,
            _ => at,
        }
    }

    #[inline(always)]
    fn count_element(&mut self) -> Option<()> {
        self.elements_left = self.elements_left.checked_sub(1)?;
        Some(())
    }

    /// Opens an object or array; returns where its inside begins.
    #[inline(always)]
    fn open(&mut self, bracket: u8, at: usize) -> Option<usize> {
        self.levels_left = self.levels_left.checked_sub(1)?;
        (*self.json.get(at)? == bracket).then_some(at + 1)
    }

    /// Closes an object or array whose closing bracket stands here.
    #[inline(always)]
    fn close(&mut self, at: usize) -> usize {
        self.levels_left += 1;
        at + 1
    }
}
