//! Owns futures whose every poll happens on a scheduler thread: an `async fn` that also blocks.
//!
//! Each poll is a job. Between polls the future rests with its holder and no thread is held; when its waker is
//! used, the next poll goes in line as a continuation.
//!
//! Most futures that come here are plain functions in disguise, ready at their first poll. So the first turn costs
//! no more than any job: whatever a second one needs is made only when there is one.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Scheduler;
use super::error::RunError;
use super::job::Admission;
use super::pool::Open;
use super::run::{Timekeeper, submit};
use super::turns::{Alarm, Driver, Patience, Resting};

/// Drives a future to its end. `scheduler` is held so that there are threads for the next poll.
pub(super) async fn drive<F>(
    scheduler: Scheduler,
    driver: Arc<Driver>,
    shell: Shell<F>,
) -> Result<F::Output, RunError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let work = first_turn(shell, driver.clone());
    let span = driver.span.clone();
    let first = submit(scheduler.pool(), &driver.job, span, Admission::Fresh, Timekeeper::Run, work);
    match first.await? {
        First::Ready(value, _shell) => Ok(value),
        // Boxed, for those who never come here: they would carry its size.
        First::Pending(begun) => Box::pin(go_on(&driver, begun)).await,
    }
}

/// The second turn and all that follow, whenever the future asks for one.
async fn go_on<F>(driver: &Arc<Driver>, begun: Begun<F>) -> Result<F::Output, RunError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let pool = &driver.pool;
    let Begun { mut resting, alarm, _open } = begun;
    let mut patience = Patience::of(&driver.job);
    loop {
        let alarmed = poll_fn(|cx| match alarm.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => patience.poll_over(pool, cx).map(Err),
        });
        alarmed.await?;
        let mut run = driver.turn(Admission::Continuing, turn(resting, alarm.clone()));
        let turned = poll_fn(|cx| match Pin::new(&mut run).poll(cx) {
            Poll::Ready(turned) => Poll::Ready(turned),
            Poll::Pending => patience.poll_over(pool, cx).map(Err),
        });
        resting = match turned.await? {
            Turned::Ready(value, _shell) => return Ok(value),
            Turned::Pending(resting) => resting,
        };
    }
}

/// A future, and where it was once it is done. It is dropped where it was polled, on the scheduler thread; the
/// memory goes back to where it came from, which is cheaper than freeing it on another thread.
type Shell<F> = Pin<Box<Option<F>>>;

pub(super) fn shell<F>(future: F) -> Shell<F> {
    Box::pin(Some(future))
}

/// How the first turn ended.
enum First<F>
where
    F: Future + Send + 'static,
{
    Ready(F::Output, Shell<F>),
    Pending(Begun<F>),
}

/// A future that has more turns to come.
struct Begun<F: Send + 'static> {
    resting: Resting<Shell<F>>,
    alarm: Arc<Alarm>,
    _open: Open,
}

/// How any other turn ended.
enum Turned<F>
where
    F: Future + Send + 'static,
{
    Ready(F::Output, Shell<F>),
    Pending(Resting<Shell<F>>),
}

/// The first poll; a second one at once if there is need for a waker, for a future may be polled at any time.
fn first_turn<F>(mut shell: Shell<F>, driver: Arc<Driver>) -> impl FnOnce() -> First<F>
where
    F: Future + Send + 'static,
{
    move || {
        if let Poll::Ready(value) = poll(&mut shell, Waker::noop()) {
            return First::Ready(value, shell);
        }
        let alarm = Arc::new(Alarm::default());
        if let Poll::Ready(value) = poll(&mut shell, &alarm.waker()) {
            return First::Ready(value, shell);
        }
        // Counted before this turn ends, so that a drain sees it without a gap.
        let open = driver.pool.open();
        let resting = Resting::between_turns(shell, driver);
        First::Pending(Begun { resting, alarm, _open: open })
    }
}

/// One poll.
fn turn<F>(resting: Resting<Shell<F>>, alarm: Arc<Alarm>) -> impl FnOnce() -> Turned<F>
where
    F: Future + Send + 'static,
{
    move || {
        let (mut shell, driver) = resting.rise();
        match poll(&mut shell, &alarm.waker()) {
            Poll::Ready(value) => Turned::Ready(value, shell),
            Poll::Pending => Turned::Pending(Resting::between_turns(shell, driver)),
        }
    }
}

/// Polls what is in the shell, and drops it if it is done.
fn poll<F: Future>(shell: &mut Shell<F>, waker: &Waker) -> Poll<F::Output> {
    let future = shell.as_mut().as_pin_mut().expect("a future that is done is not polled again");
    let polled = future.poll(&mut Context::from_waker(waker));
    if polled.is_ready() {
        shell.set(None);
    }
    polled
}
