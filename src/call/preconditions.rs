//! What a client knows of something, or expects of it, before its request is to count (RFC 9110, section 13).
//!
//! A read that finds nothing new is answered with 304, a change of what has changed meanwhile with an error, 412 over
//! HTTP. The order in which conditions are asked is that of section 13.2.2. Only the handler knows which version there
//! is, so only it can ask.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, header};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::entity_tag::Tags;
use super::{Context, EntityTag, HttpResponse, Protocol};

/// Which version of something there is. `ETag` and `Last-Modified` of the answers that show it.
///
/// ```
/// use std::time::SystemTime;
/// use ambidex::call::{EntityTag, Validators};
///
/// let version = Validators::from(EntityTag::strong("v7")).modified_at(SystemTime::UNIX_EPOCH);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    tag: Option<EntityTag>,
    modified: Option<SystemTime>,
}

impl From<EntityTag> for Validators {
    fn from(tag: EntityTag) -> Self {
        Self { tag: Some(tag), modified: None }
    }
}

impl From<SystemTime> for Validators {
    fn from(time: SystemTime) -> Self {
        Self::default().modified_at(time)
    }
}

/// When the year 10000 begins, after 1970.
const DATES_END_SECONDS: u64 = 253_402_300_800;

impl Validators {
    /// When it was changed last. HTTP counts in seconds: of several changes within one it tells only the first. A time
    /// before 1970, or after the year 9999, which a date of HTTP cannot say, is passed over.
    #[must_use]
    pub fn modified_at(self, time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).ok();
        let seconds = since_epoch.map(|since| since.as_secs()).filter(|seconds| *seconds < DATES_END_SECONDS);
        let seconds = seconds.map(Duration::from_secs);
        Self { modified: seconds.map(|seconds| SystemTime::UNIX_EPOCH + seconds), ..self }
    }
}

/// What a request says of the version it is about: `If-Match`, `If-None-Match`, `If-Modified-Since` and
/// `If-Unmodified-Since`, which come in as metadata like other headers.
///
/// ```
/// use ambidex::call::{self, EntityTag, Validators};
/// use ambidex::{Response, Status};
///
/// fn read_text(revision: &str) -> Result<Response<String>, Status> {
///     let own = call::preconditions().answer(&EntityTag::strong(revision).into())?;
///     // What the client has already need not be looked up.
///     let text = if own.is_not_modified() { String::new() } else { "a text".to_owned() };
///     let mut response = Response::new(text);
///     response.extensions_mut().insert(own);
///     Ok(response)
/// }
///
/// fn change_text(revision: Option<&str>) -> Result<(), Status> {
///     let now = revision.map(|revision| Validators::from(EntityTag::strong(revision)));
///     call::preconditions().check(now.as_ref())
///     // … and then the change.
/// }
/// # read_text("v7").unwrap(); change_text(Some("v7")).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_modified_since: Option<SystemTime>,
    if_unmodified_since: Option<SystemTime>,
    /// The call is a GET or HEAD, whose answer may be that there is nothing new.
    is_read: bool,
}

impl Preconditions {
    pub(super) fn of(call: &Context) -> Self {
        let is_read = call.protocol() == Protocol::Rest
            && call.http_route().is_some_and(|route| matches!(&*route.method, "GET" | "HEAD"));
        Self::read(call.metadata(), is_read)
    }

