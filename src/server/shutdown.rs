//! The signals that end a server: the first politely, the second at once.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Error;

/// What shells say of a process that a signal ended: this, and the signal's number.
const EXIT_CODE_OF_SIGNALS: i32 = 128;

/// What comes so soon after the first signal is the same wish: a terminal tells a whole group of processes, and one of them
/// may pass it on.
const SAME_WISH: Duration = Duration::from_millis(500);

/// The first future resolves at SIGTERM or Ctrl-C, while the second is polled; at the next of them, half a second later or
/// more, the second ends the process. Listening begins with the call, before either is polled, so that no signal is missed between the two.
pub(super) fn signals() -> Result<(impl Future<Output = ()>, impl Future<Output = Infallible>), Error> {
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let (tell, told) = oneshot::channel();
    let first = async {
        // A sender that is gone tells nothing any more: that is a stop, too.
        let _ = told.await;
    };
    let second = async move {
        signals.next().await;
        let _ = tell.send(());
        let told = Instant::now();
        let number = loop {
            let number = signals.next().await;
            if told.elapsed() >= SAME_WISH {
                break number;
            }
        };
        tracing::warn!("a second signal: the process ends with what is under way");
        std::process::exit(EXIT_CODE_OF_SIGNALS + number)
    };
    Ok((first, second))
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        use tokio::signal::unix::SignalKind;
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Ctrl-C, by the number it has where signals have numbers.
    async fn next(&mut self) -> i32 {
        const INTERRUPT: i32 = 2;
        if tokio::signal::ctrl_c().await.is_err() {
            // Without the signal there is nothing to wait for but the end of the process.
            std::future::pending::<()>().await;
        }
        INTERRUPT
    }
}
