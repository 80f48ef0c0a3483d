//! What an operator says of methods, over what their code says: where they run, in which lane, for how long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Execution;
use crate::call::{MethodSpec, ReplyCoding};
use crate::scheduler::Criticality;

/// How one method runs, or every method of one service: what is set here holds over what the code says.
///
/// Given to [`ServerBuilder::method`](crate::server::ServerBuilder::method), or as part of
/// [`Config::methods`](crate::server::Config::methods).
///
/// ```
/// use ambidex::scheduler::Criticality;
/// use ambidex::server::MethodConfig;
///
/// let server = ambidex::Server::builder()
///     .method("bookshop.v1.Bookshop", MethodConfig::new().timeout_ms(5_000))
///     .method("bookshop.v1.Bookshop/ExportBooks", MethodConfig::new().criticality(Criticality::Sheddable));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "config",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct MethodConfig {
    /// Whether it runs on scheduler threads rather than on the runtime. An `async fn` may be moved to where it can
    /// block, and a `fn` that turned out never to block, off it.
    pub blocking: Option<bool>,
    /// The lane it queues in, in place of its own or the one its code names. For blocking methods.
    pub lane: Option<Arc<str>>,
    /// At most so many calls of its lane run at a time. For blocking methods.
    pub max_concurrency: Option<usize>,
    /// Bounds every call, also those whose caller would wait longer.
    pub timeout_ms: Option<u64>,
    /// How much its calls matter when its lane is overloaded. For blocking methods.
    pub criticality: Option<Criticality>,
    /// The largest request message, in place of [`Config::request_message_max_bytes`] over gRPC and of
    /// [`Config::body_max_bytes`] over HTTP.
    ///
    /// [`Config::request_message_max_bytes`]: crate::server::Config::request_message_max_bytes
    /// [`Config::body_max_bytes`]: crate::server::Config::body_max_bytes
    pub request_max_bytes: Option<usize>,
    /// The largest reply message over every protocol, in place of [`Config::reply_message_max_bytes`].
    ///
    /// [`Config::reply_message_max_bytes`]: crate::server::Config::reply_message_max_bytes
    pub reply_max_bytes: Option<usize>,
    /// What its replies over gRPC may be compressed with, in place of [`Config::grpc_compression`].
    ///
    /// [`Config::grpc_compression`]: crate::server::Config::grpc_compression
    pub grpc_compression: Option<Vec<ReplyCoding>>,
}

/// The bounds of a method's messages, where it has its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MessageLimits {
    pub(crate) request_max_bytes: Option<usize>,
    pub(crate) reply_max_bytes: Option<usize>,
}

impl MethodConfig {
    /// Leaves everything to the code.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs it on scheduler threads, or with `false` on the runtime.
    #[must_use]
    pub fn blocking(mut self, blocking: bool) -> Self {
        self.blocking = Some(blocking);
        self
    }

    /// Queues it in the lane of that name.
    #[must_use]
    pub fn lane(mut self, name: impl Into<Arc<str>>) -> Self {
        self.lane = Some(name.into());
        self
    }

    /// Lets at most `calls` of its lane run at a time; zero is taken as one.
    #[must_use]
    pub fn max_concurrency(mut self, calls: usize) -> Self {
        self.max_concurrency = Some(calls.max(1));
        self
    }

    /// Bounds every call.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.timeout_ms = Some(timeout_ms);
        self
    }

    /// Says how much its calls matter.
    #[must_use]
    pub fn criticality(mut self, criticality: Criticality) -> Self {
        self.criticality = Some(criticality);
        self
    }

    /// Takes request messages of at most so many bytes.
    #[must_use]
    pub fn request_max_bytes(mut self, bytes: usize) -> Self {
        self.request_max_bytes = Some(bytes);
        self
    }

    /// Sends reply messages of at most so many wire bytes.
    #[must_use]
    pub fn reply_max_bytes(mut self, bytes: usize) -> Self {
        self.reply_max_bytes = Some(bytes);
        self
    }

    /// Compresses its replies over gRPC with the first of these that the caller accepts; with none of none.
    #[must_use]
    pub fn grpc_compression(mut self, codings: impl Into<Vec<ReplyCoding>>) -> Self {
        self.grpc_compression = Some(codings.into());
        self
    }

    /// This, and where it says nothing, `other`.
    pub(crate) fn or(self, other: &Self) -> Self {
        Self {
            blocking: self.blocking.or(other.blocking),
            lane: self.lane.or_else(|| other.lane.clone()),
            max_concurrency: self.max_concurrency.or(other.max_concurrency),
            timeout_ms: self.timeout_ms.or(other.timeout_ms),
            criticality: self.criticality.or(other.criticality),
            request_max_bytes: self.request_max_bytes.or(other.request_max_bytes),
            reply_max_bytes: self.reply_max_bytes.or(other.reply_max_bytes),
            grpc_compression: self.grpc_compression.or_else(|| other.grpc_compression.clone()),
        }
    }
}

