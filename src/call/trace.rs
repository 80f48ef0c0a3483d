//! Which trace a call belongs to, as [W3C Trace Context](https://www.w3.org/TR/trace-context/) spells it in two
//! headers, over every protocol alike.
//!
//! Read strictly: what is malformed is not there, and a trace begins anew. Nothing is read or made before somebody asks.
//!
//! ```text
//! traceparent = version "-" trace-id "-" parent-id "-" trace-flags    ; in lower-case hex: 2, 32, 16 and 2 digits
//! tracestate  = member *31( "," member )                             ; member = key "=" value, or nothing
//! ```

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;

use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// The names of the two headers.
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

/// The trace a call belongs to, and its own place in it; see [`Context::trace`](super::Context::trace).
///
/// Displayed, it is the `traceparent` of what the call itself calls.
///
/// ```
/// use ambidex::call::TraceContext;
///
/// let caller = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=1").unwrap();
/// assert_eq!(caller.span_id(), "b7ad6b7169203331");
/// assert!(caller.is_sampled());
///
/// let own = caller.child();
/// assert_eq!(own.trace_id(), caller.trace_id());
/// assert_eq!(own.parent_id().as_deref(), Some("b7ad6b7169203331"));
/// assert_eq!(own.to_string(), format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", own.span_id()));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    /// Zero where the trace begins.
    parent_id: u64,
    flags: u8,
    state: String,
}

/// Whether somebody records the trace.
const SAMPLED: u8 = 0x01;
/// Whether its id is random. Level 2 of the specification; other flags are reserved, and not passed on.
const RANDOM: u8 = 0x02;

impl TraceContext {
    /// Begins a trace, which is sampled.
    pub fn root() -> Self {
        let trace_id = (u128::from(random_id()) << 64) | u128::from(random_id());
        Self { trace_id, span_id: random_id(), parent_id: 0, flags: SAMPLED | RANDOM, state: String::new() }
    }

    /// Reads the two headers; the second may be empty. `None` where `traceparent` is malformed; a malformed
    /// `tracestate` is left out.
    pub fn parse(traceparent: &str, tracestate: &str) -> Option<Self> {
        let (trace_id, span_id, flags) = parse_parent(traceparent.as_bytes())?;
        let state = if is_state(tracestate) { tracestate.to_owned() } else { String::new() };
        Some(Self { trace_id, span_id, parent_id: 0, flags, state })
    }

    /// The caller's place in the trace, by the metadata of its call.
    pub fn from_metadata(metadata: &MetadataMap) -> Option<Self> {
        let mut parents = metadata.get_all(TRACEPARENT).iter();
        let parent = parents.next()?.to_str().ok()?;
        // Two parents are none.
        if parents.next().is_some() {
            return None;
        }
        let states: Option<Vec<_>> =
            metadata.get_all(TRACESTATE).iter().map(|state| state.to_str().ok()).collect();
        Self::parse(parent, &states.unwrap_or_default().join(","))
    }

    /// Puts the two headers into the metadata of a call, in place of others.
    pub fn write_to(&self, metadata: &mut MetadataMap) {
        let parent = self.to_string().parse::<AsciiMetadataValue>();
        metadata.insert(TRACEPARENT, parent.expect("digits and hyphens are ASCII"));
        metadata.remove(TRACESTATE);
        // Read from a header, and so fit for one.
        if let (false, Ok(state)) = (self.state.is_empty(), self.state.parse()) {
            metadata.insert(TRACESTATE, state);
        }
    }

    /// A place of its own below this one, in the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: random_id(), parent_id: self.span_id, ..self.clone() }
    }

    #[cfg(feature = "opentelemetry")]
    pub(super) fn ids(&self) -> (u128, u64, u8) {
        (self.trace_id, self.span_id, self.flags)
    }

    /// The same place with ids that somebody else has given it.
    #[cfg(feature = "opentelemetry")]
    pub(super) fn with_ids(mut self, trace_id: u128, span_id: u64, sampled: bool) -> Self {
        (self.trace_id, self.span_id) = (trace_id, span_id);
        self.flags = (self.flags & !SAMPLED) | u8::from(sampled);
        self
    }

    /// The id of the trace: 32 hex digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The id of this place in the trace: 16 hex digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span_id)
    }

    /// The id of the place this one was called from; none where the trace begins.
    pub fn parent_id(&self) -> Option<String> {
        (self.parent_id != 0).then(|| format!("{:016x}", self.parent_id))
    }

    /// Whether whoever began the trace records it.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What tracing systems pass on to themselves: the whole `tracestate`, empty if there is none.
    pub fn state(&self) -> &str {
        &self.state
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({self}, parent {:016x}, state {:?})", self.parent_id, self.state)
    }
}

