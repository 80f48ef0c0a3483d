//! Content codings: gzip, brotli and zstd, of whole messages and of bodies as they grow.
//!
//! The decoders write into a sink that is bounded, so that what unpacks to more than its bound is refused as soon
//! as it is over it, however small it came. The encoders can be flushed, so that a message of a stream is on its
//! way when it is made.

use std::io::{self, Write};

use brotli::{CompressorWriter, DecompressorWriter};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use http::HeaderValue;
use tonic::Status;
use zstd::stream::raw::{self, InBuffer, Operation, OutBuffer};

use super::status;

/// A content coding that is not identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

/// The names of all codings that are read and written here, as a header spells them.
pub(super) const NAMES: &str = "zstd, br, gzip";

/// Better ones first: what is chosen where the client has no preference.
const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

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
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    pub(super) fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// Reads the value of `Content-Encoding` or one of its kin. `None` for identity.
    pub(super) fn named(value: &HeaderValue) -> Result<Option<Self>, Status> {
        let name = value.to_str().unwrap_or_default().trim();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("identity") || name.is_empty() {
            return Ok(None);
        }
        let known =
            ALL.into_iter().find(|coding| is(coding.name()) || (is("x-gzip") && *coding == Self::Gzip));
        known.map(Some).ok_or_else(status::unsupported_coding)
    }

    /// The coding that `Accept-Encoding` or one of its kin likes best; `None` where that is identity. Of those it
    /// likes equally it is the one that stands first, where the list is `ordered`, and else the server's choice.
    pub(super) fn accepted<'a>(values: impl Iterator<Item = &'a HeaderValue>, ordered: bool) -> Option<Self> {
        let (mut identity, mut others) = (0, None);
        let mut named: Vec<(u16, Self)> = Vec::new();
        for range in values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
            let (name, quality) = super::content::with_quality(range);
            let known = ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name()));
            match (known, name) {
                (Some(coding), _) if named.iter().all(|(_, known)| *known != coding) => {
                    named.push((quality, coding))
                }
                (None, "identity") => identity = quality,
                (None, "*") => others = Some(quality),
                _ => {}
            }
        }
        if !ordered {
            named.sort_by_key(|(_, coding)| ALL.iter().position(|known| known == coding));
        }
        if let Some(quality) = others {
            let unnamed = ALL.into_iter().filter(|coding| named.iter().all(|(_, named)| named != coding));
            named.extend(unnamed.map(|coding| (quality, coding)).collect::<Vec<_>>());
        }
        let mut best: Option<(u16, Self)> = None;
        for (quality, coding) in named {
            if quality > 0 && best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, coding));
            }
        }
        best.filter(|(quality, _)| *quality >= identity).map(|(_, coding)| coding)
    }

    /// Packs one whole message.
    pub(super) fn encode(self, data: &[u8]) -> io::Result<Bytes> {
        let mut encoder = Encoder::new(self)?;
        encoder.write(data)?;
        encoder.finish()
    }

    /// Unpacks one whole message into at most `limit_bytes`.
    pub(super) fn decode(self, data: &[u8], limit_bytes: usize) -> Result<Bytes, Status> {
        let mut decoder = Decoder::new(self, limit_bytes)?;
        let start = decoder.push(data)?;
        let end = decoder.finish()?;
        Ok(if end.is_empty() { start } else { [start, end].concat().into() })
    }
}

/// Packs a body as it grows.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
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
    pub(super) fn push(&mut self, data: &[u8]) -> io::Result<Bytes> {
        self.write(data)?;
        let out = match self {
            Self::Gzip(encoder) => {
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
    pub(super) fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
        }
        .into())
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(data),
            Self::Brotli(encoder) => encoder.write_all(data),
            Self::Zstd(encoder) => encoder.write_all(data),
        }
    }
}

/// Unpacks a body as it comes.
pub(super) enum Decoder {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(Box<Zstd>),
}

