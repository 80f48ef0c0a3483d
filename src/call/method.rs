//! What is fixed about a method before anyone calls it: its names, its kind, its promises.

use std::fmt;

/// The identity and shape of one method of a proto service. Generated code holds one `static` each.
#[derive(Debug, PartialEq, Eq)]
pub struct MethodSpec {
    service: &'static str,
    method: &'static str,
    path: &'static str,
    kind: MethodKind,
    idempotency: Idempotency,
}

impl MethodSpec {
    /// The name of a method that stands for all of its service.
    pub(crate) const ANY: &'static str = "*";

    /// Describes a method: `service` is the full proto name (`bookshop.v1.Bookshop`), `method` the proto
    /// name (`GetBook`), and `path` both of them as gRPC spells them (`/bookshop.v1.Bookshop/GetBook`).
    pub const fn new(
        service: &'static str,
        method: &'static str,
        path: &'static str,
        kind: MethodKind,
    ) -> Self {
        Self { service, method, path, kind, idempotency: Idempotency::Unknown }
    }

    /// The same method with the `idempotency_level` its proto states.
    #[must_use]
    pub const fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// The full name of the service, `bookshop.v1.Bookshop`.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// The name of the method in its service, `GetBook`.
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// The path of the method over gRPC and Connect, `/bookshop.v1.Bookshop/GetBook`.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The full name as logs and errors print it, `bookshop.v1.Bookshop/GetBook`.
    pub fn full_name(&self) -> &'static str {
        self.path.strip_prefix('/').unwrap_or(self.path)
    }

    /// Which sides stream.
    pub const fn kind(&self) -> MethodKind {
        self.kind
    }

    /// What the proto promises about calling the method again.
    pub const fn idempotency_level(&self) -> Idempotency {
        self.idempotency
    }
}

impl fmt::Display for MethodSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name())
    }
}

/// Which sides of a method send a stream of messages rather than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// One request, one reply.
    Unary,
    /// A stream of requests, one reply.
    ClientStreaming,
    /// One request, a stream of replies.
    ServerStreaming,
    /// A stream each way.
    BidiStreaming,
}

impl MethodKind {
    /// Whether the caller sends a stream.
    pub const fn client_streams(self) -> bool {
        matches!(self, Self::ClientStreaming | Self::BidiStreaming)
    }

    /// Whether the service answers with a stream.
    pub const fn server_streams(self) -> bool {
        matches!(self, Self::ServerStreaming | Self::BidiStreaming)
    }
}

/// The `idempotency_level` option of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Idempotency {
    /// The proto says nothing.
    #[default]
    Unknown,
    /// Calling changes nothing: an edge may offer it over HTTP GET.
    NoSideEffects,
    /// Calling twice is like calling once.
    Idempotent,
}
