//! Owns one thread's place to write what it is at, so that another thread can see whether it moves.
//!
//! A slot is one word: a number that grows with every change, and what is being polled. Only its own thread writes
//! it, with plain stores; the watchdog only ever reads. A word that is the same at two looks belongs to one and the
//! same poll.
//!
//! Threads are numbered as they first poll, and each watch has a slot for every number. So finding one's slot is a
//! number out of the thread and an index. Numbers are given back when threads end.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::scheduler::meter::ThreadName;
use crate::scheduler::policy::Sighting;
use crate::scheduler::tuning::watchdog::THREADS_MAX;

/// What a thread writes; apart from its neighbours, or they would slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Slot {
    word: AtomicU64,
}

/// A word as it was read: what is polled, if anything, and which poll it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

const METHOD_BITS: u32 = 24;
const METHOD_MASK: u64 = (1 << METHOD_BITS) - 1;

impl Word {
    /// What is polled; nothing between two polls.
    #[inline]
    pub(super) fn method(self) -> Option<u32> {
        (self.0 & METHOD_MASK).checked_sub(1).map(|method| method as u32)
    }

    #[inline]
    fn next(self, method: Option<u32>) -> Self {
        let method = method.map_or(0, |method| (u64::from(method) + 1).min(METHOD_MASK));
        Word(((self.0 >> METHOD_BITS) + 1) << METHOD_BITS | method)
    }

    #[cfg(test)]
    pub(super) fn of(poll: u64, method: Option<u32>) -> Self {
        Word(poll << METHOD_BITS).next(method)
    }
}

/// A poll that is under way on this thread.
pub(super) struct Activity<'a>(Option<(&'a Slot, Word)>);

impl<'a> Activity<'a> {
    /// Begins a poll. One within another is part of that one: who began is to blame.
    #[inline]
    pub(super) fn begin(slot: &'a Slot, method: u32) -> Self {
        let word = slot.read();
        if word.method().is_some() {
            return Self(None);
        }
        let begun = word.next(Some(method));
        slot.write(begun);
        Self(Some((slot, begun)))
    }
}

impl Drop for Activity<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some((slot, begun)) = self.0 {
            slot.write(begun.next(None));
        }
    }
}

impl Slot {
    #[inline]
    fn read(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    #[inline]
    fn write(&self, word: Word) {
        self.word.store(word.0, Ordering::Relaxed);
    }
}

/// One watch's slots, by the number of the thread.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Box<[Slot]>,
    /// What the words came to at the last look.
    sum: AtomicU64,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { slots: (0..THREADS_MAX).map(|_| Slot::default()).collect(), sum: AtomicU64::new(0) }
    }

    /// This thread's slot. None for a thread of a scheduler: there blocking is right.
    #[inline]
    pub(super) fn here(&self) -> Option<&Slot> {
        let number = NUMBER.get();
        if number == UNKNOWN {
            return self.slots.get(enlist() as usize);
        }
        self.slots.get(number as usize)
    }

    /// What every thread is at.
    pub(super) fn activities(&self) -> Activities {
        let threads = threads().names.clone();
        let seen: Vec<_> = (0..)
            .zip(self.slots.iter().take(threads.len()))
            .map(|(number, slot)| (number, slot.read()))
            .collect();
        // Words only grow, so any change changes the sum.
        let sum = seen.iter().fold(0, |sum: u64, (_, word)| sum.wrapping_add(word.0));
        let moved = self.sum.swap(sum, Ordering::Relaxed) != sum;
        let busy = seen.iter().any(|(_, word)| word.method().is_some());
        Activities { threads, seen, active: moved || busy }
    }
}

/// What every thread is at, at one look.
pub(super) struct Activities {
    threads: Vec<Option<Arc<ThreadName>>>,
    pub(super) seen: Vec<(u64, Word)>,
    active: bool,
}

impl Activities {
    pub(super) fn any_since_last_look(&self) -> bool {
        self.active
    }

    /// What a thread does at this moment; nothing where nobody can say.
    pub(super) fn sighting(&self, thread: usize) -> Option<Sighting> {
        self.threads.get(thread)?.as_ref()?.sighting()
    }
}

/// Every thread that has a number, and how the system calls it.
#[derive(Debug)]
struct Threads {
    names: Vec<Option<Arc<ThreadName>>>,
    free: Vec<u32>,
}

static THREADS: Mutex<Threads> = Mutex::new(Threads { names: Vec::new(), free: Vec::new() });

fn threads() -> MutexGuard<'static, Threads> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Not numbered yet; and never to be.
const UNKNOWN: u32 = u32::MAX;
const EXEMPT: u32 = u32::MAX - 1;

thread_local! {
    static NUMBER: Cell<u32> = const { Cell::new(UNKNOWN) };
    static LEAVING: Leaving = const { Leaving };
}

/// Gives the thread's number back when it ends.
struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        let number = NUMBER.replace(EXEMPT);
        let mut threads = threads();
        if let Some(name) = threads.names.get_mut(number as usize) {
            *name = None;
            threads.free.push(number);
        }
    }
}

/// Numbers this thread.
#[cold]
fn enlist() -> u32 {
    let name = ThreadName::of_this_thread().map(Arc::new);
    // In a thread that is ending, nobody would give the number back.
    if LEAVING.try_with(|_| ()).is_err() {
        return EXEMPT;
    }
    let mut threads = threads();
    let number = match threads.free.pop() {
        Some(number) => {
            threads.names[number as usize] = name;
            number
        }
        None => {
            threads.names.push(name);
            threads.names.len() as u32 - 1
        }
    };
    NUMBER.set(number);
    number
}

/// This thread may block for as long as it likes.
pub(in crate::scheduler) fn exempt_this_thread() {
    NUMBER.set(EXEMPT);
}
