//! Certificates that change while the server runs.
//!
//! Their files are looked at now and then. A change is read whole and checked before it is used: a half-written file, or a
//! key that does not fit yet, is said, and what was there stays until they can be used.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

use super::Tls;
use crate::scheduler::Scheduler;

/// When files were changed, as far as can be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// A file as it is found: which it is, behind whatever links lead there, its time and its length. What is put in the
/// place of another, by a link or by its name, may have the time and the length of that.
type Stamp = (PathBuf, Option<u64>, SystemTime, u64);

impl Stamps {
    pub(super) fn of<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Self {
        Self(files.map(|path| (path.clone(), stamp(path))).collect())
    }
}

/// The files as they were when they were last read.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) stamps: Stamps,
    /// They could not be read, or not be used. Not every cause of that changes a file when it goes away.
    pub(super) failed: bool,
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::canonicalize(path).ok()?;
    let metadata = std::fs::metadata(&found).ok()?;
    Some((found, number(&metadata), metadata.modified().ok()?, metadata.len()))
}

/// The number of a file on its disk, where files have one.
fn number(metadata: &std::fs::Metadata) -> Option<u64> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::MetadataExt::ino(metadata));
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

impl Tls {
    /// Reads the files again if they changed since they were last read, or could not be used then.
    fn reload_if_changed(&self) {
        let now = self.0.sources.stamps();
        let is_same = {
            let seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.stamps == now && !seen.failed {
                return;
            }
            seen.stamps == now
        };
        match self.reload() {
            Ok(()) => tracing::info!(tls = ?self, "new certificates are in use"),
            Err(error) if is_same => tracing::debug!(%error, "new certificates still cannot be used"),
            Err(error) => tracing::error!(%error, "new certificates cannot be used: the old ones stay"),
        }
    }
}

/// Looks at the files of each until it is dropped.
pub(in crate::server) fn watch(mut all: Vec<Tls>, every: Duration, scheduler: &Scheduler) -> Watching {
    // Several listeners may have the same.
    all.sort_by_key(|tls| Arc::as_ptr(&tls.0));
    all.dedup_by_key(|tls| Arc::as_ptr(&tls.0));
    if all.is_empty() || every.is_zero() {
        return Watching(None);
    }
    let scheduler = scheduler.clone();
    Watching(Some(tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            for tls in &all {
                let tls = tls.clone();
                // The disk may be slow, or far away. An overloaded scheduler says no; there is a next time.
                let _ = scheduler.run_blocking(move || tls.reload_if_changed()).await;
            }
        }
    })))
}

/// The files are looked at while this lives.
pub(in crate::server) struct Watching(Option<JoinHandle<()>>);

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
