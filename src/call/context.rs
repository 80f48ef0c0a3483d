//! What a call knows of itself, shared by everything that runs for it, and how deep code finds it.
//!
//! A [`Context`] is one allocation per call, handed around by reference count. While a handler, an
//! interceptor or a stream is polled, on the runtime or on a scheduler thread, its context is the thread's
//! current one: [`current`] answers without anything being passed down.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::task::Poll;

use futures_core::Stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use pin_project_lite::pin_project;
use scoped_tls::scoped_thread_local;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};

use super::{
    CancelReason, Cancellation, Deadline, Entrance, Head, HttpRoute, MethodSpec, Peer, Preconditions, Share,
    TraceContext, incoming_metadata,
};

/// The wire a call came in on. Handlers may ask; nothing between the edges may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web, over any version of HTTP.
    GrpcWeb,
    /// A REST route of `google.api.http`.
    Rest,
    /// `POST /package.Service/Method` with JSON or protobuf.
    Rpc,
    /// In-process, without a socket.
    Local,
}

impl Protocol {
    /// Every protocol, each where its own number is.
    pub(crate) const ALL: [Self; 5] = [Self::Grpc, Self::GrpcWeb, Self::Rest, Self::Rpc, Self::Local];

    /// The name logs and metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc_web",
            Self::Rest => "rest",
            Self::Rpc => "rpc",
            Self::Local => "local",
        }
    }
}

/// Values of the server that every call can reach, one per type: put in at start-up, then only read.
#[derive(Clone, Default)]
pub struct ServerState(Arc<HashMap<TypeId, Box<dyn Any + Send + Sync>>>);

impl ServerState {
    /// The state with `value` added, in place of an earlier value of the same type.
    ///
    /// # Panics
    ///
    /// When the state is already shared: it is put together before the server starts.
    #[must_use]
    pub fn with<T: Any + Send + Sync>(mut self, value: T) -> Self {
        Arc::get_mut(&mut self.0)
            .expect("state is put together before it is shared")
            .insert(TypeId::of::<T>(), Box::new(value));
        self
    }

    /// The value of type `T`, if one was put in.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerState").field("values", &self.0.len()).finish()
    }
}

/// Everything a call knows of itself. Cheap to clone; every clone is the same call.
#[derive(Clone)]
pub struct Context(Arc<Shared>);

struct Shared {
    method: &'static MethodSpec,
    protocol: Protocol,
    peer: Peer,
    deadline: Option<Deadline>,
    /// Made when somebody asks for it: most calls are answered before that.
    cancellation: OnceLock<Cancellation>,
    entrance: Share<Entrance>,
    /// Boxed, as hardly anybody asks for them.
    metadata: OnceLock<Box<MetadataMap>>,
    /// What they are made of when somebody does.
    unread: Mutex<Option<Unread>>,
    values: OnceLock<Extensions>,
    /// Made for the first: most calls have none, and to see that takes no lock.
    trailers: OnceLock<Mutex<Option<Box<MetadataMap>>>>,
    trace: OnceLock<Box<TraceContext>>,
}

/// The metadata of a request that nobody has asked for.
enum Unread {
    /// Among the headers they came with.
    Headers(HeaderMap),
    Metadata(MetadataMap),
    /// A copy, for which a map costs more.
    List(Vec<(HeaderName, HeaderValue)>),
}

impl Unread {
    fn read(self) -> MetadataMap {
        match self {
            Self::Headers(headers) => incoming_metadata(headers),
            Self::Metadata(metadata) => metadata,
            Self::List(list) => {
                let mut headers = HeaderMap::new();
                for (name, value) in list {
                    headers.append(name, value);
                }
                MetadataMap::from_headers(headers)
            }
        }
    }
}

impl Context {
    /// The context of a call with this head. Where nobody reads its metadata, they are made of its headers if anybody asks
    /// after all.
    pub(crate) fn new(head: Head, headers: HeaderMap) -> Self {
        let Head { method, protocol, peer, deadline, entrance } = head;
        let unread = (!headers.is_empty()).then_some(Unread::Headers(headers));
        Self(Arc::new(Shared {
            method,
            protocol,
            peer,
            deadline,
            cancellation: OnceLock::new(),
            entrance,
            metadata: OnceLock::new(),
            unread: Mutex::new(unread),
            values: OnceLock::new(),
            trailers: OnceLock::new(),
            trace: OnceLock::new(),
        }))
    }

