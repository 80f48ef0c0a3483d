//! Accepting connections on one socket and serving each until it ends or is told to.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::at_once::AtOnce;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Config;
use super::config::{ACCEPT_PAUSE, HTTP1_BUFFER_MIN_BYTES};
use super::front::Front;
use super::glance::{Glances, Glancing};
use super::preface::Timely;
use super::socket::{Socket, Stream};
use crate::call::Peer;
use crate::http::Held;
use crate::telemetry::Connections;

/// Accepts connections until `stop` says so, then stops listening and returns those that are still open, each
/// told to finish.
pub(super) async fn accept(
    socket: Socket,
    front: Front,
    places: Arc<Semaphore>,
    counted: Connections,
    mut stop: watch::Receiver<bool>,
    http: auto::Builder<AtOnce>,
    preface_timeout: Duration,
) -> JoinSet<()> {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            // Joined as they end, so that the set holds only what is open.
            Some(_) = open.join_next() => continue,
            accepted = accept_one(&socket, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let (front, http, mut stop) = (front.clone(), http.clone(), stop.clone());
        let counted = counted.accepted();
        open.spawn(async move {
            let place: Arc<dyn Any + Send + Sync> = Arc::new((place, counted));
            let held = Held(Arc::clone(&place));
            let from = peer.clone();
            let service = service_fn(move |request| front.serve(request, &from, &held));
            let connection = http
                .serve_connection_with_upgrades(TokioIo::new(Timely::new(stream, preface_timeout)), service);
            let mut connection = std::pin::pin!(Glancing::new(connection, preface_timeout));
            let result = tokio::select! {
                biased;
                result = connection.as_mut() => result,
                () = Told::new(&mut stop) => {
                    connection.as_mut().connection().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = result {
                // A client that resets its connection is no event; whoever wonders can turn this on.
                tracing::debug!(?peer, error, "a connection ended with an error");
            }
            drop(place);
        });
    }
    open
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

async fn accept_one(
    socket: &Socket,
    places: &Arc<Semaphore>,
) -> Option<(Stream, Peer, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// HTTP/1.1 and HTTP/2 by prior knowledge on one connection, within the limits.
pub(super) fn http(config: &Config) -> auto::Builder<AtOnce> {
    let mut http = auto::Builder::new(AtOnce);
    http.http1()
        .timer(Glances)
        .header_read_timeout(Duration::from_millis(config.header_read_timeout_ms))
        .max_buf_size((config.headers_max_bytes as usize).max(HTTP1_BUFFER_MIN_BYTES));
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_per_connection_max)
        .max_header_list_size(config.headers_max_bytes)
        .keep_alive_interval(Duration::from_millis(config.http2_keep_alive_interval_ms))
        .keep_alive_timeout(Duration::from_millis(config.http2_keep_alive_timeout_ms));
    http
}