/// Where unpacked bytes go, until there are too many.
pub(super) struct Sink {
    data: Vec<u8>,
    limit_bytes: usize,
}

pub(super) struct Zstd {
    decoder: raw::Decoder<'static>,
    sink: Sink,
    /// Nothing of a frame is outstanding.
    whole: bool,
}

impl Decoder {
    /// A decoder that never holds more than `limit_bytes` that were not taken from it.
    pub(super) fn new(coding: Coding, limit_bytes: usize) -> Result<Self, Status> {
        let sink = Sink { data: Vec::new(), limit_bytes };
        Ok(match coding {
            Coding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Coding::Brotli => Self::Brotli(Box::new(DecompressorWriter::new(sink, STEP_BYTES))),
            Coding::Zstd => {
                let internal = |_| Status::internal("internal error");
                let mut decoder = raw::Decoder::new().map_err(internal)?;
                let window = raw::DParameter::WindowLogMax(ZSTD_WINDOW_BITS_MAX);
                decoder.set_parameter(window).map_err(internal)?;
                Self::Zstd(Box::new(Zstd { decoder, sink, whole: true }))
            }
        })
    }

    /// Unpacks some more.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<Bytes, Status> {
        let written = match self {
            Self::Gzip(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Self::Brotli(decoder) => decoder.write_all(data),
            Self::Zstd(zstd) => zstd.write_all(data),
        };
        let sink = match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Brotli(decoder) => decoder.get_mut(),
            Self::Zstd(zstd) => &mut zstd.sink,
        };
        written.map_err(|error| unpacking(&error, sink.limit_bytes))?;
        Ok(std::mem::take(&mut sink.data).into())
    }

    /// Checks that nothing is missing, and gives out what is left.
    pub(super) fn finish(self) -> Result<Bytes, Status> {
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
            Self::Zstd(zstd) if !zstd.whole => return Err(malformed()),
            Self::Zstd(zstd) => zstd.sink,
        };
        Ok(sink.data.into())
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

fn unpacking(error: &io::Error, limit_bytes: usize) -> Status {
    match error.kind() {
        io::ErrorKind::FileTooLarge => status::body_too_large(limit_bytes),
        _ => malformed(),
    }
}

fn malformed() -> Status {
    Status::invalid_argument("the body is not what its content coding says, or ends early")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn accepted(value: &str) -> Option<Coding> {
        let value = HeaderValue::from_str(value).expect("a value");
        Coding::accepted([&value].into_iter(), false)
    }

    #[test]
    fn the_client_chooses_and_the_server_breaks_ties() {
        let cases = [
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip;q=1.0, br;q=0.8", Some(Coding::Gzip)),
            ("GZIP", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("*, zstd;q=0", Some(Coding::Brotli)),
            ("gzip, *", Some(Coding::Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0, gzip", Some(Coding::Gzip)),
            ("gzip;q=0", None),
            ("deflate", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(accepted(value), expected, "{value}");
        }
        assert_eq!(Coding::accepted([].into_iter(), false), None);
        let ordered =
            |value: &'static str| Coding::accepted([&HeaderValue::from_static(value)].into_iter(), true);
        assert_eq!(ordered("gzip, br, zstd"), Some(Coding::Gzip), "Connect's lists are ordered");
        assert_eq!(ordered("gzip;q=0.5, br, zstd"), Some(Coding::Brotli));
    }

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
            assert_eq!(error.code(), Code::ResourceExhausted);
        }
    }

    #[test]
    fn rubbish_and_half_of_it_are_errors() {
        for coding in ALL {
            let packed = coding.encode(b"a text that is long enough to be cut").expect("packed");
            for bad in [&b"\xff\xfe rubbish \x00\x01 and more of it"[..], &packed[..packed.len() - 1]] {
                let error = coding.decode(bad, 1000).expect_err("malformed");
                assert_eq!(error.code(), Code::InvalidArgument, "{coding:?}");
            }
        }
    }
}
