//! An interceptor that lets each caller make so many calls in a time, and no more.
//!
//! A bucket of tokens is one number: when it will be full again. A call takes a token by moving that moment on, and is
//! refused where it would come to lie further ahead than a full bucket is deep. This is the generic cell rate
//! algorithm; there is nothing to refill, and nothing to do while nobody calls.
//!
//! What takes care is memory, since whoever calls may choose its key. Buckets lie in two generations. A bucket that is
//! used moves to the young one; when that is full, it becomes the old one, and what was in the old one is forgotten.
//! So a bucket lives until at least half as many others as may be there were used after it, and to forget costs
//! nothing. Keys are kept as hashes, under a secret of their own, so that a long one costs no more than a short one.
//! (`governor`, which is kept well, has the same algorithm and no bound on keys; the bound is the part worth having.)

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};
use tower::{Layer, Service};

use super::CallService;
use crate::call::{Call, RETRY_PUSHBACK_MS, Reply};
use crate::handler::ReplyFuture;

/// Lets a caller make so many calls in a time: a bucket of tokens for each key.
///
/// A call beyond that is refused with RESOURCE_EXHAUSTED before it is read. The refusal says when to come again: as
/// `google.rpc.RetryInfo` in its details, as `grpc-retry-pushback-ms` for clients of gRPC, and over HTTP as 429 with
/// `Retry-After`. A stream is one call.
///
/// Without more all callers share one bucket; [`per_peer`](Self::per_peer), [`per_metadata`](Self::per_metadata) and
/// [`per`](Self::per) give each its own. Added with [`ServerBuilder::interceptor`] it counts the calls of all methods
/// together, with [`ServerBuilder::interceptor_for`] those of that service or method. A clone counts with the original.
///
/// ```
/// use ambidex::interceptor::RateLimit;
///
/// let server = ambidex::Server::builder()
///     .interceptor(RateLimit::per_second(100).burst(200).per_peer())
///     .interceptor_for("bookshop.v1.Bookshop/ExportBooks", RateLimit::per_minute(2).per_metadata("x-account"));
/// ```
///
/// [`ServerBuilder::interceptor`]: crate::server::ServerBuilder::interceptor
/// [`ServerBuilder::interceptor_for`]: crate::server::ServerBuilder::interceptor_for
#[derive(Clone)]
pub struct RateLimit {
    /// How long a token takes to come.
    interval: Duration,
    burst: u32,
    keys_max: usize,
    key: Key,
    /// Made once, when the server is put together: every method it is for, and every clone, counts there.
    buckets: Arc<OnceLock<Arc<Buckets>>>,
}

/// The key of a call, as a hash; those without one share a bucket.
type Key = Arc<dyn Fn(&Call, &RandomState) -> Option<u64> + Send + Sync>;

/// How many keys are remembered unless it is said: about a megabyte of them.
const KEYS_MAX: usize = 32_768;

impl RateLimit {
    /// Lets `calls` pass in `time`, and as many at once. Zero calls are taken as one.
    ///
    /// # Panics
    ///
    /// When `time` is zero.
    pub fn new(calls: u32, time: Duration) -> Self {
        assert!(!time.is_zero(), "calls are limited within some time, not within none");
        let calls = calls.max(1);
        let interval = (time / calls).max(Duration::from_nanos(1));
        Self {
            interval,
            burst: calls,
            keys_max: KEYS_MAX,
            key: Arc::new(|_, _| None),
            buckets: Arc::default(),
        }
    }

