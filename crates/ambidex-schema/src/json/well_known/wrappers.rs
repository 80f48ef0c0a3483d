//! The wrappers (`Int32Value`, `StringValue`, …): their JSON is the JSON of the value they wrap.

use crate::json::decode::Decoder;
use crate::json::encode::Encoder;
use crate::json::error::JsonError;
use crate::tables::Kind;
use crate::wire::{Reader, WireError};

impl Decoder<'_, '_> {
    /// The value is written even where it is the default, so that it overrides when it is merged.
    pub(super) fn wrapper(&mut self, kind: Kind) -> Result<(), JsonError> {
        self.out.push(1 << 3 | kind.wire_type());
        self.scalar(kind).map(drop)
    }
}

impl Encoder<'_, '_> {
    pub(super) fn wrapper(&mut self, wire: &[u8], base: usize, kind: Kind) -> Result<(), WireError> {
        let mut value = None;
        let mut reader = Reader::new(wire, base);
        while let Some(record) = reader.next()? {
            if record.number == 1 && record.value.wire_type() == kind.wire_type() {
                value = Some(record);
            }
        }
        match value {
            None => self.default_scalar(kind),
            Some(record) => self.scalar(kind, record.value, record.offset)?,
        }
        Ok(())
    }
}
