//! Accepting connections on one socket and serving each until it ends or is told to.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::config::{ACCEPT_PAUSE, FULL_NOTICE, HTTP1_BUFFER_MIN_BYTES, LATECOMERS};
use super::front::Front;
use super::glance::Glancing;
use super::lifetime::Living;
use super::linger::Lingers;
use super::listener::Serves;
use super::preface::Timely;
use super::socket::{Socket, Stream};
use super::streams::Streams;
use super::tls::Tls;
use super::unread_socket::Taken;
use super::{Config, connect_info, cut};
use crate::call::{Connection, Peer};
use crate::http::Held;
use crate::telemetry::{Connections, Refusals};

/// What all listeners of a server share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) places: Arc<Places>,
    pub(super) counted: Connections,
    pub(super) refusals: Refusals,
    pub(super) stop: watch::Receiver<bool>,
}

/// How many connections there may be, over all listeners.
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// Listeners with a client that waits for one.
    waiting: AtomicUsize,
}

impl Places {
    pub(super) fn new(connections_max: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS)));
        Arc::new(Self { free, waiting: AtomicUsize::new(0) })
    }

    /// Whether others wait for the place that somebody has.
    fn are_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// A socket that listens, and what it leads to.
pub(super) struct Entrance {
    pub(super) socket: Socket,
    pub(super) serves: Serves,
    pub(super) tls: Option<Tls>,
    pub(super) front: Front,
    /// Whether services that were written for tonic may ask for the connection.
    pub(super) for_tonic: bool,
}

/// Accepts connections until it is told to stop, then stops listening and returns those that are still open, each
/// told to finish.
pub(super) async fn accept(entrance: Entrance, shared: Shared) -> JoinSet<()> {
    let Entrance { socket, serves, tls, front, for_tonic } = entrance;
    let inside = Inside { serves, tls, front, for_tonic };
    let mut open = JoinSet::new();
    let mut door = Door { places: Arc::clone(&shared.places), next: None, noticed: None };
    let mut stop = shared.stop.clone();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            // Joined as they end, so that the set holds only what is open.
            Some(_) = open.join_next() => continue,
            accepted = door.accept(&socket) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        open.spawn(inside.clone().receive(stream, peer, place, shared.clone()));
    }
    // Whom the system has let in may have sent a call already, and would be cut off with it. They are told to finish like
    // everybody else, but when they have had the time to begin.
    let late = door.next.take().into_iter().chain(socket.close());
    let (tell, told) = watch::channel(false);
    let begin = LATECOMERS.min(shared.config.drain_timeout() / 2);
    let shared = Shared { stop: told, ..shared };
    for (stream, peer) in late {
        let (inside, shared) = (inside.clone(), shared.clone());
        open.spawn(async move {
            // Where all places are taken, some are given up now that everybody is told to finish.
            let place = Arc::clone(&shared.places.free).acquire_owned();
            if let Ok(Ok(place)) = tokio::time::timeout(begin, place).await {
                inside.receive(stream, peer, place, shared).await;
            }
        });
    }
    tokio::spawn(async move {
        tokio::time::sleep(begin).await;
        tell.send_replace(true);
    });
    open
}

/// What is behind a socket.
#[derive(Clone)]
struct Inside {
    serves: Serves,
    tls: Option<Tls>,
    front: Front,
    for_tonic: bool,
}

impl Inside {
    /// Serves whoever has come in until they leave.
    async fn receive(self, stream: Stream, peer: Peer, place: OwnedSemaphorePermit, shared: Shared) {
        let Self { serves, tls, front, for_tonic } = self;
        // Dropped together, and with the WebSocket that the connection may become.
        let place: Place = Arc::new((place, shared.counted.accepted()));
        let (stream, mut peer) = match &tls {
            None => (stream, peer),
            Some(tls) => {
                let from = peer.clone();
                let mut stop = shared.stop.clone();
                let timeout = shared.config.tls_handshake_timeout();
                // Boxed: a connection is longer than its beginning, and should not be as large.
                let shaken = tokio::select! {
                    shaken = Box::pin(tls.accept(stream, peer, serves, timeout)) => shaken,
                    () = stopped(&mut stop) => return,
                };
                match shaken {
                    Ok(shaken) => shaken,
                    Err(error) => {
                        if let Some(why) = cut::of_handshake(&error) {
                            shared.counted.has_to_end(why);
                        }
                        tracing::debug!(?from, %error, "a TLS handshake failed");
                        return;
                    }
                }
            }
        };
        if for_tonic {
            peer.connection = Connection::new(connect_info::of(&stream));
        }
        serve(stream, peer, front, shared, place).await;
    }
}

