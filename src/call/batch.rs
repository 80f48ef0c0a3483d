//! Messages that were ready together, one behind the other in one buffer.
//!
//! Who makes messages writes them here, each behind its prefix, and an edge that sends them like that sends the buffer
//! as it is: a small message is written once, where it goes out from, and has no allocation of its own. A large one has,
//! so that it is not copied; it is the last of its batch.

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::encoded;
use super::prefix::{PREFIX_BYTES, prefix, read_prefix};

/// The most messages of one batch: as many as a task of tokio may read before it has to let others run.
const MESSAGES_MAX: usize = 128;

/// The first buffer. A stream of small messages, now and then one, needs no larger one.
const ROOM_MIN_BYTES: usize = 512;

/// When a batch is full, and what a message may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// A batch of so many bytes is full.
    pub(crate) bytes_max: usize,
    /// A message of so many bytes has a buffer of its own.
    pub(crate) alone_min_bytes: usize,
    /// A larger message is none.
    pub(crate) message_max_bytes: usize,
}

/// Messages that were ready together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: BytesMut,
    /// So many bytes are messages. What is behind them is room.
    whole: usize,
    count: usize,
    /// The last message with its flags, where it is large.
    alone: Option<(u8, Bytes)>,
    /// How large the message was that is none.
    too_large: Option<usize>,
    bounds: Bounds,
    count_max: usize,
    /// How large the batch before this one was.
    expected: usize,
    more_soon: bool,
}

