//! Code generation for services that speak gRPC and HTTP from one definition.
//!
//! This crate is what a `build.rs` calls. It owns the way from `.proto` files to Rust: compiling
//! them (in pure Rust, nothing has to be installed), checking what can only go wrong later
//! otherwise, and writing the messages, handler traits, servers and clients. It exists as a crate
//! of its own so that none of this is part of a running service. It knows nothing of how a call
//! is run: whatever is clever about that, generated code leaves to the `ambidex` crate.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), ambidex_build::Error> {
//!     ambidex_build::compile(&["proto/bookshop/v1/bookshop.proto"], &["proto"])
//! }
//! ```
//!
//! `google/api/*.proto` and `google/rpc/*.proto`, as far as services need them, can be imported
//! without being there: copies come with this crate, and their types with `ambidex`. The same
//! goes for `google/protobuf/*.proto`.
//!
//! # What is written
//!
//! One file of Rust for each package, `bookshop.v1.rs` for `bookshop.v1`. For a service
//! `Bookshop` it holds
//!
//! - `trait Bookshop`, which a handler implements, by hand or through `#[ambidex::service]`;
//! - `BookshopServer`, which makes a handler a service that a server can take in;
//! - `BookshopClient`, which calls one;
//! - `mod bookshop_rpc`, its methods as types, which the three have in common.
//!
//! Beside them lie the descriptors of everything that was compiled, `bookshop.v1.bin`, with
//! custom options such as `google.api.http` intact.
//!
//! # What fails a build
//!
//! Everything that is known to be wrong when the protos are: syntax and imports, HTTP rules that
//! do not fit their messages, routes that no request could tell apart, and names that would
//! collide in Rust. Each error says which file, line and column, and what to do.

mod builder;
mod bundle;
mod clashes;
mod codegen;
mod docs;
mod error;
mod http_rules;
mod layout;
mod location;
mod output;
mod proto_path;
mod rust_name;
mod sources;

use std::path::Path;

pub use builder::{Builder, configure};
pub use error::Error;

/// Compiles `protos` and writes the generated code to `OUT_DIR`, with the settings that suit most
/// services. [`configure`] has the others.
///
/// Each of `protos` lies in one of the directories `includes`, and so does whatever they import
/// and is not a well-known file.
///
/// # Errors
///
/// If a proto cannot be read or compiled, if a check fails (see [the crate](crate)), or if the
/// generated files cannot be written.
pub fn compile(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    configure().compile(protos, includes)
}
