//! Counts the bytes that are allocated, for tests that nothing must be left behind.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[global_allocator]
static COUNTING: Counting = Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

fn allocated(bytes: usize) {
    let now = LIVE_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if now > PEAK_BYTES.load(Ordering::Relaxed) {
        PEAK_BYTES.fetch_max(now, Ordering::Relaxed);
    }
}

struct Counting;

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        allocated(size);
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// The bytes that this process has allocated, once it allocates and frees no more; at the latest after some seconds.
pub fn settled() -> usize {
    let mut least = LIVE_BYTES.load(Ordering::Relaxed);
    let mut quiet = 0;
    for _ in 0..500 {
        std::thread::sleep(Duration::from_millis(10));
        let now = LIVE_BYTES.load(Ordering::Relaxed);
        quiet = if now < least { 0 } else { quiet + 1 };
        least = least.min(now);
        if quiet == 20 {
            break;
        }
    }
    least
}

/// The bytes that this process has allocated at this moment.
pub fn live() -> usize {
    LIVE_BYTES.load(Ordering::Relaxed)
}

/// The most it ever had, or since the last [`forget_peak`].
pub fn peak() -> usize {
    PEAK_BYTES.load(Ordering::Relaxed)
}

pub fn forget_peak() {
    PEAK_BYTES.store(live(), Ordering::Relaxed);
}

/// Runs an ignored test of this binary alone, and passes on what it says.
pub fn in_a_process_of_its_own(test: &str) {
    in_a_process_with(&[], test);
}

/// The same with these variables in its environment.
pub fn in_a_process_with(variables: &[(&str, &str)], test: &str) {
    let this = std::env::current_exe().expect("the test runs from a file");
    let mut again = Command::new(this);
    again.args(["--exact", "--ignored", test]).envs(variables.iter().copied());
    let ended = again.output().expect("the test starts again");
    let said =
        format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}
