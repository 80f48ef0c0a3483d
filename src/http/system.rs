//! System parameters: what a query says of the answer rather than of the message.
//!
//! [Google's](https://cloud.google.com/apis/docs/system-parameters): names that start with `$`. Those that are not
//! known are passed over, as new ones come up.

use std::borrow::Cow;

use ambidex_schema::EncodeOptions;
use percent_encoding::percent_decode_str;
use tonic::Status;

/// What the query of one request says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct System {
    /// `$alt`
    pub(super) alt: Option<Alt>,
    /// `$alt=json;enum-encoding=int`
    enums_as_numbers: Option<bool>,
    /// `$prettyPrint`
    pretty: Option<bool>,
    /// `$fields`, or `fields`, where masks are switched on.
    pub(super) fields: Option<String>,
}

/// The form of the answer, over what `Accept` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alt {
    Json,
    Proto,
    Sse,
    /// The raw bytes of a `google.api.HttpBody`, which there is no other form of.
    Media,
}

/// What `fields` is called without its `$`.
pub(super) const FIELDS: &str = "fields";

impl System {
    /// Whether a query may have any of them, at a glance.
    pub(super) fn may_be_in(query: &str, masks: bool) -> bool {
        memchr::memchr2(b'$', b'%', query.as_bytes()).is_some() || (masks && query.contains(FIELDS))
    }

    /// Reads the parameters there are; with `masks`, those of a response mask too.
    pub(super) fn of_query(query: Option<&str>, masks: bool) -> Result<Self, Status> {
        let mut system = Self::default();
        let Some(query) = query else { return Ok(system) };
        if !Self::may_be_in(query, masks) {
            return Ok(system);
        }
        query.split('&').try_for_each(|pair| system.read(pair, masks))?;
        Ok(system)
    }

    /// What can be read of the parameters, for an error: it is told as its client wants it, also where another parameter is
    /// what is wrong.
    #[cold]
    pub(super) fn of_failed(query: Option<&str>) -> Self {
        let mut system = Self::default();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            // It is the error, or another is.
            let _ = system.read(pair, false);
        }
        system
    }

    fn read(&mut self, pair: &str, masks: bool) -> Result<(), Status> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        match &*name {
            "$alt" => self.read_alt(&value)?,
            "$prettyPrint" => self.pretty = Some(boolean("$prettyPrint", &value)?),
            "$fields" | FIELDS if masks => self.fields = Some(value.into_owned()),
            _ => {}
        }
        Ok(())
    }

    fn read_alt(&mut self, value: &str) -> Result<(), Status> {
        let mut parts = value.split(';');
        let form = parts.next().unwrap_or_default();
        self.alt = Some(match form.to_ascii_lowercase().as_str() {
            "json" => Alt::Json,
            "proto" => Alt::Proto,
            "sse" => Alt::Sse,
            "media" => Alt::Media,
            _ => {
                let message = format!("$alt: there is no form {form:?}; write json, proto, sse or media");
                return Err(Status::invalid_argument(message));
            }
        });
        for part in parts {
            match part.split_once('=') {
                Some(("enum-encoding", "int")) => self.enums_as_numbers = Some(true),
                Some(("enum-encoding", "string")) => self.enums_as_numbers = Some(false),
                _ => return Err(Status::invalid_argument(format!("$alt: unknown option {part:?}"))),
            }
        }
        Ok(())
    }

    /// How JSON is written for this request.
    pub(super) fn json(&self, server: &EncodeOptions) -> EncodeOptions {
        let mut json = server.clone();
        json.enums_as_numbers = self.enums_as_numbers.unwrap_or(json.enums_as_numbers);
        json.pretty = self.pretty.unwrap_or(json.pretty);
        json
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    // What is malformed is the binding's to refuse, if it is a field.
    percent_decode_str(text).decode_utf8_lossy()
}

fn boolean(name: &str, value: &str) -> Result<bool, Status> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Status::invalid_argument(format!("{name}: expected true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<System, String> {
        System::of_query(Some(query), true).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn known_parameters_are_read_and_others_passed_over() {
        let expected = System {
            alt: Some(Alt::Json),
            enums_as_numbers: Some(true),
            pretty: Some(false),
            fields: Some("a,b(c)".into()),
        };
        let queries = [
            "$alt=json;enum-encoding=int&$prettyPrint=False&$fields=a,b(c)&$unknown=1&name=x",
            "%24alt=json%3Benum-encoding%3Dint&%24prettyPrint=0&fields=a%2Cb%28c%29",
        ];
        for query in queries {
            assert_eq!(read(query), Ok(expected.clone()), "{query}");
        }
        assert_eq!(read("name=x&alt=proto&prettyPrint=true"), Ok(System::default()));
        assert_eq!(System::of_query(Some("$fields=a"), false).map_err(|_| ()), Ok(System::default()));
    }

    #[test]
    fn an_error_is_told_as_far_as_its_form_can_be_read() {
        let of = |query: &str| System::of_failed(Some(query));
        assert_eq!(of("$alt=proto&$prettyPrint=maybe").alt, Some(Alt::Proto));
        assert_eq!(
            (of("$alt=xml&$prettyPrint=1").alt, of("$alt=xml&$prettyPrint=1").pretty),
            (None, Some(true))
        );
        assert_eq!(System::of_failed(None), System::default());
    }

    #[test]
    fn a_wrong_value_is_an_error() {
        assert!(read("$alt=xml").expect_err("no such form").contains("\"xml\""));
        assert!(read("$alt=json;x=y").expect_err("no such option").contains("\"x=y\""));
        assert!(read("$prettyPrint=maybe").expect_err("no bool").contains("true or false"));
    }
}
