//! Query parameters as fields of a request message.
//!
//! Each parameter is appended as wire bytes of its own; parameters that share a message, like `a.b=1&a.c=2`,
//! become two occurrences of it, which protobuf merges. What merging would hide is found here instead: a
//! singular field given twice, and two members of one oneof.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::field_path::{BindError, BindErrorKind, FieldPath, FieldPathError};
use crate::http_rule::BodyBinding;
use crate::message_type::MessageType;
use crate::percent;
use crate::steps::{Step, Steps};
use crate::tables::{Shape, Tables};

/// What of a message may come from the query.
#[derive(Debug, Clone)]
pub struct QueryOptions<'a> {
    /// Skip parameters that name no field the query may set, instead of refusing them. Default: `false`.
    pub ignore_unknown: bool,
    /// Fields that come from the path, and so not from the query. Default: none.
    pub bound_by_path: &'a [FieldPath],
    /// What comes from the body, and so not from the query. Default: nothing.
    pub body: &'a BodyBinding,
    /// Names that are no fields although they do not start with `$`, such as `fields` for a response mask. A field
    /// of the message with such a name is still set. Default: none.
    pub system: &'a [&'a str],
    /// How many parameters there may be. Default: 1000.
    pub max_parameters: usize,
}

impl Default for QueryOptions<'_> {
    fn default() -> Self {
        Self {
            ignore_unknown: false,
            bound_by_path: &[],
            body: &BodyBinding::None,
            system: &[],
            max_parameters: 1000,
        }
    }
}

impl<'a> QueryOptions<'a> {
    /// Sets [`ignore_unknown`](Self::ignore_unknown).
    #[must_use]
    pub fn with_ignore_unknown(mut self, ignore: bool) -> Self {
        self.ignore_unknown = ignore;
        self
    }

    /// Sets [`bound_by_path`](Self::bound_by_path).
    #[must_use]
    pub fn with_bound_by_path(mut self, fields: &'a [FieldPath]) -> Self {
        self.bound_by_path = fields;
        self
    }

    /// Sets [`body`](Self::body).
    #[must_use]
    pub fn with_body(mut self, body: &'a BodyBinding) -> Self {
        self.body = body;
        self
    }

    /// Sets [`system`](Self::system).
    #[must_use]
    pub fn with_system(mut self, names: &'a [&'a str]) -> Self {
        self.system = names;
        self
    }

    /// Sets [`max_parameters`](Self::max_parameters).
    #[must_use]
    pub fn with_max_parameters(mut self, parameters: usize) -> Self {
        self.max_parameters = parameters;
        self
    }
}

/// Appends the wire bytes of the fields that a raw query, without its `?`, sets.
///
/// Names are proto names or JSON names, dotted. A repeated parameter appends to a list. Names that start
/// with `$` are system parameters and skipped. `+` is a space. On error `out` is as it was before.
///
/// # Errors
///
/// When a parameter is unknown, cannot come from the query, is no value of its field, or is given twice for
/// a singular field; when two set one oneof; when an escape is malformed.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let set = prost_reflect::DescriptorPool::global().encode_to_vec();
/// # let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(&set)?.build()?;
/// use ambidex_schema::{QueryOptions, bind_query};
///
/// let file = schema.message("google.protobuf.FileDescriptorProto").expect("part of the pool");
/// let mut wire = Vec::new();
/// bind_query(&file, "name=a%2Fb&dependency=c&dependency=d&$alt=json", &QueryOptions::default(), &mut wire)?;
/// assert_eq!(wire, b"\x0a\x03a/b\x1a\x01c\x1a\x01d");
///
/// let error = bind_query(&file, "nope=1", &QueryOptions::default(), &mut wire).unwrap_err();
/// assert_eq!(error.name(), "nope");
/// # Ok(())
/// # }
/// ```
pub fn bind_query(
    message: &MessageType,
    raw_query: &str,
    options: &QueryOptions<'_>,
    out: &mut Vec<u8>,
) -> Result<(), BindError> {
    let before = out.len();
    let result = SetFields::new(message.tables(), options.bound_by_path)
        .and_then(|mut set| bind_parameters(message, raw_query, options, &mut set, out));
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn bind_parameters<'t>(
    message: &'t MessageType,
    raw_query: &str,
    options: &QueryOptions<'_>,
    set: &mut SetFields<'t, '_>,
    out: &mut Vec<u8>,
) -> Result<(), BindError> {
    for (index, parameter) in (Parameters { rest: raw_query }).enumerate() {
        if index >= options.max_parameters {
            let message = format!("there are more than {} query parameters", options.max_parameters);
            return Err(BindError::new(BindErrorKind::LimitExceeded, "", message));
        }
        let name = parameter.name.decoded(parameter.name.text)?;
        let value = parameter.value.decoded(&name)?;
        if name.starts_with('$') {
            continue;
        }
        match field_of(message, &name, options) {
            Ok(steps) => {
                // Checked before the oneof and the duplicate: that it can never be bound is the better news.
                steps.bind_str(&name, &value, out)?;
                set.add(&name, steps)?;
            }
            Err(_) if options.ignore_unknown || options.system.contains(&&*name) => {}
            Err(message) => return Err(BindError::new(BindErrorKind::Unknown, name, message)),
        }
    }
    Ok(())
}

