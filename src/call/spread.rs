//! What every call holds on to, counted by each core for itself.
//!
//! A clone of an [`Arc`] writes to its count. Where all calls on all cores clone the same, the memory with the count goes
//! from core to core and back: two cores at it take 60 ns for a clone and its drop, one alone 6, and each further core
//! has to wait for all the others. So here are more counts than cores, up to a bound, and a thread keeps to one of them. Two
//! threads may have got the same; then it is as with one for all.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// A value that many threads take shares of.
pub struct Spread<T>(Arc<[Share<T>]>);

/// A hold on a value, as an [`Arc`] is one.
pub struct Share<T>(Arc<Counted<T>>);

/// Behind a count.
struct Counted<T> {
    value: Arc<T>,
    /// No other count is so near that it would go along.
    _room: [usize; 13],
}

/// So many at the most: each takes 144 bytes, and a method has about three values that are spread.
const COUNTS_MAX: usize = 32;

/// How many counts there are: a power of two. Twice as many as cores, as threads that make no calls may take some.
static COUNTS: LazyLock<usize> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (2 * cores).next_power_of_two().min(COUNTS_MAX)
});

thread_local! {
    /// Which count a thread keeps to, once it knows.
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn mine() -> usize {
    let mine = MINE.get();
    if mine != usize::MAX { mine } else { next() }
}

/// Threads are given counts in turn.
#[cold]
fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mine = NEXT.fetch_add(1, Ordering::Relaxed) % COUNTS_MAX;
    MINE.set(mine);
    mine
}

impl<T> Spread<T> {
    /// Spreads a value.
    pub fn new(value: T) -> Self {
        Self::of(Arc::new(value))
    }

    /// Spreads what is shared already.
    pub fn of(value: Arc<T>) -> Self {
        let share = |_| Share(Arc::new(Counted { value: Arc::clone(&value), _room: [0; 13] }));
        Self((0..*COUNTS).map(share).collect())
    }

    /// A share for this thread to clone and drop as it likes; any other may too, and pays for it.
    #[inline]
    pub fn share(&self) -> Share<T> {
        let counts = &self.0;
        // Their number is a power of two, and there is one.
        Share(Arc::clone(&counts[mine() & (counts.len() - 1)].0))
    }
}

impl<T> Deref for Spread<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0[0]
    }
}

impl<T> Deref for Share<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Clone for Spread<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for Share<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Spread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Share<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whichever_count_a_thread_has_the_value_is_one_and_the_last_share_drops_it() {
        let value = Arc::new(7);
        let spread = Spread::of(Arc::clone(&value));
        let shares = (0..COUNTS_MAX + 3).map(|count| {
            MINE.set(count);
            spread.share()
        });
        let shares: Vec<Share<i32>> = shares.collect();
        assert!(shares.iter().all(|share| **share == 7));
        drop(spread);
        assert!(Arc::strong_count(&value) > 1, "shares hold it");
        drop(shares);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn a_thread_keeps_to_one_count_and_threads_in_turn_to_different_ones() {
        let spread = Spread::new(());
        let count = |share: &Share<()>| Arc::as_ptr(&share.0).addr();
        assert_eq!(count(&spread.share()), count(&spread.share()));
        let mine = mine();
        let others = next();
        assert_ne!(mine, others);
        assert_eq!(spread.0.len(), *COUNTS);
        let mut counts: Vec<_> = spread.0.iter().map(count).collect();
        counts.sort_unstable();
        assert!(counts.windows(2).all(|pair| pair[1] - pair[0] >= 64), "no two on one line: {counts:?}");
    }
}
