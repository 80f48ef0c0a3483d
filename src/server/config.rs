//! Every limit and every default of a server, with its unit in its name and its reason beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use ambidex_schema::{DecodeOptions, EncodeOptions, Schema};

use super::{AdminConfig, Cors, ListenerConfig, lifetime};
use crate::call::{Pace, ReplyCoding};
use crate::handler::MethodConfig;
use crate::scheduler::SchedulerConfig;
use crate::{dispatch, grpc, http};

/// How long streams that were ended by the drain have to send their last record.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(250);

/// How long accepting pauses when the system has no descriptor left for another connection.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that the system keeps for a socket until they are accepted: what tokio asks for where it opens one.
pub(super) const BACKLOG: u32 = 1024;

/// How long those have to send a call who connected in the very moment when the server stopped listening: most have sent it
/// with that, and who has not is asked to call somebody else.
pub(super) const LATECOMERS: Duration = Duration::from_millis(500);

/// How often it is said, at the most, that there is no place for another connection.
pub(super) const FULL_NOTICE: Duration = Duration::from_secs(10);

/// A connection's rest is looked at so often within its idle timeout, and at least this often: so soon it makes room where
/// others wait. A look costs a microsecond.
pub(super) const LOOKS_PER_IDLE_TIMEOUT: u32 = 4;
pub(super) const CROWDED_LOOK: Duration = Duration::from_secs(5);

/// How long, and how much of, the rest of a request body is read that nobody wants: enough for a client that sends a
/// body of twice the default bound to have its refusal, and for one that never ends to be cut off soon.
pub(super) const LINGER: Duration = Duration::from_secs(2);
pub(super) const LINGER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// hyper reads HTTP/1.1 in a buffer of at least this.
pub(super) const HTTP1_BUFFER_MIN_BYTES: usize = 8192;