impl Batch {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, count_max: MESSAGES_MAX, ..Self::default() }
    }

    /// Room for one message, to be taken as the one that lies alone.
    pub(crate) fn of_one() -> Self {
        Self::new(Bounds { bytes_max: 1, alone_min_bytes: 0, message_max_bytes: usize::MAX })
    }

    /// Is full with so many messages, if not before.
    pub(crate) fn ask_for(&mut self, count: usize) {
        self.count_max = count.min(MESSAGES_MAX);
        self.more_soon = false;
    }

    /// When it is full and what it takes, to be compared.
    pub(crate) fn limits(&self) -> (Bounds, usize) {
        (self.bounds, self.count_max)
    }

    /// Is full when another is.
    pub(crate) fn limit(&mut self, (bounds, count_max): (Bounds, usize)) {
        (self.bounds, self.count_max) = (bounds, count_max);
    }

    /// Takes messages of at most so many bytes, if it took larger ones.
    pub(crate) fn hold_to(&mut self, message_max_bytes: usize) {
        self.bounds.message_max_bytes = self.bounds.message_max_bytes.min(message_max_bytes);
    }

    /// Where no more messages are ready: whether there will be, as soon as others had their turn.
    pub(crate) fn say_more_soon(&mut self, more_soon: bool) {
        self.more_soon = more_soon;
    }

    /// The same, as it was said.
    pub(crate) fn is_more_soon(&self) -> bool {
        self.more_soon
    }

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && self.too_large.is_none()
    }

    /// Adds a message.
    ///
    /// # Panics
    ///
    /// When the message writes another number of bytes than it announced, which generated code does not. The batch is as
    /// it was then.
    #[inline]
    pub(crate) fn push(&mut self, message: &impl Message) {
        let length = message.encoded_len();
        if length >= self.bounds.alone_min_bytes || length > self.bounds.message_max_bytes {
            return self.push_alone(length, || encoded(message));
        }
        let (before, mut rest) = self.open(length).split_at_mut(PREFIX_BYTES);
        before.copy_from_slice(&prefix(0, length));
        message.encode_raw(&mut rest);
        assert!(rest.is_empty(), "the message is shorter than it announced");
        self.close(length);
    }

    /// Adds a message that is wire bytes, perhaps packed ones, as its flags say.
    pub(crate) fn push_bytes(&mut self, flags: u8, message: Bytes) {
        let length = message.len();
        if length >= self.bounds.alone_min_bytes || length > self.bounds.message_max_bytes {
            self.push_alone(length, || message);
            self.alone.iter_mut().for_each(|(known, _)| *known = flags);
            return;
        }
        let (before, rest) = self.open(length).split_at_mut(PREFIX_BYTES);
        before.copy_from_slice(&prefix(flags, length));
        rest.copy_from_slice(&message);
        self.close(length);
    }

    #[cold]
    fn push_alone(&mut self, length: usize, message: impl FnOnce() -> Bytes) {
        if length > self.bounds.message_max_bytes {
            self.too_large = Some(length);
        } else {
            self.alone = Some((0, message()));
            self.count += 1;
        }
    }

    /// Room for a message behind those that are there. It is none before it is closed, so that what a panic leaves behind
    /// is overwritten.
    #[inline]
    fn open(&mut self, length: usize) -> &mut [u8] {
        let end = self.whole + PREFIX_BYTES + length;
        // Room for as much as last time comes first, so that a batch is not moved in the middle.
        let room = if self.whole == 0 { end.max(self.expected) } else { end };
        if self.bytes.len() < room {
            self.grow(room);
        }
        &mut self.bytes[self.whole..end]
    }

    /// Room is filled once, and not for each message.
    #[cold]
    fn grow(&mut self, room: usize) {
        self.bytes.reserve(room.max(ROOM_MIN_BYTES) - self.bytes.len());
        self.bytes.resize(self.bytes.capacity(), 0);
    }

    #[inline]
    fn close(&mut self, length: usize) {
        self.whole += PREFIX_BYTES + length;
        self.count += 1;
    }

    /// Whether no more messages are to be added.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        let ends = self.alone.is_some() || self.too_large.is_some();
        ends || self.whole >= self.bounds.bytes_max || self.count >= self.count_max
    }

    /// How many messages there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many bytes there are of messages that do not lie alone.
    pub(crate) fn gathered_bytes(&self) -> usize {
        self.whole
    }

    /// The lengths of the messages that came since there were so many bytes of them.
    pub(crate) fn lengths_since(&self, gathered_bytes: usize) -> impl Iterator<Item = usize> {
        let mut rest = &self.bytes[gathered_bytes..self.whole];
        let gathered = std::iter::from_fn(move || {
            let (_, length) = read_prefix(rest)?;
            rest = &rest[PREFIX_BYTES + length..];
            Some(length)
        });
        gathered.chain(self.alone.as_ref().map(|(_, message)| message.len()))
    }

    /// The length of a message that was not added, since it is larger than allowed. The batch ends before it.
    pub(crate) fn take_too_large(&mut self) -> Option<usize> {
        self.too_large.take()
    }

    /// The messages that do not lie alone, as one piece. They come first.
    pub(crate) fn take_gathered(&mut self) -> Option<Bytes> {
        if self.whole == 0 {
            return None;
        }
        self.expected = self.whole;
        self.count = usize::from(self.alone.is_some());
        Some(self.bytes.split_to(std::mem::take(&mut self.whole)).freeze())
    }

    /// The message that lies alone, with its flags.
    pub(crate) fn take_alone(&mut self) -> Option<(u8, Bytes)> {
        let alone = self.alone.take()?;
        self.count -= 1;
        Some(alone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bytes_max: 40, alone_min_bytes: 20, message_max_bytes: 30 };

    #[test]
    fn small_messages_lie_behind_their_prefixes() {
        let mut batch = Batch::new(BOUNDS);
        assert_eq!(batch.take_gathered(), None);
        batch.push(&"ab".to_owned());
        batch.push_bytes(1, Bytes::from_static(b"c"));
        batch.push(&());
        assert_eq!((batch.count(), batch.is_full()), (3, false));
        assert_eq!(batch.lengths_since(0).collect::<Vec<_>>(), [4, 1, 0]);
        assert_eq!(batch.lengths_since(9).collect::<Vec<_>>(), [1, 0]);
        let wire = batch.take_gathered().expect("messages");
        assert_eq!(wire, &b"\0\0\0\0\x04\x0a\x02ab\x01\0\0\0\x01c\0\0\0\0\0"[..]);
        assert_eq!((batch.count(), batch.take_gathered()), (0, None));
    }

    #[test]
    fn a_batch_is_full_by_bytes_by_messages_and_by_a_large_one() {
        let mut batch = Batch::new(BOUNDS);
        let mut pushed = 0;
        while !batch.is_full() {
            batch.push_bytes(0, Bytes::from_static(b"12345"));
            pushed += 1;
        }
        assert_eq!((pushed, batch.gathered_bytes()), (4, 40));
        assert!(batch.take_gathered().is_some() && !batch.is_full());
        batch.ask_for(2);
        batch.push(&());
        assert!(!batch.is_full());
        batch.push(&());
        assert!(batch.is_full());
        let mut endless = Batch::new(Bounds { bytes_max: usize::MAX, ..BOUNDS });
        endless.ask_for(usize::MAX);
        (0..MESSAGES_MAX).for_each(|_| endless.push(&()));
        assert!(endless.is_full());
        for packed in [false, true] {
            let mut batch = Batch::new(BOUNDS);
            batch.push(&());
            let large = "large and in a buffer".to_owned();
            match packed {
                false => batch.push(&large),
                true => batch.push_bytes(1, encoded(&large)),
            }
            assert!(batch.is_full());
            assert_eq!(batch.lengths_since(0).collect::<Vec<_>>(), [0, 23]);
            assert_eq!((batch.take_gathered().expect("the small one").len(), batch.count()), (5, 1));
            assert_eq!(batch.take_alone(), Some((u8::from(packed), encoded(&large))));
            assert_eq!((batch.is_full(), batch.count()), (false, 0));
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_not_there_and_ends_the_batch() {
        let mut batch = Batch::new(BOUNDS);
        batch.push(&());
        batch.push(&"x".repeat(40));
        assert_eq!((batch.count(), batch.is_full(), batch.take_too_large()), (1, true, Some(42)));
        assert_eq!((batch.take_gathered().map(|wire| wire.len()), batch.take_alone()), (Some(5), None));
        // Also where it would be small enough not to lie alone.
        let mut batch = Batch::new(Bounds { alone_min_bytes: 100, message_max_bytes: 1, ..BOUNDS });
        batch.push_bytes(0, Bytes::from_static(b"ab"));
        assert_eq!((batch.count(), batch.take_too_large()), (0, Some(2)));
    }

    /// Writes less than it says.
    #[derive(Debug, Default)]
    struct Liar;

    impl Message for Liar {
        fn encode_raw(&self, buffer: &mut impl bytes::BufMut) {
            buffer.put_u8(1);
        }

        fn merge_field(
            &mut self,
            _: u32,
            _: prost::encoding::WireType,
            _: &mut impl bytes::Buf,
            _: prost::encoding::DecodeContext,
        ) -> Result<(), prost::DecodeError> {
            Ok(())
        }

        fn encoded_len(&self) -> usize {
            2
        }

        fn clear(&mut self) {}
    }

    #[test]
    fn what_a_panic_leaves_behind_is_no_message() {
        let mut batch = Batch::new(BOUNDS);
        batch.push(&"a".to_owned());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batch.push(&Liar)));
        assert!(panicked.is_err());
        batch.push(&());
        assert_eq!(batch.lengths_since(0).collect::<Vec<_>>(), [3, 0]);
        assert_eq!(batch.take_gathered().expect("messages").len(), 13);
    }

    #[test]
    fn a_batch_of_one_takes_any_message() {
        for message in ["", "a", &"long".repeat(10_000)] {
            let mut batch = Batch::of_one();
            batch.push(&message.to_owned());
            assert!(batch.is_full());
            let (flags, taken) = batch.take_alone().expect("it lies alone");
            assert_eq!((flags, taken), (0, encoded(&message.to_owned())));
        }
    }
}
