//! HTTP/2 frames that move no call, counted as they come.
//!
//! A client that sends PING, SETTINGS or PRIORITY without end costs the server more than itself. h2 bounds what would
//! grow (streams that are reset, heads in pieces, data in crumbs), but not these. So the heads of frames are read along
//! with the bytes, nine bytes each, and what moves no call needs credit. A frame that does move one gives credit, and so
//! do the bytes that are sent, since clients measure their bandwidth by a PING after data. Beyond that there is so much a
//! second. The clock is looked at only when credit is out.
//!
//! WINDOW_UPDATE has credit of its own: a client may answer each small message with two of them.

use std::time::{Duration, Instant};

/// The head of a frame.
const HEAD_BYTES: usize = 9;

/// Bytes sent for which a client may send one frame that moves no call: more than the answer to a PING has, so that
/// PINGs do not pay for PINGs.
const BYTES_PER_FRAME: usize = 64;

/// Bytes sent for which it may send one WINDOW_UPDATE: the smallest message is longer than two of these.
const BYTES_PER_WINDOW_UPDATE: usize = 4;

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
}

impl Frames {
    /// Allows `per_second` frames that move no call, beyond those that are earned.
    pub(super) fn new(per_second: u32) -> Self {
        let now = Instant::now();
        Self {
            head: [0; HEAD_BYTES],
            has: 0,
            rest: 0,
            control: Credit::new(per_second, BYTES_PER_FRAME, now),
            windows: Credit::new(per_second, BYTES_PER_WINDOW_UPDATE, now),
        }
    }

    /// Bytes that came from the client.
    ///
    /// # Errors
    ///
    /// When it has sent too much of what moves no call.
    pub(super) fn came(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
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

    fn frame(&mut self) -> Result<(), Flood> {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.rest = u32::from_be_bytes([0, high, middle, low]) as usize;
        match kind {
            DATA if self.rest > 0 || flags & END_STREAM != 0 => self.control.earn(),
            HEADERS => self.control.earn(),
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
        self.control.sent(bytes);
        self.windows.sent(bytes);
    }
}

/// How much more may come.
struct Credit {
    left: u32,
    most: u32,
    bytes_each: usize,
    /// Bytes sent that make no whole frame yet.
    bytes: usize,
    given: Instant,
}

impl Credit {
    fn new(most: u32, bytes_each: usize, now: Instant) -> Self {
        Self { left: most, most, bytes_each, bytes: 0, given: now }
    }

    fn earn(&mut self) {
        self.left = (self.left + 1).min(self.most);
    }

    fn sent(&mut self, bytes: usize) {
        self.bytes += bytes;
        let earned = u32::try_from(self.bytes / self.bytes_each).unwrap_or(u32::MAX);
        self.bytes %= self.bytes_each;
        self.left = self.left.saturating_add(earned).min(self.most);
    }

    fn spend(&mut self) -> bool {
        if self.left == 0 {
            let now = Instant::now();
            if now - self.given < SPAN {
                return false;
            }
            self.given = now;
            self.left = self.most;
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
    fn what_moves_a_call_gives_credit() {
        let mut frames = Frames::new(1);
        for _ in 0..100 {
            frames.came(&frame(HEADERS, 4, b"head")).unwrap();
            frames.came(&ping()).unwrap();
            frames.came(&frame(DATA, END_STREAM, b"")).unwrap();
            frames.came(&ping()).unwrap();
            frames.sent(100);
            frames.came(&ping()).unwrap();
            // Two for the smallest message there is.
            frames.sent(HEAD_BYTES + 5);
            frames.came(&frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1])).unwrap();
            frames.sent(HEAD_BYTES + 5);
            frames.came(&frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1])).unwrap();
        }
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
