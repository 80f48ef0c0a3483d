//! Owns the judgement which polls hold their thread too long: pure, from what was seen at each look.
//!
//! What counts is how long a thread *could* have moved: while it slept, and while it computed. The time it waited for a
//! processor does not, or a crowded machine would be blamed on whoever happens to be polled; and of a look that comes
//! late only a part counts, or a machine that slept for an hour would wake up to find everybody guilty.

use std::collections::HashMap;
use std::time::Duration;

use super::slot::{Activities, Word};
use crate::scheduler::policy::{Counters, Moment, Sighting};
use crate::scheduler::tuning::watchdog::LOOK_MAX;

/// A poll that holds its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) method: u32,
    pub(super) time: Duration,
    /// Whether it has given its thread back; it was told of before.
    pub(super) ended: bool,
}

/// A poll that was under way at two looks at least.
#[derive(Debug)]
struct Suspect {
    word: Word,
    held: Duration,
    /// What its thread had computed in its life, at the last look at which it did not sleep.
    computed: Option<Duration>,
    told: bool,
}

/// What each look leaves for the next.
#[derive(Debug)]
pub(super) struct Suspects {
    threshold: Duration,
    last_look: Moment,
    known: HashMap<u64, Suspect>,
}

/// What a look sees; a seam, so that tests can make it up.
pub(super) trait Sight {
    /// Every thread's number and word.
    fn words(&self) -> &[(u64, Word)];
    /// What the thread at that place does; nothing where nobody can say.
    fn thread(&mut self, place: usize) -> Option<Sighting>;
}

impl Sight for Activities {
    fn words(&self) -> &[(u64, Word)] {
        &self.seen
    }

    fn thread(&mut self, place: usize) -> Option<Sighting> {
        self.sighting(place)
    }
}

impl Suspects {
    pub(super) fn new(threshold: Duration) -> Self {
        Self { threshold, last_look: Moment::START, known: HashMap::new() }
    }

    /// Looks, and returns who holds a thread for too long, once, and once more when the thread is back.
    pub(super) fn look(&mut self, now: Moment, sight: &mut impl Sight) -> Vec<Held> {
        let passed = now.since(self.last_look).min(LOOK_MAX);
        self.last_look = now;
        let mut found = Vec::new();
        let mut before = std::mem::take(&mut self.known);
        for (place, (thread, word)) in sight.words().to_vec().into_iter().enumerate() {
            let known = before.remove(&thread);
            if let Some(suspect) = &known
                && suspect.word != word
            {
                found.extend(suspect.ended());
            }
            let Some(method) = word.method() else { continue };
            let Some(mut suspect) = known.filter(|suspect| suspect.word == word) else {
                self.known
                    .insert(thread, Suspect { word, held: Duration::ZERO, computed: None, told: false });
                continue;
            };
            suspect.held += match sight.thread(place) {
                Some(Sighting::Counted(Counters { computed, .. })) => {
                    match suspect.computed.replace(computed) {
                        Some(before) => computed.saturating_sub(before).min(passed),
                        None => passed,
                    }
                }
                Some(Sighting::Sleeps) | None => passed,
            };
            if suspect.held >= self.threshold && !suspect.told {
                suspect.told = true;
                found.push(Held { method, time: suspect.held, ended: false });
            }
            self.known.insert(thread, suspect);
        }
        // Whose thread has ended has let go of it, too.
        found.extend(before.values().filter_map(Suspect::ended));
        found
    }
}

impl Suspect {
    fn ended(&self) -> Option<Held> {
        let method = self.word.method()?;
        self.told.then_some(Held { method, time: self.held, ended: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seen {
        words: Vec<(u64, Word)>,
        thread: Option<Sighting>,
    }

    impl Sight for Seen {
        fn words(&self) -> &[(u64, Word)] {
            &self.words
        }

        fn thread(&mut self, _: usize) -> Option<Sighting> {
            self.thread
        }
    }

    const MS: Duration = Duration::from_millis(1);
    const THRESHOLD: Duration = Duration::from_millis(100);

    /// Looks every `every`, from `from` to `to` milliseconds, at one thread. Returns what was found, and when.
    fn look(
        suspects: &mut Suspects,
        times: std::ops::Range<u64>,
        every: usize,
        mut seen: impl FnMut(u64) -> (Word, Option<Sighting>),
    ) -> Vec<(u64, Held)> {
        let mut found = Vec::new();
        for time in times.step_by(every) {
            let (word, thread) = seen(time);
            let now = Moment::after_start(Duration::from_millis(time));
            let held = suspects.look(now, &mut Seen { words: vec![(0, word)], thread });
            found.extend(held.into_iter().map(|held| (time, held)));
        }
        found
    }

    #[test]
    fn a_poll_that_does_not_move_is_found_once_and_its_end_is_told() {
        let mut suspects = Suspects::new(THRESHOLD);
        let poll = |time| if time < 250 { Word::of(7, Some(3)) } else { Word::of(8, None) };
        let found = look(&mut suspects, 10..400, 10, |time| (poll(time), None));
        let told = Held { method: 3, time: 100 * MS, ended: false };
        assert_eq!(found, [(110, told), (250, Held { time: 230 * MS, ended: true, ..told })]);
    }

    #[test]
    fn polls_that_move_are_never_found_however_many() {
        let mut suspects = Suspects::new(THRESHOLD);
        let found = look(&mut suspects, 10..10_000, 10, |time| (Word::of(time / 90, Some(3)), None));
        assert_eq!(found, []);
    }

    #[test]
    fn waiting_for_a_processor_is_not_held_against_anybody() {
        let mut suspects = Suspects::new(THRESHOLD);
        let computing = |computed| {
            let counters = Counters { computed: Duration::from_millis(computed), delayed: Duration::ZERO };
            (Word::of(1, Some(3)), Some(Sighting::Counted(counters)))
        };
        // It gets a twentieth of a processor, and the system counts no wait before it is over.
        assert_eq!(look(&mut suspects, 10..1000, 10, |time| computing(time / 20)), []);
        let mut suspects = Suspects::new(THRESHOLD);
        assert_eq!(look(&mut suspects, 10..200, 10, computing).len(), 1);
    }

    #[test]
    fn a_machine_that_slept_finds_nobody_guilty() {
        let mut suspects = Suspects::new(THRESHOLD);
        let still = |_| (Word::of(1, Some(3)), None);
        assert_eq!(look(&mut suspects, 10..50, 10, still), []);
        assert_eq!(look(&mut suspects, 3_600_000..3_600_010, 10, still), []);
    }

    #[test]
    fn a_thread_that_ends_has_let_go() {
        let mut suspects = Suspects::new(THRESHOLD);
        assert_eq!(look(&mut suspects, 10..200, 10, |_| (Word::of(1, Some(3)), None)).len(), 1);
        let gone =
            suspects.look(Moment::after_start(200 * MS), &mut Seen { words: Vec::new(), thread: None });
        assert!(matches!(gone[..], [Held { method: 3, ended: true, .. }]), "{gone:?}");
    }
}
