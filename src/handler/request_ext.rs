//! What a handler may ask its request about the call.

use tonic::{Request, Status};

use crate::call::{self, Cancellation, Deadline, MethodSpec, Peer, Protocol, TraceContext};
use crate::scheduler::Scheduler;

/// What a handler may ask its [`Request`] about the call.
///
/// The same answers are in reach of deep code through [`call::current`].
pub trait RequestExt {
    /// What the call knows of itself.
    ///
    /// # Panics
    ///
    /// For a request that no server made, such as one built by a test: use the local edge there.
    fn call(&self) -> &call::Context;

    /// What an interceptor put among the call's extensions, by its type. Code without the request at hand asks
    /// [`call::value`].
    ///
    /// ```
    /// use ambidex::{Request, RequestExt, Response, Status};
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// fn greet(request: Request<()>) -> Result<Response<String>, Status> {
    ///     let User(name) = request.value()?;
    ///     Ok(Response::new(format!("Hello, {name}")))
    /// }
    /// # let _ = greet;
    /// ```
    ///
    /// # Errors
    ///
    /// INTERNAL where no interceptor has put one there. The log names the type.
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call) does.
    fn value<T: Clone + Send + Sync + 'static>(&self) -> Result<&T, Status> {
        self.call().needed_value()
    }

    /// The method that was called.
    fn method_spec(&self) -> &'static MethodSpec {
        self.call().method()
    }

    /// The wire the call came in on.
    fn protocol(&self) -> Protocol {
        self.call().protocol()
    }

    /// Who called.
    fn peer(&self) -> &Peer {
        self.call().peer()
    }

    /// When the caller stops waiting.
    fn deadline(&self) -> Option<Deadline> {
        self.call().deadline()
    }

    /// Set when the client has gone or the deadline has passed.
    fn cancellation(&self) -> &Cancellation {
        self.call().cancellation()
    }

    /// The trace the call belongs to, if it does; see [`Context::trace`](call::Context::trace).
    fn trace(&self) -> Option<&TraceContext> {
        self.call().trace()
    }

    /// The scheduler of the server, for `run_blocking` from async code.
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call) does.
    fn scheduler(&self) -> &Scheduler {
        self.call().state().expect("every server keeps its scheduler in its state")
    }
}

impl<T> RequestExt for Request<T> {
    fn call(&self) -> &call::Context {
        self.extensions().get().expect("requests that a server hands to a handler carry their call's context")
    }
}
