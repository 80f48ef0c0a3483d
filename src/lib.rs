//! Services that speak gRPC and HTTP from one definition, with async and blocking handlers side by side.
//!
//! A user writes a `.proto`, implements the trait that is generated from it, and starts a [`Server`]: every
//! method is callable over gRPC and HTTP on one port. A method is an `async fn` or a plain `fn` that may block;
//! one [`scheduler`] runs each where it belongs. The README is the tour; this page is the map.
//!
//! In reading order:
//!
//! - [`service`], [`Execution`], [`RequestExt`], [`Streaming`] and [`BlockingStreaming`]: what a handler is
//!   written with, beside tonic's own [`Request`], [`Response`] and [`Status`].
//! - [`call`]: what a handler, an interceptor or deep code may ask of the call it runs for.
//! - [`Server`] and [`server::Config`]: putting a server together, with every limit and its default.
//! - [`interceptor`]: what runs before every call of every protocol; [`lifespan`]: what runs before the first and
//!   after the last.
//! - [`client`]: calling services, over a connection or in the same process.
//! - [`scheduler`]: the threads that run blocking code, usable without a server too.
//! - [`telemetry`]: what a server counts of its calls, for a registry of metrics with the feature `prometheus`.
//!
//! # Without the attribute
//!
//! [`service`] is sugar. What it writes can be written by hand: the trait has an `async fn` for each method, in
//! tonic's types, and a constant that says where it runs. A stream may borrow from the handler.
//!
//! ```
//! # mod parity { #![allow(dead_code, reason = "an example needs little of it")]
//! # ambidex::include_proto!("parity.v1"); }
//! # use parity::*;
//! use ambidex::{Execution, Request, Response, Status, Stream};
//!
//! struct Shouter;
//!
//! impl ByHand for Shouter {
//!     // On a scheduler thread, where it may block; without the constant, on the runtime.
//!     const SHOUT: Execution = Execution::BLOCKING;
//!
//!     async fn shout(&self, request: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
//!         let text = request.into_inner().text.to_uppercase();
//!         Ok(Response::new(ShoutResponse { text }))
//!     }
//!
//!     async fn spell(
//!         &self,
//!         request: Request<ShoutRequest>,
//!     ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
//!         let letters: Vec<_> = request.into_inner().text.chars().map(String::from).collect();
//!         Ok(Response::new(tokio_stream::iter(letters.into_iter().map(|text| Ok(ShoutResponse { text })))))
//!     }
//! }
//!
//! let server = ambidex::Server::builder().service(ByHandServer::new(Shouter));
//! ```
//!
//! An `impl` that names its stream's type says more than the trait does: `#[allow(refining_impl_trait)]` tells
//! the compiler that this is meant.

// Generated code says `::ambidex`, here as in a user's crate.
extern crate self as ambidex;

pub mod call;
mod caller;
mod coding;
mod dispatch;
pub mod google;
mod grpc;
mod handler;
mod http;
mod local;
pub mod scheduler;
pub mod server;
pub mod telemetry;

pub use ambidex_macros::service;
pub use tonic::{Code, Request, Response, Status, metadata};
pub use {prost_types, tonic, tonic_types};

pub use call::{Idempotency, MethodKind, MethodSpec};
pub use dispatch::interceptor;
pub use handler::{BlockingStreaming, Execution, RequestExt, Service, Streaming};
pub use http::code_of_http_status;
pub use local::Local;
pub use scheduler::Scheduler;
pub use server::{Error, Server, lifespan};
pub use tokio_stream::Stream;

/// Calling services: over a gRPC connection, or in the same process.
pub mod client {
    pub use crate::caller::{Caller, Transport};
    pub use crate::grpc::client::{Channel, ConnectError};
    pub use crate::handler::ReplyFuture;
    pub use crate::local::Local;
}

/// What generated code and `#[ambidex::service]` are written with. Not for use by hand.
#[doc(hidden)]
pub mod codegen {
    pub use crate::call::{Share, Spread};
    pub use crate::handler::{
        Argument, AsyncReply, BlockingReply, Input, Many, Methods, One, Replies, ReplyShape, ReplyStream,
        Rpc, argument, async_reply, blocking_reply, message_argument,
    };
    pub use prost;
    pub use prost_types;
    pub use std::sync::Arc;
    pub use tokio_stream::Stream;
    pub use tonic::{IntoRequest, IntoStreamingRequest};
}

/// Includes the code that `ambidex-build` generated from a proto package.
///
/// ```ignore
/// ambidex::include_proto!("bookshop.v1"); // messages, the handler trait, the server, the client
/// ```
#[macro_export]
macro_rules! include_proto {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}
