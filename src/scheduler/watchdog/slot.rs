//! Owns one thread's place to write what it is at, so that another thread can see whether it moves.
//!
//! A slot is one word: a number that grows with every change, and what is being polled. Only its own thread writes
//! it, with plain stores; the watchdog only ever reads. A word that is the same at two looks belongs to one and the
//! same poll.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::scheduler::meter::ThreadName;
use crate::scheduler::worker;

/// What a thread writes.
#[derive(Debug)]
pub(super) struct Slot {
    word: AtomicU64,
    name: Option<ThreadName>,
}

/// A word as it was read: what is polled, if anything, and which poll it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

const METHOD_BITS: u32 = 24;
const METHOD_MASK: u64 = (1 << METHOD_BITS) - 1;

impl Word {
    /// What is polled; nothing between two polls.
    pub(super) fn method(self) -> Option<u32> {
        (self.0 & METHOD_MASK).checked_sub(1).map(|method| method as u32)
    }

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
pub(super) struct Activity<'a>(Option<&'a Slot>);

impl<'a> Activity<'a> {
    /// Begins a poll. One within another is part of that one: who began is to blame.
    pub(super) fn begin(slot: &'a Slot, method: u32) -> Self {
        let word = slot.read();
        if word.method().is_some() {
            return Self(None);
        }
        slot.write(word.next(Some(method)));
        Self(Some(slot))
    }
}

impl Drop for Activity<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            slot.write(slot.read().next(None));
        }
    }
}

impl Slot {
    fn read(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    fn write(&self, word: Word) {
        self.word.store(word.0, Ordering::Relaxed);
    }
}

/// The slots of every thread that has polled for one watch.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    slots: Vec<(u64, Arc<Slot>)>,
    next: u64,
    /// What the words came to at the last look.
    sum: u64,
}

impl Slots {
    fn add(&self) -> Arc<Slot> {
        let slot = Arc::new(Slot { word: AtomicU64::new(0), name: ThreadName::of_this_thread() });
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = known.next;
        known.next += 1;
        known.slots.push((number, slot.clone()));
        slot
    }

    /// What every thread is at. Threads that have ended are forgotten.
    pub(super) fn activities(&self) -> Activities {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.slots.retain(|(_, slot)| Arc::strong_count(slot) > 1);
        let slots = known.slots.clone();
        let seen: Vec<_> = slots.iter().map(|(number, slot)| (*number, slot.read())).collect();
        // Words only grow, so that any change changes the sum, but for a thread that ends beside one that begins:
        // and then one look more or less is nothing.
        let sum = seen.iter().fold(0, |sum: u64, (_, word)| sum.wrapping_add(word.0));
        let moved = std::mem::replace(&mut known.sum, sum) != sum;
        let busy = seen.iter().any(|(_, word)| word.method().is_some());
        Activities { slots, seen, active: moved || busy }
    }
}

/// What every thread is at, at one look.
pub(super) struct Activities {
    slots: Vec<(u64, Arc<Slot>)>,
    pub(super) seen: Vec<(u64, Word)>,
    active: bool,
}

impl Activities {
    pub(super) fn any_since_last_look(&self) -> bool {
        self.active
    }

    /// How long a thread has waited for a processor in its life; nothing where nobody counts it.
    pub(super) fn delay(&self, thread: usize) -> Option<Duration> {
        Some(self.slots.get(thread)?.1.name.as_ref()?.counters()?.delayed)
    }
}

thread_local! {
    /// This thread's slot in each watch it has polled for, nearly always one. A thread of a scheduler has none:
    /// there blocking is right.
    static HERE: RefCell<Vec<(u64, Option<Arc<Slot>>)>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` with this thread's slot in the watch of that number.
pub(super) fn with<T>(watch: u64, slots: &Slots, work: impl FnOnce(Option<&Slot>) -> T) -> T {
    let mut work = Some(work);
    let mut run = |slot: Option<&Slot>| {
        let work = work.take().expect("it is run once");
        work(slot)
    };
    let done = HERE.try_with(|here| {
        if let Some((_, slot)) = here.borrow().iter().find(|(owner, _)| *owner == watch) {
            return Some(run(slot.as_deref()));
        }
        // Where another watch's poll is under way on this thread, that one is watched, and this within it.
        let mut known = here.try_borrow_mut().ok()?;
        known.retain(|(_, slot)| slot.as_ref().is_some_and(|slot| Arc::strong_count(slot) > 1));
        known.push((watch, worker::pool_of_this_thread().is_none().then(|| slots.add())));
        drop(known);
        let known = here.borrow();
        let (_, slot) = known.last().expect("it was just put there");
        Some(run(slot.as_deref()))
    });
    match done {
        Ok(Some(value)) => value,
        _ => run(None),
    }
}
