//! Who is compared: three ways to call blocking code from async code.

use std::sync::{Arc, Mutex, mpsc};

use ambidex::scheduler::{Job, Lane, RunError, Scheduler, SchedulerConfig};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ambidex,
    SpawnBlocking,
    Channel,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Ambidex, Kind::SpawnBlocking, Kind::Channel];
}

/// A contestant at work, in a runtime of its own.
#[derive(Clone)]
pub(crate) enum Contestant {
    Ambidex { scheduler: Scheduler, lanes: [Lane; 2] },
    SpawnBlocking(Handle),
    Channel(Arc<ChannelPool>),
}

/// As many threads as `spawn_blocking` may have: whoever sleeps must not wait for another.
const CHANNEL_THREADS: usize = 512;

impl Contestant {
    /// A new runtime with one worker for each processor, and the contestant in it.
    pub(crate) fn start(kind: Kind) -> (Runtime, Self) {
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
        let handle = runtime.handle().clone();
        let contestant = match kind {
            Kind::Ambidex => {
                let scheduler = Scheduler::new(SchedulerConfig::default(), handle);
                let lanes = [scheduler.lane("bench.v1.Bench/One"), scheduler.lane("bench.v1.Bench/Other")];
                Self::Ambidex { scheduler, lanes }
            }
            Kind::SpawnBlocking => Self::SpawnBlocking(handle),
            Kind::Channel => Self::Channel(Arc::new(ChannelPool::start(CHANNEL_THREADS))),
        };
        (runtime, contestant)
    }

    /// Runs `work` as a call of the first method or the second.
    pub(crate) async fn call<T, F>(&self, method: usize, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        match self {
            Self::Ambidex { scheduler, lanes } => {
                let job = Job::new("bench.v1.Bench/Call").lane(lanes[method].clone());
                match scheduler.run(job, work).await {
                    Ok(value) => value,
                    Err(RunError::Overloaded { .. }) => panic!("no case here overloads its contestant"),
                    Err(other) => panic!("{other}"),
                }
            }
            Self::SpawnBlocking(handle) => handle.spawn_blocking(work).await.expect("it does not panic"),
            Self::Channel(pool) => pool.call(work).await,
        }
    }
}

type Work = Box<dyn FnOnce() + Send>;

/// What one writes in ten minutes: threads behind a channel, answers through a oneshot.
pub(crate) struct ChannelPool {
    queue: mpsc::Sender<Work>,
}

impl ChannelPool {
    fn start(threads: usize) -> Self {
        let (queue, calls) = mpsc::channel::<Work>();
        let calls = Arc::new(Mutex::new(calls));
        for _ in 0..threads {
            let calls = calls.clone();
            std::thread::spawn(move || {
                loop {
                    let next = calls.lock().expect("nobody panics with it").recv();
                    match next {
                        Ok(work) => work(),
                        Err(_) => return,
                    }
                }
            });
        }
        Self { queue }
    }

    async fn call<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move || drop(answer.send(work())));
        self.queue.send(work).expect("the threads live as long as the pool");
        answered.await.expect("every call is answered")
    }
}