/// Puts the trace of the call that this thread runs for into the metadata of one that it makes, unless they name one.
pub(crate) fn go_on(metadata: &mut MetadataMap) {
    let call = super::current();
    let own = call.as_ref().and_then(super::Context::trace);
    #[cfg(feature = "opentelemetry")]
    let place = super::otel::current(own);
    #[cfg(feature = "opentelemetry")]
    let own = place.as_ref().or(own);
    let Some(own) = own else { return };
    // Asked last, since it is a look-up, and most calls are in no trace.
    if !metadata.contains_key(TRACEPARENT) {
        own.write_to(metadata);
    }
}

/// The length of version 00; a later version may go on after a hyphen.
const PARENT_BYTES: usize = 55;

fn parse_parent(text: &[u8]) -> Option<(u128, u64, u8)> {
    let (known, rest) = text.split_at_checked(PARENT_BYTES)?;
    let hyphens = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    let version = hex(&known[..2])?;
    let trace_id = hex(&known[3..35])?;
    let span_id = hex(&known[36..52])?;
    let flags = hex(&known[53..])?;
    let ends = match (version, rest.first()) {
        (0xff, _) => false,
        (_, None) => true,
        (version, Some(next)) => version > 0 && *next == b'-',
    };
    let is_valid = hyphens && ends && trace_id != 0 && span_id != 0;
    // Fields of a later version are unknown but for those two flags.
    is_valid.then_some((trace_id, span_id as u64, flags as u8 & (SAMPLED | RANDOM)))
}

/// A number in lower-case hex of at most 32 digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(value))
    })
}

/// Members that a `tracestate` may have. Each has at most 256 bytes of key and of value.
const MEMBERS_MAX: usize = 32;

fn is_state(state: &str) -> bool {
    let mut members = 0;
    state.split(',').all(|member| {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            return true;
        }
        members += 1;
        members <= MEMBERS_MAX
            && member.split_once('=').is_some_and(|(key, value)| is_state_key(key) && is_state_value(value))
    })
}

fn is_state_key(key: &str) -> bool {
    let is_simple = |key: &str, max: usize, first: fn(&u8) -> bool| {
        let is_key = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte);
        let starts_well = key.as_bytes().first().is_some_and(first);
        starts_well && key.len() <= max && key.as_bytes().iter().all(is_key)
    };
    match key.split_once('@') {
        None => is_simple(key, 256, u8::is_ascii_lowercase),
        // A tenant of a system.
        Some((tenant, system)) => {
            is_simple(tenant, 241, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && is_simple(system, 14, u8::is_ascii_lowercase)
        }
    }
}

fn is_state_value(value: &str) -> bool {
    let is_fit = |byte: &u8| (0x20..=0x7e).contains(byte) && !b",=".contains(byte);
    !value.is_empty() && value.len() <= 256 && !value.ends_with(' ') && value.as_bytes().iter().all(is_fit)
}