/// The limits and options of a server. Start from [`Config::default`] and change what you need.
///
/// ```
/// let mut config = ambidex::server::Config::default();
/// config.body_max_bytes = 1024 * 1024;
/// config.json_out.emit_unset_fields = true;
/// let server = ambidex::Server::builder().config(config);
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "config",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Config {
    /// Where the server listens, `host:port` or `unix:/path`, in place of the address that the program gives to
    /// [`serve`] or [`bind`]. What is served there, and with which TLS, stays as the program says.
    ///
    /// [`serve`]: crate::server::ServerBuilder::serve
    /// [`bind`]: crate::server::ServerBuilder::bind
    pub address: Option<String>,
    /// Where it listens for gRPC alone, in place of what the program says with [`grpc_address`]; the other address then
    /// serves HTTP alone.
    ///
    /// [`grpc_address`]: crate::server::ServerBuilder::grpc_address
    pub grpc_address: Option<String>,
    /// All of the places where the server listens, each with what it serves. Where there are any, none that the program
    /// names is listened at.
    pub listeners: Vec<ListenerConfig>,
    /// Where the admin pages are, and whether there are any.
    pub admin: AdminConfig,
    /// Whether gRPC's health service answers; not set, it does where the program has given it a [`Health`].
    ///
    /// [`Health`]: crate::server::Health
    pub health: Option<bool>,
    /// Whether reflection answers; not set, it does where the program says so with [`reflection`].
    ///
    /// [`reflection`]: crate::server::ServerBuilder::reflection
    pub reflection: Option<bool>,
    /// Whether calls, messages and connections are counted where the program says so with [`metrics`], and with the feature
    /// `prometheus` for an admin page.
    ///
    /// [`metrics`]: crate::server::ServerBuilder::metrics
    pub metrics: bool,
    /// Connections open at once, over all listeners; the next one waits to be accepted, which the log says. Those without a
    /// call make room for it.
    pub connections_max: usize,
    /// Streams, which is calls, under way at once on one HTTP/2 connection. The next is reset with REFUSED_STREAM, and may be
    /// begun again.
    pub streams_per_connection_max: u32,
    /// How long a client may take to say which HTTP version it speaks, and to send the head of an HTTP/1.1
    /// request, once it has begun.
    pub header_read_timeout_ms: u64,
    /// How long a connection may be without a call, over HTTP/1.1 as over HTTP/2, before it is closed, politely; zero for
    /// as long as it likes.
    pub connection_idle_timeout_ms: u64,
    /// How old a connection may become, give or take a tenth: then its client is asked to open another, by GOAWAY or
    /// `connection: close`. Whoever asks a balancer for a server again comes to new ones, too. A WebSocket is a call and
    /// goes on.
    pub connection_age_max_ms: Option<u64>,
    /// How long the calls of a connection that has to end may go on; then it is cut.
    pub connection_grace_ms: u64,
    /// Bytes that the head of a request may have, its target and its headers; over HTTP/1.1 never less than 8 KiB. More is
    /// 431.
    pub headers_max_bytes: u32,
    /// Bytes that path and query of an HTTP request may have together; zero for as many as
    /// [`headers_max_bytes`](Self::headers_max_bytes) leaves room for, which should be more. More is 414.
    pub target_max_bytes: usize,
    /// After this much silence on an HTTP/2 connection the server asks whether the client is there.
    pub http2_keep_alive_interval_ms: u64,
    /// How long the client may take to say so.
    pub http2_keep_alive_timeout_ms: u64,
    /// HTTP/2 frames that move no call (PING, SETTINGS, PRIORITY, WINDOW_UPDATE) a client may send in a second, beyond one
    /// for each that does and for what it is sent. More is GOAWAY with ENHANCE_YOUR_CALM.
    pub http2_control_frames_per_second_max: u32,
    /// Streams that a client may have begun and reset before the server has looked at them. More is GOAWAY with
    /// ENHANCE_YOUR_CALM: [CVE-2023-44487](https://www.cve.org/CVERecord?id=CVE-2023-44487), the rapid reset.
    pub http2_pending_resets_max: usize,
    /// Streams that the server has to reset, on one connection, since the client broke the protocol on them. More is
    /// GOAWAY with ENHANCE_YOUR_CALM: [CVE-2025-8671](https://www.cve.org/CVERecord?id=CVE-2025-8671).
    pub http2_error_resets_max: usize,
    /// How long a TLS handshake may take. With the feature `tls`.
    pub tls_handshake_timeout_ms: u64,
    /// How often the files of keys and certificates are looked at, and read again if they changed; zero for never. With
    /// the feature `tls`.
    pub tls_reload_interval_ms: u64,
    /// Calls under way at once, over all protocols together. The next is RESOURCE_EXHAUSTED.
    pub in_flight_max: usize,
    /// The deadline of a call whose caller states none; without it such a call may take for ever.
    pub timeout_default_ms: Option<u64>,
    /// The longest a caller may ask for; a longer wish is cut to it.
    pub timeout_max_ms: Option<u64>,
    /// The largest HTTP request body, and the largest line of a streamed one. More is 413.
    pub body_max_bytes: usize,
    /// How long the body of a request may take that is one message; the more has come of it, the longer it may. Who is
    /// slower is answered with 408, and over gRPC with DEADLINE_EXCEEDED. Zero is no bound; streams of requests have none.
    pub body_read_timeout_ms: u64,
    /// Bytes of such a body that are worth another second.
    pub body_bytes_per_second_min: u32,
    /// The largest gRPC request message, decompressed. More is RESOURCE_EXHAUSTED.
    pub request_message_max_bytes: usize,
    /// The largest reply message, measured as protobuf's wire bytes whatever the wire. More is an error of the handler,
    /// RESOURCE_EXHAUSTED.
    pub reply_message_max_bytes: usize,
    /// What gRPC replies are compressed with: the first of these that the caller accepts. An empty list is never.
    pub grpc_compression: Vec<ReplyCoding>,
    /// Whether gRPC-Web is served where gRPC is, for pages in browsers. For those of other origins see
    /// [`cors`](Self::cors).
    pub grpc_web: bool,
    /// How long a client may take nothing of a reply that is there for it. Then its stream over HTTP/2 is reset, and any
    /// other connection closed. Zero for as long as it likes. A tunnel (CONNECT) over HTTP/2 is no reply.
    pub reply_stall_timeout_ms: u64,
    /// Bytes of a streamed HTTP reply that are gathered before they are sent, if they are there at once.
    pub stream_chunk_max_bytes: usize,
    /// How long calls in flight may go on after the server was told to stop.
    pub drain_timeout_ms: u64,
    /// How long the server goes on as before after it was told to stop, but for its health and readiness, which say no:
    /// for balancers to notice. The time to drain begins after it.
    pub drain_quiet_ms: u64,
    /// How long a stream may be silent after the server was told to stop, before it ends with UNAVAILABLE.
    pub drain_silence_ms: u64,
    /// How long each stop hook may take after the drain; then the next one's turn has come.
    pub stop_hook_timeout_ms: u64,
    /// How long the head of a server stream waits for its first message, so that an early error has its own
    /// HTTP status, and over gRPC is trailers-only; a later one comes as the last record.
    pub first_message_wait_ms: u64,
    /// How JSON requests are read.
    pub json_in: DecodeOptions,
    /// How JSON replies are written.
    pub json_out: EncodeOptions,
    /// Whether a `%2F` in a path may separate segments where no route matches it as it stands, for clients that
    /// escape the slashes inside of `{name=shelves/*}`.
    pub split_escaped_slashes: bool,
    /// Whether query parameters that name no field are passed over rather than refused.
    pub ignore_unknown_query: bool,
    /// Whether a JSON body that sets a field which the path sets too, to something else, is refused. Else the path
    /// wins.
    pub refuse_contradicting_bodies: bool,
    /// Whether clients of REST routes may choose with `fields=name,author.name`, or `$fields`, what of a reply they
    /// see, as [Google's partial responses](https://cloud.google.com/apis/docs/system-parameters) have it.
    pub response_masks: bool,
    /// Whether methods without a `google.api.http` rule have a REST route all the same: `POST /v1/shop:placeOrder`
    /// for `PlaceOrder` of `shop.v1.Shop`, and GET where the proto says `NO_SIDE_EFFECTS`.
    pub rest_routes_without_rule: bool,
    /// Whether Connect clients have to send `Connect-Protocol-Version: 1`, so that a proxy can tell them from others.
    pub connect_require_protocol_header: bool,
    /// Whether HTTP replies are compressed for clients that ask for it: gzip, brotli or zstd.
    pub compress_replies: bool,
    /// The smallest HTTP reply, message of a Connect stream, or message over gRPC that is compressed.
    pub compress_min_bytes: usize,
    /// How often a silent stream of server-sent events or a silent WebSocket says that it is there; zero for never.
    /// A WebSocket that has not answered for three times as long is given up.
    pub stream_keep_alive_ms: u64,
    /// The field of reply messages whose value is the id of their server-sent event, and so what a client sends as
    /// `Last-Event-ID` after it lost the stream. Where a message has no such field, and by default, events are
    /// counted from 1, or on from a number in `Last-Event-ID`.
    pub sse_id_field: Option<String>,
    /// Pages of which other origins may call over HTTP and open WebSockets. Pages of the server's own origin always
    /// may.
    pub cors: Option<Cors>,
    /// How methods run, over what their code and the program say: by full name, `bookshop.v1.Bookshop/PlaceOrder`, or all of a
    /// service by its own, `bookshop.v1.Bookshop`. A name that no service has is an error at start-up.
    pub methods: BTreeMap<String, MethodConfig>,
    /// The metadata key, which over HTTP is the header, whose values say on whose behalf a call is made: one who floods
    /// a lane waits behind their own calls. Name one that only a proxy or an interceptor can have set, such as the
    /// account that was authenticated. [`ServerBuilder::tenant_key`] holds over it.
    ///
    /// [`ServerBuilder::tenant_key`]: crate::server::ServerBuilder::tenant_key
    pub tenant_metadata: Option<String>,
    /// Whether each call is a span of `tracing`, with the target `ambidex::call` and the level INFO. Where no subscriber
    /// wants it, it costs a look.
    pub call_spans: bool,
    /// Whether each call that has ended is an event of `tracing`, with the target `ambidex::access` and the level INFO.
    pub access_log: bool,
    /// The scheduler's own limits, and its lanes.
    pub scheduler: SchedulerConfig,
    /// Whether every setting, with its value and where that comes from, is written to standard error at start-up.
    #[cfg(feature = "config")]
    pub print_config: bool,
    #[cfg(feature = "config")]
    #[serde(skip)]
    pub(super) origins: super::settings::Origins,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // The program says, and who runs it may know better.
            address: None,
            grpc_address: None,
            listeners: Vec::new(),
            admin: AdminConfig::default(),
            health: None,
            reflection: None,
            // It costs a few additions a call, and only who wants the figures asks for it.
            metrics: true,
            // A connection that idles costs some ten kilobytes; this many fit any machine worth serving from.
            connections_max: 10_000,
            // hyper's own bound; enough for one busy client, and small enough that one is not all.
            streams_per_connection_max: 200,
            header_read_timeout_ms: 10_000,
            // Longer than the most patient balancer keeps one (600 s), so that it is never sent a request while it is
            // being closed.
            connection_idle_timeout_ms: 620_000,
            // Only behind a balancer of connections does anybody gain by it, and who has one knows how often.
            connection_age_max_ms: None,
            // A unary call is over by then; a stream that lasts has to know how to begin anew.
            connection_grace_ms: 60_000,
            headers_max_bytes: 16 * 1024,
            // As nginx and Apache have it; the RFC asks for as much.
            target_max_bytes: 8 * 1024,
            // Rarer than most balancers' idle timeouts, so that it keeps a quiet stream open through them.
            http2_keep_alive_interval_ms: 30_000,
            http2_keep_alive_timeout_ms: 20_000,
            // Well-behaved clients send a few; this many cost a thousandth of a processor.
            http2_control_frames_per_second_max: 1_000,
            // h2's own: a client that cancels in earnest does so later.
            http2_pending_resets_max: 20,
            // h2's own: no honest client comes near it in the life of a connection.
            http2_error_resets_max: 1024,
            // As for a head: two round trips and a signature, which the slowest phone has done by then.
            tls_handshake_timeout_ms: 10_000,
            // Certificates are renewed days before they end; three looks a minute cost nothing.
            tls_reload_interval_ms: 60_000,
            in_flight_max: 10_000,
            // gRPC has no default deadline, and a wrong guess would cut honest streams.
            timeout_default_ms: None,
            timeout_max_ms: None,
            // gRPC's own default for messages, and the same for bodies, so that a call fits over each.
            body_max_bytes: 4 * 1024 * 1024,
            request_message_max_bytes: 4 * 1024 * 1024,
            // Apache's own: the worst of lines is faster, and who is slower on purpose holds a place in flight.
            body_read_timeout_ms: 20_000,
            body_bytes_per_second_min: 500,
            // Most clients refuse more than 4 MiB, but those that were told to may take more.
            reply_message_max_bytes: 64 * 1024 * 1024,
            // Most clients accept gzip whether or not it is worth its CPU to them, and the server pays for it; one that
            // compresses what it sends has decided.
            grpc_compression: vec![ReplyCoding::Mirror],
            // It is told apart by its content type, and costs nobody else anything.
            grpc_web: true,
            // Envoy's own for a stream that stands still: a slow reader reads now and then, and who reads nothing for
            // so long holds memory, a handler and its place for nobody.
            reply_stall_timeout_ms: 300_000,
            // A few packets: enough to spare system calls, little enough to be on its way.
            stream_chunk_max_bytes: 16 * 1024,
            // Kubernetes kills after 30 s; this leaves time to say so.
            drain_timeout_ms: 25_000,
            // Who has no balancer should not wait for one.
            drain_quiet_ms: 0,
            // Long enough for whoever is at work on the next message, short enough for a Ctrl-C.
            drain_silence_ms: 1_000,
            // Two fit between the end of the drain and Kubernetes' 30 s.
            stop_hook_timeout_ms: 2_000,
            // Most errors are known at once; an EventSource should not look dead for longer.
            first_message_wait_ms: 250,
            json_in: DecodeOptions::default(),
            json_out: EncodeOptions::default(),
            split_escaped_slashes: false,
            ignore_unknown_query: false,
            // google/api/http.proto leaves it to the path.
            refuse_contradicting_bodies: false,
            // A field called `fields` would be shadowed.
            response_masks: false,
            // A route is a promise: its owner should have made it.
            rest_routes_without_rule: false,
            // curl is a client too.
            connect_require_protocol_header: false,
            // Only who asks for it pays for it.
            compress_replies: true,
            // Less fits a packet anyhow.
            compress_min_bytes: 1024,
            // Half of what the most impatient balancers wait.
            stream_keep_alive_ms: 15_000,
            sse_id_field: None,
            cors: None,
            methods: BTreeMap::new(),
            // Only the user knows who is whose.
            tenant_metadata: None,
            // Both cost more than a small call does itself, and a log of every call is a choice.
            call_spans: false,
            access_log: false,
            scheduler: SchedulerConfig::default(),
            // Logs should not begin with a page.
            #[cfg(feature = "config")]
            print_config: false,
            #[cfg(feature = "config")]
            origins: Default::default(),
        }
    }
}

