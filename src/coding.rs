//! Compression: gzip, deflate, brotli and zstd, of whole messages and of bodies as they grow.
//!
//! The decoders write into a sink that is bounded, so that what unpacks to more than its bound is refused as soon
//! as it is over it, however small it came. The encoders can be flushed, so that a message of a stream is on its
//! way when it is made.

use std::io::{self, Write};

use brotli::{CompressorWriter, DecompressorWriter};
use bytes::Bytes;
use flate2::write::{GzEncoder, MultiGzDecoder, ZlibEncoder};
use flate2::{Compression, Decompress, FlushDecompress};
use http::HeaderValue;
use zstd::stream::raw::{self, InBuffer, Operation, OutBuffer};

/// A coding that is not identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// The zlib format, which HTTP and gRPC call so.
    Deflate,
    Brotli,
    Zstd,
}

/// What cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnpackError {
    /// It is more than there may be.
    TooLarge { limit_bytes: usize },
    /// It is not what its coding says, or ends early.
    Malformed,
}

/// zlib's middle: two thirds of the time of its default, and a few parts in a hundred larger.
const GZIP_LEVEL: u32 = 5;

/// Brotli is made for files that are packed once. From quality 5 on it costs several times as much.
const BROTLI_QUALITY: u32 = 4;

/// A window of one mebibyte: replies are seldom larger, and each stream under way pays for its window.
const BROTLI_WINDOW_BITS: u32 = 20;

/// zstd's default.
const ZSTD_LEVEL: i32 = 3;

/// RFC 8878 asks decoders for windows of 8 MiB, and nobody has to give more.
const ZSTD_WINDOW_BITS_MAX: u32 = 23;

/// What is unpacked in one step.
const STEP_BYTES: usize = 16 * 1024;

impl Coding {
    /// As headers spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// Packs one whole message.
    pub(crate) fn encode(self, data: &[u8]) -> io::Result<Bytes> {
        let mut encoder = Encoder::new(self)?;
        encoder.write(data)?;
        encoder.finish()
    }

    /// Unpacks one whole message into at most `limit_bytes`.
    pub(crate) fn decode(self, data: &[u8], limit_bytes: usize) -> Result<Bytes, UnpackError> {
        let mut decoder = Decoder::new(self, limit_bytes)?;
        let start = decoder.push(data)?;
        let end = decoder.finish()?;
        Ok(if end.is_empty() { start } else { [start, end].concat().into() })
    }
}

/// Packs a body as it grows.
pub(crate) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    pub(crate) fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Coding::Deflate => Self::Deflate(ZlibEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Coding::Brotli => Self::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                STEP_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW_BITS,
            ))),
            Coding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }

    /// Packs some more, and gives out everything a reader needs to see it.
    pub(crate) fn push(&mut self, data: &[u8]) -> io::Result<Bytes> {
        self.write(data)?;
        let out = match self {
            Self::Gzip(encoder) => {
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Deflate(encoder) => {
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Brotli(encoder) => {
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Zstd(encoder) => {
                encoder.flush()?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(out).into())
    }

    /// Gives out what is left, and the end.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Deflate(encoder) => encoder.finish()?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
        }
        .into())
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(data),
            Self::Deflate(encoder) => encoder.write_all(data),
            Self::Brotli(encoder) => encoder.write_all(data),
            Self::Zstd(encoder) => encoder.write_all(data),
        }
    }
}

/// Unpacks a body as it comes.
pub(crate) enum Decoder {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(Box<Deflate>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(Box<Zstd>),
}

/// Where unpacked bytes go, until there are too many.
pub(crate) struct Sink {
    data: Vec<u8>,
    limit_bytes: usize,
}

pub(crate) struct Deflate {
    decoder: Decompress,
    sink: Sink,
    /// The end was there.
    whole: bool,
}

pub(crate) struct Zstd {
    decoder: raw::Decoder<'static>,
    sink: Sink,
    /// Nothing of a frame is outstanding.
    whole: bool,
}

impl Decoder {
    /// A decoder that never holds more than `limit_bytes` that were not taken from it.
    pub(crate) fn new(coding: Coding, limit_bytes: usize) -> Result<Self, UnpackError> {
        let sink = Sink { data: Vec::new(), limit_bytes };
        Ok(match coding {
            Coding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Coding::Deflate => {
                Self::Deflate(Box::new(Deflate { decoder: Decompress::new(true), sink, whole: false }))
            }
            Coding::Brotli => Self::Brotli(Box::new(DecompressorWriter::new(sink, STEP_BYTES))),
            Coding::Zstd => {
                // What fails here is the memory for it.
                let malformed = |_| UnpackError::Malformed;
                let mut decoder = raw::Decoder::new().map_err(malformed)?;
                let window = raw::DParameter::WindowLogMax(ZSTD_WINDOW_BITS_MAX);
                decoder.set_parameter(window).map_err(malformed)?;
                Self::Zstd(Box::new(Zstd { decoder, sink, whole: true }))
            }
        })
    }

