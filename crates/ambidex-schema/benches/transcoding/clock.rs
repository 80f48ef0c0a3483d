//! The processor time of this thread: on a busy machine the wall says more of the neighbours.

use std::time::Duration;

/// Processor time used by this thread so far.
pub(crate) fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