/// A connection's place among those of the server, for as long as anybody holds it.
type Place = Arc<dyn Any + Send + Sync>;

/// Serves one connection until it ends.
async fn serve(stream: Stream, peer: Peer, front: Front, shared: Shared, place: Place) {
    let Shared { config, places, counted, refusals, mut stop } = shared;
    let held = Held(Arc::clone(&place));
    let from = peer.clone();
    let lingers = Lingers::new();
    let bodies = lingers.clone();
    let service = service_fn(move |request| front.serve(request, &from, &held, &bodies));
    let streams = Streams::new(config.reply_stall_timeout());
    let http = http(&config, streams.clone());
    let stream =
        Timely::new(stream, config.header_read_timeout(), config.http2_control_frames_per_second_max);
    let stream = Taken::new(stream, config.reply_stall_timeout());
    let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let connection = Glancing::new(connection, config.header_read_timeout(), lingers);
    let crowded = move || places.are_wanted();
    let span = config.span();
    let told = Told::new(&mut stop);
    let living = Living::new(connection, |it| it.graceful_shutdown(), told, &span, streams, crowded);
    if let Err(error) = living.await {
        // A client that resets its connection is no event; whoever wonders can turn this on.
        tracing::debug!(?peer, error, "a connection ended with an error");
        if let Some(why) = cut::why(&*error) {
            counted.has_to_end(why);
            cut::note_head(&refusals, why, &peer);
        }
    }
    drop(place);
}

/// The same for a task that is woken for other reasons all the time: it is asked again only if there is news.
struct Told<F> {
    news: watch::Receiver<bool>,
    stopped: Pin<Box<F>>,
    asked: bool,
}

impl<'a> Told<()> {
    fn new(stop: &'a mut watch::Receiver<bool>) -> Told<impl Future<Output = ()> + use<'a>> {
        let mut news = stop.clone();
        // What was said before is found by the first question.
        news.mark_unchanged();
        // Outside of the task's budget: a question that was put off would not be put again.
        Told { news, stopped: Box::pin(tokio::task::unconstrained(stopped(stop))), asked: false }
    }
}

impl<F: Future<Output = ()>> Future for Told<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Its waker is this task's, and stays.
        if self.asked && matches!(self.news.has_changed(), Ok(false)) {
            return Poll::Pending;
        }
        self.asked = true;
        self.stopped.as_mut().poll(cx)
    }
}

/// Resolves once the server was told to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone can tell nothing any more: that is a stop too. What it returns is a lock guard,
    // which must not live across an await.
    let _ = stop.wait_for(|stop| *stop).await.is_ok();
}

/// Lets in as many as there are places.
struct Door {
    places: Arc<Places>,
    /// Who has come and has no place yet. Asked for again and again, the door must not forget it.
    next: Option<(Stream, Peer)>,
    /// When it was last said that somebody waits.
    noticed: Option<Instant>,
}

impl Door {
    async fn accept(&mut self, socket: &Socket) -> Option<(Stream, Peer, OwnedSemaphorePermit)> {
        if self.next.is_none() {
            match socket.accept().await {
                Ok(next) => self.next = Some(next),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    return None;
                }
            }
        }
        let place = match Arc::clone(&self.places.free).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                self.notice();
                let _waits = Waits::new(&self.places.waiting);
                Arc::clone(&self.places.free).acquire_owned().await.ok()?
            }
        };
        self.next.take().map(|(stream, peer)| (stream, peer, place))
    }

    /// Says that a client waits; not of each.
    fn notice(&mut self) {
        let now = Instant::now();
        if self.noticed.is_none_or(|then| now - then >= FULL_NOTICE) {
            self.noticed = Some(now);
            tracing::warn!("there are as many connections as `connections_max` allows: the next ones wait");
        }
    }
}

/// A client that waits for a place.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// HTTP/1.1 and HTTP/2 by prior knowledge on one connection, within the limits.
fn http(config: &Config, streams: Streams) -> auto::Builder<Streams> {
    let mut http = auto::Builder::new(streams);
    http.http1()
        // Its clock for heads is ours: `glance`.
        .header_read_timeout(None)
        .max_buf_size((config.headers_max_bytes as usize).max(HTTP1_BUFFER_MIN_BYTES));
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_per_connection_max)
        .max_header_list_size(config.headers_max_bytes)
        .max_pending_accept_reset_streams(config.http2_pending_resets_max)
        .max_local_error_reset_streams(config.http2_error_resets_max)
        .keep_alive_interval(Duration::from_millis(config.http2_keep_alive_interval_ms))
        .keep_alive_timeout(Duration::from_millis(config.http2_keep_alive_timeout_ms));
    http
}
