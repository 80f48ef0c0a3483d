//! Owns streams whose every poll happens on a scheduler thread: blocking iterators, pulled by their reader.
//!
//! A turn is a job that takes items into a bounded buffer until the buffer is full, the stream is pending, or
//! the stream has ended; then the thread goes. When the reader has drained the buffer to half, the next turn
//! goes in line as a continuation. So a slow reader holds no thread, and a fast one never waits for a turn to
//! be over before it sees what the turn has produced so far.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use super::Scheduler;
use super::error::RunError;
use super::job::{Admission, Job};
use super::pool::Open;
use super::run::Run;
use super::turns::{Alarm, Driver, Patience, Resting};
use futures_core::Stream;
use tokio::task::coop;

/// The reader's end of a stream that is produced on scheduler threads; see
/// [`Scheduler::run_stream`](super::Scheduler::run_stream).
///
/// Dropping it drops the inner stream: on a scheduler thread if it has begun, at the latest when the item that
/// is being produced at that moment is done.
#[must_use = "streams do nothing unless they are polled"]
pub struct Offloaded<T: Send + 'static> {
    driver: Arc<Driver>,
    buffer: Arc<Buffer<T>>,
    alarm: Arc<Alarm>,
    patience: Patience,
    producer: Producer<T>,
    _open: Open,
    /// Keeps the threads that the stream needs.
    _scheduler: Scheduler,
}

type Inner<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// Where the stream is.
enum Producer<T: Send + 'static> {
    /// Here, ready to be pulled.
    Resting(Resting<Inner<T>>),
    /// Here, until its waker is used.
    Pending(Resting<Inner<T>>),
    /// In line, or on a thread.
    Turning(Run<Turned<T>>),
    /// Gone, for this reason. The buffer may still hold items that come before it.
    Failed(RunError),
    /// Gone.
    Ended,
}

impl<T: Send + 'static> Offloaded<T> {
    /// The first turn goes in line at once, as every job does.
    pub(super) fn new(scheduler: Scheduler, job: Job, inner: Inner<T>) -> Self {
        let pool = scheduler.pool();
        let mut offloaded = Self {
            _open: pool.open(),
            buffer: Arc::new(Buffer::new(pool.limits.stream_buffer_max)),
            alarm: Arc::default(),
            patience: Patience::of(&job),
            producer: Producer::Ended,
            driver: Driver::new(pool.clone(), job),
            _scheduler: scheduler,
        };
        let first = Resting::fresh(inner, offloaded.driver.clone());
        offloaded.start_turn(first, Admission::Fresh);
        offloaded
    }

    fn start_turn(&mut self, inner: Resting<Inner<T>>, admission: Admission) {
        let work = turn(inner, self.buffer.clone(), self.alarm.clone());
        self.producer = Producer::Turning(self.driver.turn(admission, work));
    }

    /// Moves the producer on as far as it goes by itself. Returns whether anything changed.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.producer {
            Producer::Turning(run) => match Pin::new(run).poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(Turned::Full(inner))) => self.producer = Producer::Resting(inner),
                Poll::Ready(Ok(Turned::Pending(inner))) => self.producer = Producer::Pending(inner),
                Poll::Ready(Ok(Turned::Ended)) => self.producer = Producer::Ended,
                Poll::Ready(Err(error)) => self.producer = Producer::Failed(error),
            },
            Producer::Resting(_) => self.pull(),
            Producer::Pending(_) => {
                if self.alarm.poll(cx).is_pending() {
                    return false;
                }
                self.pull();
            }
            Producer::Failed(_) | Producer::Ended => return false,
        }
        true
    }

    /// Begins the next turn before the buffer runs dry. One step at a time: the turn that was just begun is
    /// looked at when the reader comes again.
    fn top_up(&mut self, cx: &mut Context<'_>) {
        if matches!(self.producer, Producer::Turning(_)) && !self.advance(cx) {
            return;
        }
        if !matches!(self.producer, Producer::Turning(_)) {
            self.advance(cx);
        }
    }

    /// Puts a stream that rests here in line.
    fn pull(&mut self) {
        match std::mem::replace(&mut self.producer, Producer::Ended) {
            Producer::Resting(inner) | Producer::Pending(inner) => {
                self.start_turn(inner, Admission::Continuing);
            }
            elsewhere => self.producer = elsewhere,
        }
    }
}

