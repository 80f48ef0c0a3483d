//! The in-process edge: a server called without a socket.
//!
//! It is a transport of generated clients, so a test calls its service through the same typed client as
//! production. It is also the proof that nothing below the edges knows a protocol: calls go from the client's
//! wire bytes straight to the dispatcher.

use crate::call::{Call, Head, Peer, Protocol};
use crate::caller::Transport;
use crate::dispatch::Dispatcher;
use crate::handler::ReplyFuture;

/// A server in this process, as the transport of a client. Cheap to clone. Made by
/// [`ServerBuilder::local`](crate::server::ServerBuilder::local).
#[derive(Debug, Clone)]
pub struct Local {
    dispatcher: Dispatcher,
}

impl Local {
    pub(crate) fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }
}

impl Transport for Local {
    fn protocol(&self) -> Protocol {
        Protocol::Local
    }

    fn call(&self, call: Call) -> ReplyFuture {
        let Some(route) = self.dispatcher.route(call.method().path()) else {
            let status = tonic::Status::unimplemented(format!("there is no method {}", call.method().path()));
            return Box::pin(std::future::ready(Err(status)));
        };
        let timeout = call.deadline().map(|deadline| deadline.remaining());
        let head = Head {
            method: route.spec,
            protocol: Protocol::Local,
            peer: Peer::local(),
            deadline: self.dispatcher.deadline(route, timeout),
            entrance: self.dispatcher.entrance(),
        };
        let (_, metadata, extensions, body) = call.into_parts();
        let mut call = Call::new(head, metadata, body);
        call.extensions = extensions;
        Box::pin(self.dispatcher.call(route, call))
    }
}