    /// Unpacks some more.
    pub(crate) fn push(&mut self, data: &[u8]) -> Result<Bytes, UnpackError> {
        let written = match self {
            Self::Gzip(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Self::Deflate(deflate) => deflate.write_all(data),
            Self::Brotli(decoder) => decoder.write_all(data),
            Self::Zstd(zstd) => zstd.write_all(data),
        };
        let sink = match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(deflate) => &mut deflate.sink,
            Self::Brotli(decoder) => decoder.get_mut(),
            Self::Zstd(zstd) => &mut zstd.sink,
        };
        written.map_err(|error| unpacking(&error, sink.limit_bytes))?;
        Ok(std::mem::take(&mut sink.data).into())
    }

    /// Checks that nothing is missing, and gives out what is left.
    pub(crate) fn finish(self) -> Result<Bytes, UnpackError> {
        let sink = match self {
            Self::Gzip(decoder) => {
                let limit_bytes = decoder.get_ref().limit_bytes;
                decoder.finish().map_err(|error| unpacking(&error, limit_bytes))?
            }
            Self::Brotli(mut decoder) => {
                let limit_bytes = decoder.get_ref().limit_bytes;
                decoder.close().map_err(|error| unpacking(&error, limit_bytes))?;
                std::mem::replace(decoder.get_mut(), Sink { data: Vec::new(), limit_bytes })
            }
            Self::Deflate(deflate) if !deflate.whole => return Err(UnpackError::Malformed),
            Self::Deflate(deflate) => deflate.sink,
            Self::Zstd(zstd) if !zstd.whole => return Err(UnpackError::Malformed),
            Self::Zstd(zstd) => zstd.sink,
        };
        Ok(sink.data.into())
    }
}

impl Deflate {
    fn write_all(&mut self, mut data: &[u8]) -> io::Result<()> {
        let mut room = [0; STEP_BYTES];
        loop {
            if self.whole {
                // Nothing may come after the end.
                return if data.is_empty() { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) };
            }
            let (read, written) = (self.decoder.total_in(), self.decoder.total_out());
            let status = self.decoder.decompress(data, &mut room, FlushDecompress::None)?;
            let (read, written) = (self.decoder.total_in() - read, self.decoder.total_out() - written);
            let (read, written) = (read as usize, written as usize);
            self.sink.write_all(&room[..written])?;
            data = &data[read..];
            self.whole = status == flate2::Status::StreamEnd;
            // A full buffer may have left something behind.
            if !self.whole && data.is_empty() && written < STEP_BYTES {
                return Ok(());
            }
            if !self.whole && read == 0 && written == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

impl Zstd {
    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        let mut input = InBuffer::around(data);
        let mut room = [0; STEP_BYTES];
        loop {
            let mut output = OutBuffer::around(&mut room);
            let before = input.pos();
            let outstanding = self.decoder.run(&mut input, &mut output)?;
            let unpacked = output.as_slice().len();
            self.sink.write_all(output.as_slice())?;
            // Asked without anything to do, zstd speaks of the frame that may come next.
            if unpacked > 0 || input.pos() > before {
                self.whole = outstanding == 0;
            }
            // A full buffer may have left something behind.
            if input.pos() == data.len() && unpacked < STEP_BYTES {
                return Ok(());
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.data.len() + data.len() > self.limit_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.data.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unpacking(error: &io::Error, limit_bytes: usize) -> UnpackError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => UnpackError::TooLarge { limit_bytes },
        _ => UnpackError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    #[test]
    fn what_is_packed_is_unpacked() {
        let text: Vec<u8> = (0..200_000u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for coding in ALL {
            // Exactly a step or two of the decoder, too.
            for data in [&b""[..], b"a", &text, &text[..STEP_BYTES], &text[..2 * STEP_BYTES]] {
                let packed = coding.encode(data).expect("packed");
                assert_eq!(coding.decode(&packed, data.len()).expect("unpacked"), data, "{coding:?}");
            }
        }
    }

    #[test]
    fn what_was_pushed_can_be_read_before_the_end() {
        for coding in ALL {
            let mut encoder = Encoder::new(coding).expect("an encoder");
            let mut decoder = Decoder::new(coding, 100).expect("a decoder");
            for part in ["one", "two", "three"] {
                let packed = encoder.push(part.as_bytes()).expect("packed");
                let unpacked: Vec<u8> =
                    packed.chunks(1).flat_map(|byte| decoder.push(byte).expect("unpacked")).collect();
                assert_eq!(unpacked, part.as_bytes(), "{coding:?}");
            }
            let end = decoder.push(&encoder.finish().expect("the end")).expect("unpacked");
            assert!(end.is_empty());
            assert!(decoder.finish().expect("whole").is_empty());
        }
    }

    #[test]
    fn a_bomb_is_refused_at_its_bound() {
        let zeros = vec![0; 50_000_000];
        for coding in ALL {
            let packed = coding.encode(&zeros).expect("packed");
            assert!(packed.len() < 100_000, "{coding:?}");
            let error = coding.decode(&packed, 1000).expect_err("too large");
            assert_eq!(error, UnpackError::TooLarge { limit_bytes: 1000 }, "{coding:?}");
        }
    }

    #[test]
    fn rubbish_and_half_of_it_are_errors() {
        for coding in ALL {
            let packed = coding.encode(b"a text that is long enough to be cut").expect("packed");
            for bad in [&b"\xff\xfe rubbish \x00\x01 and more of it"[..], &packed[..packed.len() - 1]] {
                let error = coding.decode(bad, 1000).expect_err("malformed");
                assert_eq!(error, UnpackError::Malformed, "{coding:?}");
            }
        }
    }
}
