//! One message, and each contestant's way with it.

use crate::clock::thread_time;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From JSON text to the struct.
    In,
    /// From the struct to JSON text.
    Out,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Way::In, Way::Out];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::In => "in",
            Way::Out => "out",
        }
    }
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Ours,
    Pbjson,
    Reflect,
    /// The part of our way that is prost's: between struct and wire bytes, without JSON.
    Prost,
}

impl Contestant {
    pub(crate) const ALL: [Self; 4] =
        [Contestant::Ours, Contestant::Pbjson, Contestant::Reflect, Contestant::Prost];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Contestant::Ours => "ours",
            Contestant::Pbjson => "pbjson",
            Contestant::Reflect => "reflect",
            Contestant::Prost => "prost",
        }
    }
}

/// Does the whole way this many times.
pub(crate) type Run = Box<dyn FnMut(usize)>;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) json_bytes: usize,
    pub(crate) wire_bytes: usize,
    /// Panics where the contestants disagree about the message.
    pub(crate) agree: Box<dyn Fn()>,
    /// By way, then by contestant, in the order of their `ALL`.
    pub(crate) runs: [[Run; 4]; 2],
}

impl Case {
    pub(crate) fn check(&self) {
        (self.agree)();
    }

    pub(crate) fn run(&mut self, way: Way, contestant: Contestant, times: usize) {
        (self.runs[way as usize][contestant as usize])(times);
    }

    /// Nanoseconds of processor time for one message: the median of all rounds, by contestant.
    ///
    /// The contestants take turns within a round, so that whatever slows the machine slows all of them.
    pub(crate) fn measure(&mut self, way: Way, rounds: usize) -> [f64; 4] {
        const ROUND_NANOS: u128 = 15_000_000;
        let times = Contestant::ALL.map(|contestant| {
            let mut times = 1;
            loop {
                let before = thread_time();
                self.run(way, contestant, times);
                let nanos = (thread_time() - before).as_nanos();
                if nanos > ROUND_NANOS / 4 {
                    break (times as u128 * ROUND_NANOS / nanos).max(1) as usize;
                }
                times *= 2;
            }
        });
        let mut nanos = [const { Vec::new() }; 4];
        for _ in 0..rounds {
            for (at, contestant) in Contestant::ALL.into_iter().enumerate() {
                let before = thread_time();
                self.run(way, contestant, times[at]);
                nanos[at].push((thread_time() - before).as_nanos() as f64 / times[at] as f64);
            }
        }
        nanos.map(|mut of_one| {
            of_one.sort_by(f64::total_cmp);
            of_one[of_one.len() / 2]
        })
    }
}