impl Config {
    pub(crate) fn header_read_timeout(&self) -> Duration {
        Duration::from_millis(self.header_read_timeout_ms)
    }

    pub(super) fn span(&self) -> lifetime::Span {
        lifetime::Span {
            age_max: self.connection_age_max_ms.map(Duration::from_millis),
            grace: Duration::from_millis(self.connection_grace_ms),
            idle_timeout: Some(self.connection_idle_timeout_ms)
                .filter(|&ms| ms > 0)
                .map(Duration::from_millis),
        }
    }

    pub(super) fn tls_handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.tls_handshake_timeout_ms)
    }

    pub(super) fn tls_reload_interval(&self) -> Duration {
        Duration::from_millis(self.tls_reload_interval_ms)
    }

    pub(crate) fn reply_stall_timeout(&self) -> Duration {
        Duration::from_millis(self.reply_stall_timeout_ms)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }

    pub(crate) fn drain_quiet(&self) -> Duration {
        Duration::from_millis(self.drain_quiet_ms)
    }

    pub(crate) fn stop_hook_timeout(&self) -> Duration {
        Duration::from_millis(self.stop_hook_timeout_ms)
    }

    fn request_pace(&self) -> Pace {
        Pace {
            timeout: Duration::from_millis(self.body_read_timeout_ms),
            bytes_per_second_min: self.body_bytes_per_second_min,
        }
    }

    pub(crate) fn dispatch(&self) -> dispatch::Limits {
        dispatch::Limits {
            in_flight_max: self.in_flight_max,
            timeout_default: self.timeout_default_ms.map(Duration::from_millis),
            timeout_max: self.timeout_max_ms.map(Duration::from_millis),
            drain_silence: Duration::from_millis(self.drain_silence_ms),
            reply_max_bytes: self.reply_message_max_bytes,
        }
    }

    pub(crate) fn grpc(&self) -> grpc::Limits {
        grpc::Limits {
            first_message_wait: Duration::from_millis(self.first_message_wait_ms),
            request_message_max_bytes: self.request_message_max_bytes,
            request_pace: self.request_pace(),
            compression: self.grpc_compression.clone().into(),
            packed_min_bytes: self.compress_min_bytes,
        }
    }

    pub(crate) fn grpc_json(&self, schema: &Schema) -> grpc::Json {
        grpc::Json { schema: schema.clone(), read: self.json_in.clone(), write: self.json_out.clone() }
    }

    pub(crate) fn http(&self) -> http::HttpConfig {
        http::HttpConfig {
            body_max_bytes: self.body_max_bytes,
            target_max_bytes: if self.target_max_bytes == 0 { usize::MAX } else { self.target_max_bytes },
            request_pace: self.request_pace(),
            stream_chunk_max_bytes: self.stream_chunk_max_bytes.max(1),
            first_message_wait: Duration::from_millis(self.first_message_wait_ms),
            json_in: self.json_in.clone(),
            json_out: self.json_out.clone(),
            split_escaped_slashes: self.split_escaped_slashes,
            ignore_unknown_query: self.ignore_unknown_query,
            refuse_contradictions: self.refuse_contradicting_bodies,
            response_masks: self.response_masks,
            rest_without_rule: self.rest_routes_without_rule,
            connect_require_header: self.connect_require_protocol_header,
            compress_replies: self.compress_replies,
            compress_min_bytes: self.compress_min_bytes,
            keep_alive: Duration::from_millis(self.stream_keep_alive_ms),
            sse_id_field: self.sse_id_field.clone(),
            origins: self.cors.as_ref().map(|cors| cors.origins.clone()).unwrap_or_default(),
            credentials: self.cors.as_ref().is_some_and(|cors| cors.credentials),
        }
    }
}