    /// Lets `calls` pass each second.
    pub fn per_second(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(1))
    }

    /// Lets `calls` pass each minute.
    pub fn per_minute(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(60))
    }

    /// How many may come at once after a silence; without it, as many as in the whole time. Zero is taken as one.
    #[must_use]
    pub fn burst(mut self, calls: u32) -> Self {
        self.burst = calls.max(1);
        self.apart()
    }

    /// Counts the calls of each address by itself; of IPv6 each network of 64 bits, as one subscriber has them all; on a
    /// Unix socket each user. Behind a proxy all calls come from its address. Calls in the same process, which have
    /// none, share a bucket.
    #[must_use]
    pub fn per_peer(self) -> Self {
        self.per(|call| {
            let peer = call.context().peer();
            let user = || peer.unix.as_ref().map(|peer| Far::User(peer.uid));
            peer.address.map(|address| Far::Network(network(address.ip()))).or_else(user)
        })
    }

    /// Counts the calls of each value of a metadata key by itself, which over HTTP is a header. Name one that was
    /// checked before, such as the account that was authenticated: who may choose its value at will has a new bucket
    /// each time. Calls without it share a bucket.
    ///
    /// # Panics
    ///
    /// When `name` cannot be the name of a header.
    #[must_use]
    pub fn per_metadata(self, name: &str) -> Self {
        let name = http::HeaderName::try_from(name).unwrap_or_else(|_| {
            panic!("{name:?} cannot be a metadata key, by which calls are to be limited")
        });
        self.per(move |call| call.metadata.as_ref().get(&name).map(|value| value.as_bytes().to_vec()))
    }

    /// Counts the calls of each key by itself, such as a value that an interceptor before this one has put among the
    /// extensions. Calls without a key share a bucket.
    ///
    /// ```
    /// use ambidex::interceptor::RateLimit;
    ///
    /// #[derive(Clone, Hash)]
    /// struct Account(u64);
    ///
    /// let limit = RateLimit::per_second(10).per(|call| call.extensions.get::<Account>().cloned());
    /// ```
    #[must_use]
    pub fn per<K: Hash>(mut self, key: impl Fn(&Call) -> Option<K> + Send + Sync + 'static) -> Self {
        self.key = Arc::new(move |call, secret| key(call).map(|key| secret.hash_one(key)));
        self.apart()
    }

    /// How many keys are remembered; 32 768 unless it is said, which take about a megabyte. When there are more, those
    /// that have not called for the longest begin with a full bucket.
    #[must_use]
    pub fn keys_max(mut self, keys: usize) -> Self {
        self.keys_max = keys;
        self.apart()
    }

    /// What is changed is another limit than what it was cloned from.
    fn apart(mut self) -> Self {
        self.buckets = Arc::default();
        self
    }
}

/// What a peer is known by.
#[derive(Hash)]
enum Far {
    Network(IpAddr),
    User(u32),
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("interval", &self.interval)
            .field("burst", &self.burst)
            .field("keys_max", &self.keys_max)
            .finish_non_exhaustive()
    }
}

/// The buckets of a limit.
struct Buckets {
    began: Instant,
    interval_ns: u64,
    /// How far ahead of now the moment may lie at which a bucket is full again, for one more token to be in it.
    ahead_max_ns: u64,
    generation_max: usize,
    /// What keys are hashed under.
    secret: RandomState,
    generations: Mutex<Generations>,
}

/// By key, when the bucket will be full again, in nanoseconds since they all began.
#[derive(Default)]
struct Generations {
    young: HashMap<Option<u64>, u64>,
    old: HashMap<Option<u64>, u64>,
}

impl Buckets {
    fn new(limit: &RateLimit) -> Self {
        let interval_ns = u64::try_from(limit.interval.as_nanos()).unwrap_or(u64::MAX);
        Self {
            began: Instant::now(),
            interval_ns,
            ahead_max_ns: interval_ns.saturating_mul(u64::from(limit.burst) - 1),
            generation_max: (limit.keys_max / 2).max(1),
            secret: RandomState::new(),
            generations: Mutex::default(),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// How long there will be none.
    fn take(&self, key: Option<u64>, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = generations.take(&key).unwrap_or(0).max(now);
        let ahead = full_at - now;
        let has_token = ahead <= self.ahead_max_ns;
        // Also who is refused is remembered: to forget would be to let pass.
        let full_at = if has_token { full_at.saturating_add(self.interval_ns) } else { full_at };
        generations.put(key, full_at, self.generation_max);
        if has_token { Ok(()) } else { Err(Duration::from_nanos(ahead - self.ahead_max_ns)) }
    }
}

impl Generations {
    fn take(&mut self, key: &Option<u64>) -> Option<u64> {
        self.young.get(key).copied().or_else(|| self.old.remove(key))
    }

    fn put(&mut self, key: Option<u64>, full_at: u64, generation_max: usize) {
        if self.young.len() >= generation_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, full_at);
    }
}

fn refused(wait: Duration) -> Status {
    // Rounded up: who comes a moment too early is refused again.
    let wait_ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(wait_ms)));
    let message = "too many calls; try again later";
    let mut status = Status::with_error_details(tonic::Code::ResourceExhausted, message, details);
    status.metadata_mut().insert(RETRY_PUSHBACK_MS, wait_ms.into());
    status
}