/// Everything that was said of methods and services, by their full names.
#[derive(Debug, Clone, Default)]
pub(crate) struct MethodConfigs(BTreeMap<String, MethodConfig>);

impl MethodConfigs {
    /// Says more: of what was said before of the same name, only what is not said now still holds.
    pub(crate) fn add(&mut self, name: &str, config: MethodConfig) {
        // Someone may spell it as it is called.
        let name = name.strip_prefix('/').unwrap_or(name);
        let before = self.0.remove(name).unwrap_or_default();
        self.0.insert(name.to_owned(), config.or(&before));
    }

    /// How a method runs whose code says `execution`.
    pub(super) fn placement(&self, method: &'static MethodSpec, execution: Execution) -> Placement {
        let said = |name: &str| self.0.get(name).cloned().unwrap_or_default();
        let config = said(method.full_name()).or(&said(method.service()));
        Placement {
            blocking: config.blocking.unwrap_or(execution.is_blocking()),
            lane: config.lane.unwrap_or_else(|| execution.lane_name().unwrap_or(method.full_name()).into()),
            max_concurrency: config.max_concurrency.or(execution.max_concurrency_limit()),
            timeout: config.timeout_ms.map(Duration::from_millis).or(execution.timeout_limit()),
            criticality: config.criticality,
            message_limits: MessageLimits {
                request_max_bytes: config.request_max_bytes,
                reply_max_bytes: config.reply_max_bytes,
            },
            grpc_compression: config.grpc_compression.map(Arc::from),
        }
    }

    /// The names that belong to none of `methods` and to no service of theirs.
    pub(crate) fn strangers(&self, methods: &[&'static MethodSpec]) -> Vec<&str> {
        let is_known =
            |name: &str| methods.iter().any(|method| method.full_name() == name || method.service() == name);
        self.0.keys().map(String::as_str).filter(|name| !is_known(name)).collect()
    }
}

/// How a method runs, all considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) blocking: bool,
    pub(super) lane: Arc<str>,
    pub(super) max_concurrency: Option<usize>,
    pub(super) timeout: Option<Duration>,
    pub(super) criticality: Option<Criticality>,
    pub(super) message_limits: MessageLimits,
    pub(super) grpc_compression: Option<Arc<[ReplyCoding]>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::MethodKind;

    static METHOD: MethodSpec = MethodSpec::new("a.v1.A", "Get", "/a.v1.A/Get", MethodKind::Unary);
    const CODE: Execution = Execution::BLOCKING.lane("code").max_concurrency(4);

    #[test]
    fn without_configuration_the_code_decides() {
        let placement = MethodConfigs::default().placement(&METHOD, CODE);
        assert_eq!(
            (placement.blocking, &*placement.lane, placement.max_concurrency),
            (true, "code", Some(4))
        );
        let placement = MethodConfigs::default().placement(&METHOD, Execution::BLOCKING);
        assert_eq!(&*placement.lane, "a.v1.A/Get");
    }

    #[test]
    fn the_method_goes_before_its_service_and_both_before_the_code() {
        let mut configs = MethodConfigs::default();
        configs.add("a.v1.A", MethodConfig::new().lane("service").timeout_ms(1).request_max_bytes(9));
        configs.add("/a.v1.A/Get", MethodConfig::new().lane("method").blocking(false));
        configs.add("a.v1.A", MethodConfig::new().grpc_compression([ReplyCoding::Zstd]));
        configs.add("a.v1.A/Get", MethodConfig::new().criticality(Criticality::Critical));
        let placement = configs.placement(&METHOD, CODE);
        let expected = Placement {
            blocking: false,
            lane: "method".into(),
            max_concurrency: Some(4),
            timeout: Some(Duration::from_millis(1)),
            criticality: Some(Criticality::Critical),
            message_limits: MessageLimits { request_max_bytes: Some(9), reply_max_bytes: None },
            grpc_compression: Some([ReplyCoding::Zstd].into()),
        };
        assert_eq!(placement, expected);
        assert_eq!(configs.strangers(&[&METHOD]), [""; 0]);
        configs.add("a.v1.A/Put", MethodConfig::new());
        assert_eq!(configs.strangers(&[&METHOD]), ["a.v1.A/Put"]);
    }
}
