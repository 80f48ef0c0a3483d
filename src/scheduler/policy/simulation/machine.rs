//! Owns processors: whoever computes gets an equal part of them, and never more than one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub(super) struct Machine {
    cores: f64,
    now: u64,
    /// How much a computation has got that began at the start and never stopped.
    work: f64,
    /// Who computes, by the work at which it is done.
    computing: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Machine {
    pub(super) fn new(cores: usize) -> Self {
        Self { cores: cores as f64, now: 0, work: 0.0, computing: BinaryHeap::new() }
    }

    /// `thread` begins to compute for so many nanoseconds of a processor.
    pub(super) fn compute(&mut self, now: u64, thread: usize, nanos: u64) {
        self.advance(now);
        self.computing.push(Reverse(((self.work + nanos as f64) as u64, thread)));
    }

    /// When the next one is done, if nobody joins.
    pub(super) fn next_done(&self) -> Option<u64> {
        let Reverse((work, _)) = *self.computing.peek()?;
        Some(self.now + ((work as f64 - self.work).max(0.0) / self.rate()).ceil() as u64)
    }

    /// Takes out the one that is done now.
    pub(super) fn done(&mut self, now: u64) -> usize {
        self.advance(now);
        let Reverse((_, thread)) = self.computing.pop().expect("someone was said to be done");
        thread
    }

    pub(super) fn computes(&self, thread: usize) -> bool {
        self.computing.iter().any(|Reverse((_, computing))| *computing == thread)
    }

    fn advance(&mut self, now: u64) {
        if !self.computing.is_empty() {
            self.work += (now - self.now) as f64 * self.rate();
        }
        self.now = now;
    }

    fn rate(&self) -> f64 {
        (self.cores / self.computing.len().max(1) as f64).min(1.0)
    }
}