    fn read(metadata: &MetadataMap, is_read: bool) -> Self {
        let tags =
            |name: &str| Tags::read(metadata.get_all(name).into_iter().map(|value| value.as_encoded_bytes()));
        // What is no date is as good as nothing (section 13.1.3).
        let time = |name: &str| {
            metadata.get(name).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok())
        };
        Self {
            if_match: tags("if-match"),
            if_none_match: tags("if-none-match"),
            if_modified_since: time("if-modified-since"),
            if_unmodified_since: time("if-unmodified-since"),
            is_read,
        }
    }

    /// For a method that reads: what its answer says of the version there is, to be put among the extensions of its
    /// response. That is 304 where the client has it already, by GET or HEAD at a REST route; then the message is left out.
    /// Anywhere else an answer has its message, whatever was asked, and over gRPC nothing is said.
    ///
    /// # Errors
    ///
    /// FAILED_PRECONDITION, and 412 at a REST route, where `If-Match` or `If-Unmodified-Since` asks for another version.
    pub fn answer(&self, now: &Validators) -> Result<HttpResponse, Status> {
        self.check_expected(Some(now))?;
        let known = match &self.if_none_match {
            Some(tags) => tags.find(now.tag.as_ref(), EntityTag::matches_weakly).map(Some),
            // A client that knows a tag does not go by the time.
            None => self.is_unmodified(now).then_some(None),
        };
        Ok(match known.filter(|_| self.is_read) {
            // By the name that the client and the caches before it know it by: weak, if it was compressed. Who went by the time
            // may know either, and a weak one stands for both.
            Some(known) => {
                let own = now.tag.as_ref().map(EntityTag::weakened);
                say(HttpResponse::not_modified(), known.or(own.as_ref()), now.modified)
            }
            None => say(HttpResponse::ok(), now.tag.as_ref(), now.modified),
        })
    }

    /// For a method that changes something: whether what there is `now`, or nothing, is what the client means to change.
    /// Ask where nothing can come between this and the change.
    ///
    /// # Errors
    ///
    /// FAILED_PRECONDITION, and 412 at a REST route, where `If-Match`, `If-Unmodified-Since` or `If-None-Match` is not met.
    /// With `If-None-Match: *` nothing is to be there yet.
    pub fn check(&self, now: Option<&Validators>) -> Result<(), Status> {
        self.check_expected(now)?;
        let is_known = match (&self.if_none_match, now) {
            (Some(Tags::Any), Some(_)) => true,
            (Some(tags), Some(now)) => tags.find(now.tag.as_ref(), EntityTag::matches_weakly).is_some(),
            _ => false,
        };
        if is_known {
            Err(HttpResponse::precondition_failed("if-none-match: it is there already"))
        } else {
            Ok(())
        }
    }

    /// Whether there is the version that the client expects.
    fn check_expected(&self, now: Option<&Validators>) -> Result<(), Status> {
        if let Some(tags) = &self.if_match {
            let is_met = match (tags, now) {
                (Tags::Any, now) => now.is_some(),
                (tags, Some(now)) => tags.find(now.tag.as_ref(), EntityTag::matches_strongly).is_some(),
                (_, None) => false,
            };
            return if is_met { Ok(()) } else { Err(changed("if-match")) };
        }
        match (self.if_unmodified_since, now.and_then(|now| now.modified)) {
            (Some(since), Some(modified)) if modified > since => Err(changed("if-unmodified-since")),
            _ => Ok(()),
        }
    }

    fn is_unmodified(&self, now: &Validators) -> bool {
        matches!((self.if_modified_since, now.modified), (Some(since), Some(modified)) if modified <= since)
    }
}

fn changed(header: &str) -> Status {
    HttpResponse::precondition_failed(&format!("{header}: there is another version by now, or none"))
}