impl Layer<CallService> for RateLimit {
    type Service = RateLimitService;

    fn layer(&self, inner: CallService) -> RateLimitService {
        let buckets = self.buckets.get_or_init(|| Arc::new(Buckets::new(self)));
        RateLimitService { key: Arc::clone(&self.key), buckets: Arc::clone(buckets), inner }
    }
}

/// The service [`RateLimit`] makes.
#[derive(Clone)]
pub struct RateLimitService {
    key: Key,
    buckets: Arc<Buckets>,
    inner: CallService,
}

impl Service<Call> for RateLimitService {
    type Response = Reply;
    type Error = Status;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> ReplyFuture {
        // The key is the user's code: asked before the lock is held.
        let key = (self.key)(&call, &self.buckets.secret);
        match self.buckets.take(key, Instant::now()) {
            Ok(()) => self.inner.invoke(call),
            Err(wait) => Box::pin(std::future::ready(Err(refused(wait)))),
        }
    }
}

impl fmt::Debug for RateLimitService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateLimitService")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(limit: RateLimit) -> (Buckets, Instant) {
        let buckets = Buckets::new(&limit);
        let began = buckets.began;
        (buckets, began)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let (buckets, began) = buckets(RateLimit::per_second(10).burst(3));
        for _ in 0..3 {
            assert_eq!(buckets.take(Some(1), began), Ok(()));
        }
        assert_eq!(buckets.take(Some(1), began), Err(ms(100)));
        assert_eq!(buckets.take(Some(1), began + ms(60)), Err(ms(40)), "to ask costs no token");
        assert_eq!(buckets.take(Some(2), began), Ok(()), "another's bucket is full");
        assert_eq!(buckets.take(None, began), Ok(()), "and so is nobody's");
        assert_eq!(buckets.take(Some(1), began + ms(100)), Ok(()));
        assert_eq!(buckets.take(Some(1), began + ms(100)), Err(ms(100)));
        // After a silence the burst is there again, and not more.
        for _ in 0..3 {
            assert_eq!(buckets.take(Some(1), began + ms(10_000)), Ok(()));
        }
        assert_eq!(buckets.take(Some(1), began + ms(10_000)), Err(ms(100)));
    }

    #[test]
    fn over_time_as_many_pass_as_are_allowed() {
        let (buckets, began) = buckets(RateLimit::per_second(50).burst(5));
        let passed = (0..10_000).filter(|&at| buckets.take(None, began + ms(at)).is_ok()).count();
        assert_eq!(passed, 5 + 50 * 10 - 1);
    }

    #[test]
    fn memory_is_bounded_and_who_calls_is_remembered() {
        let (buckets, began) = buckets(RateLimit::per_minute(1).keys_max(100));
        assert_eq!(buckets.take(Some(0), began), Ok(()));
        for key in 1..100_000 {
            assert_eq!(buckets.take(Some(key), began), Ok(()));
            if key % 40 == 0 {
                assert!(buckets.take(Some(0), began).is_err(), "it called a moment ago, as {key} did");
            }
        }
        let generations = buckets.generations.lock().expect("no test panics with the lock");
        assert!(generations.young.len() + generations.old.len() <= 100);
        drop(generations);
        assert_eq!(buckets.take(Some(1), began), Ok(()), "it has not called for long, and is forgotten");
    }

    #[test]
    fn extremes_do_not_overflow() {
        let (buckets, began) = buckets(RateLimit::new(1, Duration::MAX).burst(u32::MAX).keys_max(0));
        for _ in 0..3 {
            assert_eq!(buckets.take(None, began), Ok(()));
        }
        let (buckets, began) = self::buckets(RateLimit::new(u32::MAX, Duration::from_nanos(1)));
        assert_eq!(buckets.take(None, began), Ok(()));
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_peer() {
        let network = |address: &str| super::network(address.parse().expect("an address"));
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[test]
    fn a_refusal_says_when_to_come_again_and_rounds_up() {
        let status = refused(Duration::from_nanos(1_000_001));
        assert_eq!(status.metadata().get(RETRY_PUSHBACK_MS).expect("push-back"), "2");
        assert_eq!(status.get_details_retry_info().expect("details").retry_delay, Some(ms(2)));
    }
}