/// A random number but zero. The hasher's keys are the system's randomness, once a thread; what it makes of a counter
/// is as good as random to everybody else.
fn random_id() -> u64 {
    thread_local! {
        static KEYS: RandomState = RandomState::new();
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }
    loop {
        let count = COUNT.replace(COUNT.get().wrapping_add(1));
        let id = KEYS.with(|keys| keys.hash_one(count));
        if id != 0 {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "12345678901234567890123456789012";
    const SPAN: &str = "1234567890123456";

    /// The cases of the W3C's own test suite for `traceparent`.
    #[test]
    fn what_is_no_parent_is_ignored() {
        let valid = [
            format!("00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-00"),
            // Unknown flags, and versions to come, which may have more to say.
            format!("00-{TRACE}-{SPAN}-ff"),
            format!("cc-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            format!("fe-{TRACE}-{SPAN}-01-"),
        ];
        for parent in valid {
            let trace = TraceContext::parse(&parent, "").unwrap_or_else(|| panic!("{parent}"));
            assert_eq!((trace.trace_id(), trace.span_id()), (TRACE.to_owned(), SPAN.to_owned()));
        }
        let invalid = [
            String::new(),
            "00".to_owned(),
            // The version.
            format!("ff-{TRACE}-{SPAN}-01"),
            format!(".0-{TRACE}-{SPAN}-01"),
            format!("0.-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!("0A-{TRACE}-{SPAN}-01"),
            // The id of the trace.
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-.{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{}.-{SPAN}-01", &TRACE[1..]),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}3-{SPAN}-01"),
            format!("00-{}A-{SPAN}-01", &TRACE[1..]),
            // The id of the parent.
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-.{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}7-01"),
            format!("00-{TRACE}-{}F-01", &SPAN[1..]),
            // The flags.
            format!("00-{TRACE}-{SPAN}-.0"),
            format!("00-{TRACE}-{SPAN}-0."),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-0A"),
            // What follows.
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            // What stands between.
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}_01"),
            format!("00-{TRACE}-{SPAN}-ü"),
        ];
        for parent in invalid {
            assert_eq!(TraceContext::parse(&parent, "a=1"), None, "{parent}");
        }
    }

    #[test]
    fn flags_that_are_unknown_are_not_passed_on() {
        let passed_on = |flags: &str| {
            let parent = format!("00-{TRACE}-{SPAN}-{flags}");
            TraceContext::parse(&parent, "").unwrap().child().to_string()[53..].to_owned()
        };
        assert_eq!(["00", "01", "02", "03", "fd", "ff"].map(passed_on), ["00", "01", "02", "03", "01", "03"]);
    }

    /// The cases of the W3C's own test suite for `tracestate`.
    #[test]
    fn what_is_no_state_is_left_out() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let state = |state: &str| TraceContext::parse(&parent, state).unwrap().state().to_owned();
        let (long_key, long_value) = (format!("{}=1", "z".repeat(256)), format!("a={}", "v".repeat(256)));
        let long_tenant = format!("{}@{}=1", "t".repeat(241), "v".repeat(14));
        let thirty_two = (0..32).map(|n| format!("bar{n}=1")).collect::<Vec<_>>().join(",");
        let valid = [
            "foo=1",
            "foo=1,bar=2",
            "foo=1 \t , \t bar=2, \t baz=3",
            "foo=1,",
            ",foo=1",
            "foo=1,foo=1",
            "foo@bar=1,0t@b=2",
            "a_-*/0=!~ +",
            &long_key,
            &long_value,
            &long_tenant,
            &thirty_two,
        ];
        for valid in valid {
            assert_eq!(state(valid), valid);
        }
        let (long_key, long_value) = (format!("{}=1", "z".repeat(257)), format!("a={}", "v".repeat(257)));
        let long_tenant = format!("{}@v=1", "t".repeat(242));
        let long_system = format!("t@{}=1", "v".repeat(15));
        let thirty_three = format!("{thirty_two},bar32=1");
        let invalid = [
            "foo",
            "foo=",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "0foo=1",
            "foo@=1",
            "@foo=1",
            "foo@@bar=1",
            "foo@bar@baz=1",
            "foo=1=2",
            "foo=bar=baz",
            "foo=ü",
            "foo=1,bar",
            &long_key,
            &long_value,
            &long_tenant,
            &long_system,
            &thirty_three,
        ];
        for invalid in invalid {
            assert_eq!(state(invalid), "", "{invalid}");
        }
    }

    #[test]
    fn metadata_carry_it_and_two_parents_are_none() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let mut metadata = MetadataMap::new();
        assert_eq!(TraceContext::from_metadata(&metadata), None);
        metadata.append(TRACEPARENT, parent.parse().unwrap());
        metadata.append(TRACESTATE, "a=1".parse().unwrap());
        metadata.append(TRACESTATE, "b=2,c=3".parse().unwrap());
        let trace = TraceContext::from_metadata(&metadata).unwrap();
        assert_eq!(trace.state(), "a=1,b=2,c=3");
        let own = trace.child();
        own.write_to(&mut metadata);
        assert_eq!(metadata.len(), 2);
        let next = TraceContext::from_metadata(&metadata).unwrap();
        assert_eq!(
            (next.trace_id(), next.span_id(), next.state()),
            (trace.trace_id(), own.span_id(), "a=1,b=2,c=3")
        );
        metadata.append(TRACEPARENT, parent.parse().unwrap());
        assert_eq!(TraceContext::from_metadata(&metadata), None);
    }

    #[test]
    fn ids_are_each_others_strangers() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| TraceContext::root().trace_id()).collect();
        assert_eq!(ids.len(), 1000);
        let root = TraceContext::root();
        assert_eq!(root.parent_id(), None);
        assert!(root.is_sampled());
        assert_eq!(TraceContext::parse(&root.to_string(), "").unwrap().trace_id(), root.trace_id());
    }
}
