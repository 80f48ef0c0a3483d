//! HTTP/2 frames that move no call, counted as they come.
//!
//! A client that sends PING, SETTINGS or PRIORITY without end costs the server more than itself. h2 bounds what would
//! grow (streams that are reset, heads in pieces, data in crumbs), but not these. So the heads of frames are read along
//! with the bytes, nine bytes each, and what moves no call needs credit. A frame that does move one gives credit, and so
//! do the bytes that are sent, since clients measure their bandwidth by a PING after data. Beyond that there is so much a
//! second. The clock is looked at only when credit is out.
//!
//! WINDOW_UPDATE has credit of its own: for each byte that was sent to it, a client may open two windows by one.
//!
//! Data in crumbs h2 bounds by how much of it nobody has read yet, and ends the connection: see `crumbs` for whom that
//! would hit.

use std::time::{Duration, Instant};

/// The head of a frame.
const HEAD_BYTES: usize = 9;

/// Bytes sent for which a client may send one frame that moves no call: more than the answer to a PING has, so that
/// PINGs do not pay for PINGs.
const BYTES_PER_FRAME: usize = 64;

/// WINDOW_UPDATEs that it may send for a byte sent to it: one for the stream, one for the connection.
const WINDOW_UPDATES_PER_BYTE: usize = 2;

/// How many of them may come together: those of a client that has a reply of half a mebibyte before it, and reads it byte
/// by byte. That many cost a tenth of a second.
const WINDOW_UPDATES_MAX: u32 = 1 << 20;

/// A smaller frame of DATA takes more of h2's memory than it has data.
const SMALL_BYTES: usize = 256;

/// How often credit is given anew.
const SPAN: Duration = Duration::from_secs(1);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    Pings,
    Others,
}

/// Reads the heads of frames along, and keeps account.
pub(super) struct Frames {
    /// The head of the next frame, as far as it has come.
    head: [u8; HEAD_BYTES],
    has: usize,
    /// Bytes of the last frame that are still to come.
    rest: usize,
    control: Credit,
    windows: Credit,
    /// Small frames of DATA in the bytes that came last.
    small: usize,
}

impl Frames {
    /// Allows `per_second` frames of each kind that moves no call, beyond those that are earned.
    pub(super) fn new(per_second: u32) -> Self {
        let now = Instant::now();
        Self {
            head: [0; HEAD_BYTES],
            has: 0,
            rest: 0,
            control: Credit::new(per_second, per_second, now),
            windows: Credit::new(per_second, per_second.max(WINDOW_UPDATES_MAX), now),
            small: 0,
        }
    }

    /// Bytes that came from the client.
    ///
    /// # Errors
    ///
    /// When it has sent too much of what moves no call.
    pub(super) fn came(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        self.small = 0;
        loop {
            let skipped = self.rest.min(bytes.len());
            bytes = &bytes[skipped..];
            self.rest -= skipped;
            let taken = (HEAD_BYTES - self.has).min(bytes.len());
            self.head[self.has..self.has + taken].copy_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            self.has += taken;
            if self.has < HEAD_BYTES {
                return Ok(());
            }
            self.has = 0;
            self.frame()?;
        }
    }

    /// Whether several of the frames in the bytes that came last were small.
    pub(super) fn has_crumbs(&self) -> bool {
        self.small > 1
    }

    /// How many of the bytes that come next are still the last frame's.
    pub(super) fn rest(&self, next: &[u8]) -> usize {
        if self.has == 0 {
            return self.rest;
        }
        let (mut head, of_head) = (self.head, HEAD_BYTES - self.has);
        let Some(missing) = next.get(..of_head) else { return next.len() };
        head[self.has..].copy_from_slice(missing);
        of_head + payload_bytes(&head)
    }

    fn frame(&mut self) -> Result<(), Flood> {
        let [.., kind, flags, _, _, _, _] = self.head;
        self.rest = payload_bytes(&self.head);
        match kind {
            DATA if flags & END_STREAM != 0 => self.control.earn(1),
            DATA if self.rest > 0 => {
                self.small += usize::from(self.rest < SMALL_BYTES);
                self.control.earn(1);
            }
            HEADERS => self.control.earn(1),
            // h2 counts them, by the head they belong to.
            CONTINUATION => {}
            WINDOW_UPDATE if !self.windows.spend() => return Err(Flood::Others),
            WINDOW_UPDATE => {}
            PING if !self.control.spend() => return Err(Flood::Pings),
            PING => {}
            _ if !self.control.spend() => return Err(Flood::Others),
            _ => {}
        }
        Ok(())
    }

