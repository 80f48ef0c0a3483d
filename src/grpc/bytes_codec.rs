//! tonic's codec for the client, whose messages are already wire bytes: it copies nothing on the way in.

use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::call::MethodKind;

/// Hands messages through as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct BytesCodec {
    out: Buffer,
    into: Buffer,
}

/// One direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffer {
    bytes: usize,
}

/// What one message is given at first. It grows once where that is too little, and most messages are smaller; from
/// about this size on glibc's allocator takes a lock.
const ONE_MESSAGE_BYTES: usize = 1000;

/// What the messages of a stream are given together, which is what tonic gives everyone.
const STREAM_BYTES: usize = 8 * 1024;

/// How many bytes of a stream are sent together, if they are there at once: tonic's own default.
const YIELD_BYTES: usize = 32 * 1024;

impl BytesCodec {
    /// For who calls a method of that kind.
    pub(super) fn client(kind: MethodKind) -> Self {
        Self { out: Buffer::of(kind.client_streams()), into: Buffer::of(kind.server_streams()) }
    }
}

impl Buffer {
    fn of(streams: bool) -> Self {
        Self { bytes: if streams { STREAM_BYTES } else { ONE_MESSAGE_BYTES } }
    }

    fn settings(self) -> BufferSettings {
        BufferSettings::new(self.bytes, YIELD_BYTES)
    }
}

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Buffer;
    type Decoder = Buffer;

    fn encoder(&mut self) -> Buffer {
        self.out
    }

    fn decoder(&mut self) -> Buffer {
        self.into
    }
}

impl Encoder for Buffer {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.settings()
    }
}

impl Decoder for Buffer {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = src.remaining();
        Ok(Some(src.copy_to_bytes(len)))
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.settings()
    }
}
