//! Owns futures whose every poll happens on a scheduler thread: an `async fn` that also blocks.
//!
//! Each poll is a job. Between polls the future rests with its holder and no thread is held; when its waker is
//! used, the next poll goes in line as a continuation.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Scheduler;
use super::error::RunError;
use super::job::Admission;
use super::turns::{Alarm, Driver, Patience, Resting};

/// Drives `future` to its end. `scheduler` is held so that there are threads for the next poll.
pub(super) async fn drive<F>(
    scheduler: Scheduler,
    driver: Arc<Driver>,
    future: F,
) -> Result<F::Output, RunError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let pool = scheduler.pool();
    let _open = pool.open();
    let alarm = Arc::new(Alarm::default());
    let mut patience = Patience::of(&driver.job);
    let first = Resting::fresh(Box::pin(future), driver.clone());
    let mut run = driver.turn(Admission::Fresh, turn(first, alarm.clone()));
    loop {
        let turned = poll_fn(|cx| match Pin::new(&mut run).poll(cx) {
            Poll::Ready(turned) => Poll::Ready(turned),
            Poll::Pending => patience.poll_over(pool, cx).map(Err),
        });
        let resting = match turned.await? {
            Turned::Ready(value) => return Ok(value),
            Turned::Pending(resting) => resting,
        };
        let alarmed = poll_fn(|cx| match alarm.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => patience.poll_over(pool, cx).map(Err),
        });
        alarmed.await?;
        run = driver.turn(Admission::Continuing, turn(resting, alarm.clone()));
    }
}

enum Turned<F>
where
    F: Future + Send + 'static,
{
    Ready(F::Output),
    Pending(Resting<Pin<Box<F>>>),
}

/// One poll. A future that is done is dropped where it was polled, on the scheduler thread.
fn turn<F>(resting: Resting<Pin<Box<F>>>, alarm: Arc<Alarm>) -> impl FnOnce() -> Turned<F>
where
    F: Future + Send + 'static,
{
    move || {
        let (mut future, driver) = resting.rise();
        let waker = alarm.waker();
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => Turned::Ready(value),
            Poll::Pending => Turned::Pending(Resting::between_turns(future, driver)),
        }
    }
}
