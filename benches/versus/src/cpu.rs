//! The CPU time of a process, and of the whole machine, from Linux's `/proc`.
//!
//! `/proc/<pid>/stat` counts in ticks of 10 ms, too coarse for a window of a second. The scheduler's own
//! counters, `/proc/<pid>/task/<tid>/schedstat`, count nanoseconds, a file a thread. A thread that ends takes
//! its file along; but the threads of all contestants outlive ten idle seconds, so one that is gone at the end
//! of a shorter window was idle all through it and leaves no gap.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use crate::Error;

/// CPU time of each thread of a process, at one moment.
#[derive(Debug)]
pub(crate) struct ThreadTimes(HashMap<String, u64>);

impl ThreadTimes {
    /// The times now of the process `pid`.
    pub(crate) fn of(pid: u32) -> Result<Self, Error> {
        let directory = format!("/proc/{pid}/task");
        let tasks = fs::read_dir(&directory).map_err(|error| format!("cannot read {directory}: {error}"))?;
        let mut times = HashMap::new();
        for task in tasks {
            let task = task?;
            // A thread that ends between the listing and the reading has no time any more.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let nanos = text.split_whitespace().next().and_then(|first| first.parse().ok());
            let nanos = nanos.ok_or("this kernel keeps no schedstat, which CPU time is read from")?;
            times.insert(task.file_name().to_string_lossy().into_owned(), nanos);
        }
        Ok(Self(times))
    }

    /// The CPU time between an earlier moment and this one.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let spent = |(thread, nanos): (&String, &u64)| {
            nanos.saturating_sub(earlier.0.get(thread).copied().unwrap_or_default())
        };
        Duration::from_nanos(self.0.iter().map(spent).sum())
    }
}

/// CPU time of the machine and of this process with the children it has waited for, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MachineTimes {
    busy: u64,
    idle: u64,
    stolen: u64,
    own: u64,
}

/// The share of the machine's CPU time that went elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OtherWork {
    /// To other processes, in percent.
    pub(crate) processes_percent: f64,
    /// To other machines on the same host, in percent.
    pub(crate) stolen_percent: f64,
}

/// Ticks of `/proc` in a second: fixed for user space, whatever the kernel's own are.
const TICKS_PER_SECOND: f64 = 100.0;

impl MachineTimes {
    /// The times now.
    pub(crate) fn now() -> Result<Self, Error> {
        let machine = fs::read_to_string("/proc/stat")?;
        let own = fs::read_to_string("/proc/self/stat")?;
        Self::parse(&machine, &own).ok_or_else(|| "cannot make sense of /proc/stat".into())
    }

    fn parse(machine: &str, own: &str) -> Option<Self> {
        let all = machine.lines().next()?.strip_prefix("cpu ")?;
        let all: Vec<u64> = all.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
        let [user, nice, system, idle, iowait, irq, softirq, stolen] = *all.first_chunk::<8>()?;
        // The name may hold spaces and parentheses. After its end: 11 fields, then utime, stime, and both
        // again for the children that were waited for.
        let own = own.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
        let own = own.map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
        Some(Self { busy: user + nice + system + irq + softirq, idle: idle + iowait, stolen, own })
    }

    /// What else the machine did since `earlier`, beside this process, its children and `servers`.
    pub(crate) fn other_work_since(&self, earlier: &Self, servers: Duration) -> OtherWork {
        let since = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let (busy, stolen) = (since(self.busy, earlier.busy), since(self.stolen, earlier.stolen));
        let ours = since(self.own, earlier.own) + servers.as_secs_f64() * TICKS_PER_SECOND;
        let all = (busy + stolen + since(self.idle, earlier.idle)).max(1.0);
        OtherWork {
            processes_percent: 100.0 * (busy - ours).max(0.0) / all,
            stolen_percent: 100.0 * stolen / all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_began_in_the_window_counts_and_one_that_ended_does_not() {
        let times = |pairs: &[(&str, u64)]| {
            ThreadTimes(pairs.iter().map(|(thread, nanos)| ((*thread).to_owned(), *nanos)).collect())
        };
        let before = times(&[("1", 100), ("2", 7)]);
        let after = times(&[("1", 150), ("3", 5)]);
        assert_eq!(after.since(&before), Duration::from_nanos(55));
    }

    #[test]
    fn other_work_is_what_is_neither_ours_nor_idle() {
        let own = "7 (a (b) c) S 1 1 1 0 -1 4194304 0 0 0 0 1 2 3 4 20 0 1 0 5";
        let before = MachineTimes::parse("cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0", own).expect("a stat file");
        let mut after = MachineTimes::parse("cpu  40 0 20 20 5 2 3 10 0 0\n", own).expect("a stat file");
        assert_eq!(after.own, 10);
        after.own = 25;
        let other = after.other_work_since(&before, Duration::from_millis(200));
        // Of 100 ticks 65 were busy: 15 of them are ours, 20 the servers'. 10 more were stolen.
        assert_eq!((other.processes_percent, other.stolen_percent), (30.0, 10.0));
    }
}