    /// The method that was called.
    pub fn method(&self) -> &'static MethodSpec {
        self.0.method
    }

    /// The wire the call came in on.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// Which HTTP binding the call came in by; none over gRPC and in-process.
    pub fn http_route(&self) -> Option<&HttpRoute> {
        self.0.entrance.http_route.as_ref()
    }

    /// Who called.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// When the caller stops waiting; none when the caller would wait for ever.
    pub fn deadline(&self) -> Option<Deadline> {
        self.0.deadline
    }

    /// The call's cancellation: set when the client has gone or the deadline has passed.
    pub fn cancellation(&self) -> &Cancellation {
        self.0.cancellation.get_or_init(Cancellation::new)
    }

    /// Why nobody waits for this call any more, if so.
    fn cancelled_for(&self) -> Option<CancelReason> {
        self.0.cancellation.get()?.reason()
    }

    /// Whether nobody waits for this call any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled_for().is_some()
    }

    /// `Err` with the fitting status as soon as nobody waits for this call any more. [`check`](super::check)
    /// asks the same without being handed the context.
    ///
    /// # Errors
    ///
    /// DEADLINE_EXCEEDED after the deadline, CANCELLED when the client left, UNAVAILABLE in a shutdown.
    pub fn check(&self) -> Result<(), tonic::Status> {
        match self.cancelled_for() {
            Some(reason) => Err(cancelled_status(reason)),
            None if self.0.deadline.is_some_and(|deadline| deadline.has_passed()) => {
                Err(cancelled_status(CancelReason::DeadlineExceeded))
            }
            None => Ok(()),
        }
    }

    /// The request metadata as the handler got it. Code that runs before the handler finds them on its
    /// [`Call`](super::Call): here there may be none yet.
    pub fn metadata(&self) -> &MetadataMap {
        static EMPTY: LazyLock<MetadataMap> = LazyLock::new(MetadataMap::new);
        if let Some(metadata) = self.0.metadata.get() {
            return metadata;
        }
        let mut unread = self.0.unread.lock().unwrap_or_else(PoisonError::into_inner);
        match unread.take() {
            Some(unread) => self.0.metadata.get_or_init(|| Box::new(unread.read())),
            // Somebody else may have asked at the same time.
            None => self.0.metadata.get().map_or(&EMPTY, |metadata| metadata),
        }
    }

    /// What the request says of the version it is about, by `If-None-Match` and its kin: for an answer of 304, or to
    /// refuse a change of what has changed meanwhile.
    pub fn preconditions(&self) -> Preconditions {
        Preconditions::of(self)
    }

    /// The trace the call belongs to, and its own place in it: as its caller's `traceparent` says, or where the call has a
    /// span, in a trace that begins with it. Generated clients pass it on to what they call.
    ///
    /// Where the call has no span, nobody reads that header before the handler does: an interceptor can read it from the
    /// [metadata](TraceContext::from_metadata) itself.
    pub fn trace(&self) -> Option<&TraceContext> {
        if let Some(trace) = self.0.trace.get() {
            return Some(trace);
        }
        let caller = TraceContext::from_metadata(self.metadata())?;
        Some(self.0.trace.get_or_init(|| Box::new(caller.child())))
    }

    /// Says which it is. Only the first word counts.
    pub(crate) fn set_trace(&self, trace: TraceContext) {
        self.0.trace.get_or_init(|| Box::new(trace));
    }

    /// A value the server was given at start-up, by its type.
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.entrance.state.get()
    }

    /// A value that an interceptor put among the call's extensions, by its type, for code that has no request at hand.
    /// Nothing for code that runs before the handler does: an interceptor looks at [`Call::extensions`].
    ///
    /// [`Call::extensions`]: super::Call::extensions
    pub fn value<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.values.get()?.get()
    }

    /// The same for who cannot do without it.
    pub(crate) fn needed_value<T: Clone + Send + Sync + 'static>(&self) -> Result<&T, Status> {
        self.value().ok_or_else(|| self.no_value::<T>())
    }

    /// It is the server that is put together wrongly, which its owner should read and its caller need not.
    fn no_value<T>(&self) -> Status {
        let (method, missing) = (self.method().full_name(), std::any::type_name::<T>());
        tracing::error!(
            method,
            missing,
            "no interceptor of the method has put this value among the call's extensions"
        );
        Status::internal("internal error")
    }

    /// What interceptors left for the handler.
    pub(crate) fn values(&self) -> Option<&Extensions> {
        self.0.values.get()
    }

    /// Keeps what interceptors left for the handler. Only the first call counts.
    pub(crate) fn keep_values(&self, values: Extensions) {
        if !values.is_empty() {
            self.0.values.get_or_init(|| values);
        }
    }

    /// Remembers what interceptors left for the handler, for deep code. Only the first call counts.
    pub(crate) fn remember_values(&self, values: &Extensions) {
        if !values.is_empty() {
            self.0.values.get_or_init(|| values.clone());
        }
    }

    /// Adds to the trailing metadata of the reply, also after a stream has begun.
    pub fn edit_trailers(&self, edit: impl FnOnce(&mut MetadataMap)) {
        // Edited outside of the lock: it is user code, and may come back here.
        let mut trailers = self.take_trailers().unwrap_or_default();
        edit(&mut trailers);
        let mut shared =
            self.0.trailers.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        let meanwhile = shared.take().unwrap_or_default();
        for (name, value) in (*meanwhile).as_ref() {
            (*trailers).as_mut().append(name.clone(), value.clone());
        }
        *shared = Some(trailers);
    }

    /// Runs `work` as part of this call: [`current`] finds it there.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.set(self, work)
    }

    pub(crate) fn take_trailers(&self) -> Option<Box<MetadataMap>> {
        self.0.trailers.get()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps the request metadata, for a handler to clone if it wants them.
    pub(crate) fn keep_metadata(&self, metadata: MetadataMap) {
        if !metadata.is_empty() {
            self.keep(|| Unread::Metadata(metadata));
        }
    }

    /// Keeps a copy of the request metadata for deep code, which seldom asks.
    pub(crate) fn remember_metadata(&self, metadata: &MetadataMap) {
        let headers = metadata.as_ref();
        if !headers.is_empty() {
            self.keep(|| {
                let mut list = Vec::with_capacity(headers.len());
                list.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
                Unread::List(list)
            });
        }
    }

    /// Only the first word counts.
    fn keep(&self, unread: impl FnOnce() -> Unread) {
        let mut kept = self.0.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() && self.0.metadata.get().is_none() {
            *kept = Some(unread());
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("method", &self.0.method.full_name())
            .field("protocol", &self.0.protocol)
            .field("peer", &self.0.peer)
            .field("deadline", &self.0.deadline)
            .field("cancelled", &self.cancelled_for())
            .finish_non_exhaustive()
    }
}

/// The status a caller gets for a call that was given up for `reason`.
pub(crate) fn cancelled_status(reason: CancelReason) -> tonic::Status {
    match reason {
        // Also for who is refused at once, because it is too late already.
        CancelReason::DeadlineExceeded => {
            tonic::Status::deadline_exceeded("the call cannot be answered before its deadline")
        }
        CancelReason::Shutdown => tonic::Status::unavailable("the server is shutting down"),
        _ => tonic::Status::cancelled("the caller left"),
    }
}

scoped_thread_local!(static CURRENT: Context);

/// What `look` sees in the context of the call that is running on this thread, if one is.
fn with_current<T>(look: impl FnOnce(&Context) -> T) -> Option<T> {
    CURRENT.is_set().then(|| CURRENT.with(look))
}

/// The context of the call that is running on this thread, if one is.
///
/// Works in handlers, interceptors and streams, in any function they call, on the runtime and on scheduler
/// threads. A task spawned with `tokio::spawn` is nobody's call: hand it a clone of the context, and let it
/// [`scope`](Context::scope) what should know.
pub fn current() -> Option<Context> {
    with_current(Clone::clone)
}

/// `Err` with the fitting status as soon as nobody waits for the call that this thread runs for: a line for
/// loops of blocking code. Outside of a call it is always `Ok`.
///
/// ```
/// fn count_words(lines: &[String]) -> Result<usize, ambidex::Status> {
///     let mut words = 0;
///     for line in lines {
///         ambidex::call::check()?; // the client may have left long ago
///         words += line.split_whitespace().count();
///     }
///     Ok(words)
/// }
/// # assert_eq!(count_words(&["a b".to_owned()]).unwrap(), 2);
/// ```
///
/// # Errors
///
/// As [`Context::check`].
pub fn check() -> Result<(), tonic::Status> {
    with_current(Context::check).unwrap_or(Ok(()))
}

/// A value that an interceptor put among the extensions of the call that this thread runs for, by its type.
///
/// A handler that has its request at hand asks [`RequestExt::value`](crate::RequestExt::value), which does not clone.
///
/// ```
/// use ambidex::{Status, call};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// fn deep_in_the_code() -> Result<String, Status> {
///     let User(name) = call::value()?;
///     Ok(format!("asked for by {name}"))
/// }
/// # assert_eq!(deep_in_the_code().unwrap_err().code(), ambidex::Code::Internal);
/// ```
///
/// # Errors
///
/// INTERNAL where no interceptor has put one there, and outside of a call. The log names the type.
pub fn value<T: Clone + Send + Sync + 'static>() -> Result<T, Status> {
    let Some(call) = current() else {
        tracing::error!(
            missing = std::any::type_name::<T>(),
            "a call's value was asked for outside of a call"
        );
        return Err(Status::internal("internal error"));
    };
    call.needed_value().cloned()
}

/// What the request of the call that this thread runs for says of the version it is about, as
/// [`Context::preconditions`]; outside of a call, nothing.
pub fn preconditions() -> Preconditions {
    with_current(Context::preconditions).unwrap_or_default()
}

pin_project! {
    /// A future or stream that has a context: it is the thread's current one during each poll, and while what
    /// is inside is dropped.
    pub(crate) struct Scoped<T> {
        context: Context,
        #[pin]
        inner: Option<T>,
    }

    impl<T> PinnedDrop for Scoped<T> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.context.scope(|| this.inner.set(None));
        }
    }
}

impl<T> Scoped<T> {
    pub(crate) fn new(context: Context, inner: T) -> Self {
        Self { context, inner: Some(inner) }
    }

    /// What is inside, and the context it has.
    fn inner(self: Pin<&mut Self>) -> (&Context, Pin<&mut T>) {
        let this = self.project();
        (this.context, this.inner.as_pin_mut().expect("it is there until the drop"))
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let (context, inner) = self.inner();
        context.scope(|| inner.poll(cx))
    }
}

impl<S: Stream> Stream for Scoped<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Option<S::Item>> {
        let (context, inner) = self.inner();
        context.scope(|| inner.poll_next(cx))
    }
}