    /// Bytes that were sent to the client.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.control.earn_for(bytes, BYTES_PER_FRAME);
        self.windows.earn(bytes.saturating_mul(WINDOW_UPDATES_PER_BYTE));
    }
}

fn payload_bytes(&[high, middle, low, ..]: &[u8; HEAD_BYTES]) -> usize {
    u32::from_be_bytes([0, high, middle, low]) as usize
}

/// How much more may come.
struct Credit {
    left: u32,
    per_second: u32,
    most: u32,
    /// Bytes sent that make no whole frame yet.
    bytes: usize,
    given: Instant,
}

impl Credit {
    fn new(per_second: u32, most: u32, now: Instant) -> Self {
        Self { left: per_second, per_second, most, bytes: 0, given: now }
    }

    fn earn(&mut self, frames: usize) {
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(frames).min(self.most);
    }

    /// Earns a frame for each so many bytes sent.
    fn earn_for(&mut self, bytes: usize, bytes_each: usize) {
        self.bytes += bytes;
        let frames = self.bytes / bytes_each;
        self.bytes %= bytes_each;
        self.earn(frames);
    }

    fn spend(&mut self) -> bool {
        if self.left == 0 {
            let now = Instant::now();
            if now - self.given < SPAN {
                return false;
            }
            self.given = now;
            self.left = self.per_second;
        }
        self.left = self.left.saturating_sub(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    fn ping() -> Vec<u8> {
        frame(PING, 0, &[0; 8])
    }

    #[test]
    fn frames_are_found_however_their_bytes_come() {
        let mut bytes = frame(HEADERS, 4, b"head");
        // What looks like a flood within data is data.
        bytes.extend(frame(DATA, 0, &ping().repeat(100)));
        bytes.extend(ping().repeat(3));
        for pieces in [1, 2, 7, 9, 10, 4096] {
            let mut frames = Frames::new(3);
            for piece in bytes.chunks(pieces) {
                assert_eq!(frames.came(piece), Ok(()), "in pieces of {pieces}");
            }
            assert_eq!(frames.came(&ping()), Err(Flood::Pings), "the fourth, in pieces of {pieces}");
        }
    }

    #[test]
    fn the_rest_of_a_frame_is_known_before_it_comes() {
        let bytes = [frame(DATA, 0, b"abc"), ping()].concat();
        for cut in 0..bytes.len() {
            let mut frames = Frames::new(10);
            frames.came(&bytes[..cut]).unwrap();
            let rest = match cut {
                0 => 0,
                1..=11 => 12 - cut,
                12 => 0,
                _ => bytes.len() - cut,
            };
            assert_eq!(frames.rest(&bytes[cut..]), rest, "{cut}");
            if (1..9).contains(&cut) {
                assert_eq!(frames.rest(&bytes[cut..8]), 8 - cut, "without the end of its head");
            }
        }
    }

    #[test]
    fn what_moves_a_call_gives_credit() {
        let mut frames = Frames::new(1);
        for _ in 0..100 {
            frames.came(&frame(HEADERS, 4, b"head")).unwrap();
            frames.came(&ping()).unwrap();
            frames.came(&frame(DATA, END_STREAM, b"")).unwrap();
            frames.came(&ping()).unwrap();
            frames.sent(100);
            frames.came(&ping()).unwrap();
        }
    }

    #[test]
    fn windows_may_be_opened_by_a_byte_for_each_that_was_sent() {
        let mut frames = Frames::new(10);
        frames.sent(100_000);
        let open = frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1]);
        for _ in 0..200_000 {
            frames.came(&open).unwrap();
        }
        let more: Result<(), Flood> = (0..1000).try_for_each(|_| frames.came(&open));
        assert_eq!(more, Err(Flood::Others), "none was sent that they could be for");
    }

    #[test]
    fn what_moves_none_is_bounded() {
        for (kind, payload) in
            [(PING, &[0; 8][..]), (4, &[]), (2, &[0; 5]), (DATA, &[]), (3, &[0; 4]), (0xbe, b"?")]
        {
            let mut frames = Frames::new(10);
            let all: Result<(), Flood> = (0..1000).try_for_each(|_| {
                // The answer to it.
                frames.sent(17);
                frames.came(&frame(kind, 0, payload))
            });
            let expected = if kind == PING { Flood::Pings } else { Flood::Others };
            assert_eq!(all, Err(expected), "frames of type {kind}");
        }
    }

    #[test]
    fn credit_comes_back_with_time() {
        let mut frames = Frames::new(1);
        frames.came(&ping()).unwrap();
        assert_eq!(frames.came(&ping()), Err(Flood::Pings));
        frames.control.given -= SPAN;
        frames.came(&ping()).unwrap();
    }
}