fn say(own: HttpResponse, tag: Option<&EntityTag>, modified: Option<SystemTime>) -> HttpResponse {
    let own = match tag {
        Some(tag) => own.header(header::ETAG, tag.to_header()),
        None => own,
    };
    match modified.and_then(|time| HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()) {
        Some(time) => own.header(header::LAST_MODIFIED, time),
        None => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn asked(headers: &[(&'static str, &str)]) -> Preconditions {
        let mut metadata = MetadataMap::new();
        for (name, value) in headers {
            metadata.append(*name, value.parse().expect("a value"));
        }
        Preconditions::read(&metadata, true)
    }

    fn now() -> Validators {
        let then = httpdate::parse_http_date(THEN).expect("a date") + Duration::from_millis(900);
        Validators::from(EntityTag::strong("a")).modified_at(then)
    }

    #[test]
    fn a_time_that_no_date_can_say_is_passed_over() {
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(DATES_END_SECONDS - 1);
        let own = asked(&[]).answer(&last.into()).expect("nothing is expected");
        let said: Vec<_> = own.headers().collect();
        let date = HeaderValue::from_static("Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(said, [(&header::LAST_MODIFIED, &date)]);
        let own = asked(&[]).answer(&(last + Duration::from_secs(1)).into()).expect("nothing is expected");
        assert_eq!(own.headers().count(), 0);
    }

    /// The status of the answer to a read.
    fn answer(headers: &[(&'static str, &str)]) -> u16 {
        let own = asked(headers).answer(&now());
        let own = match &own {
            Ok(own) => Some(own),
            Err(error) => HttpResponse::of(error),
        };
        own.and_then(HttpResponse::status).map_or(200, |status| status.as_u16())
    }

    #[test]
    fn a_read_finds_out_whether_there_is_anything_new() {
        for (headers, status) in [
            (&[][..], 200),
            (&[("if-none-match", "\"a\"")], 304),
            (&[("if-none-match", "\"b\", W/\"a\"")], 304),
            (&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], 304),
            (&[("if-none-match", "*")], 304),
            (&[("if-none-match", "\"b\"")], 200),
            (&[("if-none-match", "a")], 200),
            (&[("if-modified-since", THEN)], 304),
            (&[("if-modified-since", EARLIER)], 200),
            (&[("if-modified-since", "yesterday")], 200),
            // The tag goes before the time.
            (&[("if-none-match", "\"b\""), ("if-modified-since", THEN)], 200),
            (&[("if-none-match", "\"a\""), ("if-modified-since", EARLIER)], 304),
            (&[("if-match", "\"a\"")], 200),
            (&[("if-match", "W/\"a\"")], 412),
            (&[("if-match", "*")], 200),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], 412),
            (&[("if-unmodified-since", EARLIER)], 412),
            (&[("if-unmodified-since", THEN)], 200),
            (&[("if-match", "\"a\""), ("if-unmodified-since", EARLIER)], 200),
        ] {
            assert_eq!(answer(headers), status, "{headers:?}");
        }
    }

    #[test]
    fn an_answer_says_which_version_it_is() {
        let says = |own: HttpResponse| {
            own.headers().map(|(_, value)| value.to_str().expect("ASCII").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(says(asked(&[]).answer(&now()).expect("an answer")), ["\"a\"", THEN]);
        let known = asked(&[("if-none-match", "W/\"a\"")]).answer(&now()).expect("an answer");
        assert!(known.is_not_modified());
        assert_eq!(says(known), ["W/\"a\"", THEN], "as the client knows it");
        let by_time = asked(&[("if-modified-since", THEN)]).answer(&now()).expect("an answer");
        assert_eq!(says(by_time), ["W/\"a\"", THEN], "as it is known with and without compression");
        let nothing = asked(&[("if-none-match", "\"a\"")]).answer(&Validators::default());
        assert!(!nothing.expect("an answer").is_not_modified(), "without a version nothing is old");
    }

    #[test]
    fn only_a_get_at_a_rest_route_finds_nothing_new() {
        let mut metadata = MetadataMap::new();
        metadata.insert("if-none-match", "\"a\"".parse().expect("a value"));
        assert!(!Preconditions::read(&metadata, false).answer(&now()).expect("an answer").is_not_modified());
    }

    #[test]
    fn a_change_is_made_of_what_the_client_knows() {
        let check = |headers: &[(&'static str, &str)], now: Option<&Validators>| {
            asked(headers).check(now).map_err(|error| error.code())
        };
        let (there, failed) = (now(), Err(Code::FailedPrecondition));
        for (headers, if_there, if_not) in [
            (&[][..], Ok(()), Ok(())),
            (&[("if-match", "\"b\", \"a\"")], Ok(()), failed),
            (&[("if-match", "W/\"a\"")], failed, failed),
            (&[("if-match", "*")], Ok(()), failed),
            (&[("if-none-match", "*")], failed, Ok(())),
            (&[("if-none-match", "W/\"a\"")], failed, Ok(())),
            (&[("if-none-match", "\"b\"")], Ok(()), Ok(())),
            (&[("if-unmodified-since", EARLIER)], failed, Ok(())),
            (&[("if-unmodified-since", THEN)], Ok(()), Ok(())),
            (&[("if-modified-since", THEN)], Ok(()), Ok(())),
        ] {
            assert_eq!(check(headers, Some(&there)), if_there, "{headers:?}");
            assert_eq!(check(headers, None), if_not, "{headers:?}");
        }
        // `*` is whatever there is, with a tag or without.
        assert_eq!(check(&[("if-none-match", "*")], Some(&Validators::default())), failed);
        assert_eq!(check(&[("if-match", "*")], Some(&Validators::default())), Ok(()));
    }
}