/// The field a parameter sets, or why there is none that it may set.
fn field_of<'t>(
    message: &'t MessageType,
    name: &str,
    options: &QueryOptions<'_>,
) -> Result<Steps<'t>, String> {
    if let BodyBinding::Whole = options.body {
        return Err("every field comes from the body, none from the query".to_owned());
    }
    let steps = message.steps(name).map_err(|error| match error {
        FieldPathError::Unknown { .. } => "there is no such query parameter".to_owned(),
        other => other.to_string(),
    })?;
    if let BodyBinding::Field(body) = options.body
        && steps.first == Step::of(body)
    {
        return Err(format!("`{}` comes from the body, not from the query", body.name()));
    }
    if options.bound_by_path.iter().any(|path| path.steps().eq(steps.iter())) {
        return Err("this field comes from the path, not from the query".to_owned());
    }
    Ok(steps)
}

/// The parameters of a query, as they are written.
struct Parameters<'q> {
    rest: &'q str,
}

struct Parameter<'q> {
    name: Raw<'q>,
    value: Raw<'q>,
}

#[derive(Clone, Copy)]
struct Raw<'q> {
    text: &'q str,
    is_escaped: bool,
}

impl<'q> Iterator for Parameters<'q> {
    type Item = Parameter<'q>;

    fn next(&mut self) -> Option<Parameter<'q>> {
        self.rest = self.rest.trim_start_matches('&');
        if self.rest.is_empty() {
            return None;
        }
        let (mut equals, mut end) = (None, self.rest.len());
        let (mut name_is_escaped, mut is_escaped) = (false, false);
        // One look at each byte costs less than a search for each of the four: most names and values are short.
        for (at, byte) in self.rest.bytes().enumerate() {
            match byte {
                b'&' => {
                    end = at;
                    break;
                }
                b'=' if equals.is_none() => {
                    equals = Some(at);
                    name_is_escaped = std::mem::take(&mut is_escaped);
                }
                b'%' | b'+' => is_escaped = true,
                _ => {}
            }
        }
        let (pair, rest) = self.rest.split_at(end);
        self.rest = rest;
        let raw = |text, is_escaped| Raw { text, is_escaped };
        Some(match equals {
            Some(at) => {
                Parameter { name: raw(&pair[..at], name_is_escaped), value: raw(&pair[at + 1..], is_escaped) }
            }
            None => Parameter { name: raw(pair, is_escaped), value: raw("", false) },
        })
    }
}

impl<'q> Raw<'q> {
    fn decoded(self, name: &str) -> Result<Cow<'q, str>, BindError> {
        if !self.is_escaped {
            return Ok(Cow::Borrowed(self.text));
        }
        percent::decode_form(self.text)
            .map_err(|_| BindError::new(BindErrorKind::BadEscape, name, "malformed percent-encoding"))
    }
}

/// The paths that are set, for as long as setting another might contradict them.
///
/// Compared one by one, since there are seldom more than a handful, and each is a few numbers. The bound on
/// parameters bounds this too.
struct SetFields<'t, 'p> {
    tables: &'t Tables,
    by_path: &'p [FieldPath],
    by_query: SmallVec<[Steps<'t>; 4]>,
}

impl<'t, 'p> SetFields<'t, 'p> {
    /// What the path sets counts from the start.
    fn new(tables: &'t Tables, by_path: &'p [FieldPath]) -> Result<Self, BindError> {
        let set = |by_path| Self { tables, by_path, by_query: SmallVec::new() };
        for (index, path) in by_path.iter().enumerate().skip(1) {
            let before = set(&by_path[..index]);
            before.check(path.steps()).map_err(|error| error.named(&path.to_string()))?;
        }
        Ok(set(by_path))
    }

    fn add(&mut self, name: &str, steps: Steps<'t>) -> Result<(), BindError> {
        // A list takes as many values as there are; only a oneof on the way to it can be contradicted.
        let is_free = matches!(steps.leaf().table(self.tables).shape, Shape::List { .. })
            && steps.iter().all(|step| step.table(self.tables).oneof.is_none());
        if !is_free {
            self.check(steps.iter()).map_err(|error| error.named(name))?;
            self.by_query.push(steps);
        }
        Ok(())
    }

    fn check(&self, path: impl Iterator<Item = Step> + Clone) -> Result<(), Contradiction> {
        for known in self.by_path {
            self.compare(path.clone(), known.steps())?;
        }
        for known in &self.by_query {
            self.compare(path.clone(), known.iter())?;
        }
        Ok(())
    }

    fn compare(
        &self,
        mut path: impl Iterator<Item = Step>,
        mut known: impl Iterator<Item = Step>,
    ) -> Result<(), Contradiction> {
        let mut leaf = None;
        loop {
            match (path.next(), known.next()) {
                (Some(step), Some(known)) if step == known => leaf = Some(step),
                // Both are fields of one message.
                (Some(step), Some(known)) => {
                    return match step.table(self.tables).oneof {
                        Some(oneof) if known.table(self.tables).oneof == Some(oneof) => {
                            let name = &step.message(self.tables).oneof_names[usize::from(oneof)];
                            Err(Contradiction::Oneof(name.to_string()))
                        }
                        _ => Ok(()),
                    };
                }
                (None, None) => {
                    let is_list =
                        leaf.is_some_and(|leaf| matches!(leaf.table(self.tables).shape, Shape::List { .. }));
                    return if is_list { Ok(()) } else { Err(Contradiction::Twice) };
                }
                _ => return Ok(()),
            }
        }
    }
}

/// What two paths cannot both set.
enum Contradiction {
    Twice,
    /// Two members of the oneof of this name.
    Oneof(String),
}

impl Contradiction {
    fn named(self, name: &str) -> BindError {
        let message = match self {
            Self::Twice => "the parameter is given twice, but its field has one value".to_owned(),
            Self::Oneof(oneof) => format!("the oneof `{oneof}` already has another member"),
        };
        BindError::new(BindErrorKind::Duplicate, name, message)
    }
}