impl<T: Send + 'static> Stream for Offloaded<T> {
    type Item = Result<T, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if !matches!(this.producer, Producer::Failed(_) | Producer::Ended)
            && let Poll::Ready(over) = this.patience.poll_over(&this.driver.pool, cx)
        {
            this.stop();
            return Poll::Ready(Some(Err(over)));
        }
        loop {
            let budget = ready!(coop::poll_proceed(cx));
            match this.buffer.poll_take(cx) {
                Poll::Ready((item, left)) => {
                    budget.made_progress();
                    if left <= this.buffer.capacity / 2 {
                        this.top_up(cx);
                    }
                    return Poll::Ready(Some(Ok(item)));
                }
                Poll::Pending => {
                    drop(budget);
                    // A turn that has just ended may have left items behind, so after each move the buffer
                    // is looked at first.
                    if this.advance(cx) {
                        continue;
                    }
                }
            }
            return match std::mem::replace(&mut this.producer, Producer::Ended) {
                Producer::Failed(error) => Poll::Ready(Some(Err(error))),
                Producer::Ended => Poll::Ready(None),
                elsewhere => {
                    this.producer = elsewhere;
                    Poll::Pending
                }
            };
        }
    }
}

impl<T: Send + 'static> Offloaded<T> {
    /// Lets go of the stream, wherever it is. A turn that is under way stops before the next item.
    fn stop(&mut self) {
        drop(self.buffer.close());
        self.producer = Producer::Ended;
    }
}

impl<T: Send + 'static> Drop for Offloaded<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<T: Send + 'static> fmt::Debug for Offloaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offloaded").field("job", &self.driver.job).finish_non_exhaustive()
    }
}

/// How a turn ended.
enum Turned<T: Send + 'static> {
    Full(Resting<Inner<T>>),
    Pending(Resting<Inner<T>>),
    Ended,
}

/// One turn: items into the buffer until it is full, or nothing more comes for now.
fn turn<T: Send + 'static>(
    resting: Resting<Inner<T>>,
    buffer: Arc<Buffer<T>>,
    alarm: Arc<Alarm>,
) -> impl FnOnce() -> Turned<T> {
    move || {
        let (mut inner, driver) = resting.rise();
        let waker = alarm.waker();
        let mut context = Context::from_waker(&waker);
        loop {
            match buffer.room() {
                Room::Free => {}
                Room::Full => return Turned::Full(Resting::between_turns(inner, driver)),
                Room::Closed => return Turned::Ended,
            }
            match inner.as_mut().poll_next(&mut context) {
                Poll::Ready(Some(item)) => buffer.put(item),
                Poll::Ready(None) => return Turned::Ended,
                Poll::Pending => return Turned::Pending(Resting::between_turns(inner, driver)),
            }
        }
    }
}

/// Items produced ahead of the reader. One producer at a time, one reader.
struct Buffer<T> {
    capacity: usize,
    shelf: Mutex<Shelf<T>>,
}

struct Shelf<T> {
    items: VecDeque<T>,
    reader: Option<Waker>,
    closed: bool,
}

enum Room {
    Free,
    Full,
    Closed,
}

impl<T> Buffer<T> {
    fn new(capacity: usize) -> Self {
        let shelf = Shelf { items: VecDeque::new(), reader: None, closed: false };
        Self { capacity, shelf: Mutex::new(shelf) }
    }

    fn room(&self) -> Room {
        let shelf = self.shelf();
        if shelf.closed {
            return Room::Closed;
        }
        if shelf.items.len() < self.capacity { Room::Free } else { Room::Full }
    }

    /// Adds an item and tells the reader. The only producer has found room, so there is some.
    fn put(&self, item: T) {
        let mut shelf = self.shelf();
        if shelf.closed {
            drop(shelf);
            return drop(item);
        }
        shelf.items.push_back(item);
        let reader = shelf.reader.take();
        drop(shelf);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The next item, and how many are left behind it.
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<(T, usize)> {
        let mut shelf = self.shelf();
        if let Some(item) = shelf.items.pop_front() {
            return Poll::Ready((item, shelf.items.len()));
        }
        let replaced = shelf.reader.replace(cx.waker().clone());
        drop(shelf);
        drop(replaced);
        Poll::Pending
    }

    /// Nobody reads any more. What was not read is handed back to be dropped.
    fn close(&self) -> VecDeque<T> {
        let mut shelf = self.shelf();
        shelf.closed = true;
        shelf.reader = None;
        std::mem::take(&mut shelf.items)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<T>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
