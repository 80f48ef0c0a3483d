//! Query parameters as fields of a request message.
//!
//! Each parameter is appended as wire bytes of its own; parameters that share a message, like `a.b=1&a.c=2`,
//! become two occurrences of it, which protobuf merges. What merging would hide is found here instead: a
//! singular field given twice, and two members of one oneof.

use std::borrow::Cow;

use crate::field_path::{BindError, BindErrorKind, FieldPath, FieldPathError};
use crate::http_rule::BodyBinding;
use crate::message_type::MessageType;
use crate::percent;

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
    let result = SetFields::new(options.bound_by_path)
        .and_then(|mut set| bind_parameters(message, raw_query, options, &mut set, out));
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn bind_parameters(
    message: &MessageType,
    raw_query: &str,
    options: &QueryOptions<'_>,
    set: &mut SetFields<'_>,
    out: &mut Vec<u8>,
) -> Result<(), BindError> {
    let pairs = raw_query.split('&').filter(|pair| !pair.is_empty());
    for (index, pair) in pairs.enumerate() {
        if index >= options.max_parameters {
            let message = format!("there are more than {} query parameters", options.max_parameters);
            return Err(BindError::new(BindErrorKind::LimitExceeded, "", message));
        }
        let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(raw_name, raw_name)?;
        let value = decode(raw_value, &name)?;
        if name.starts_with('$') {
            continue;
        }
        match field_of(message, &name, options) {
            Ok(path) => {
                // Checked before the oneof and the duplicate: that it can never be bound is the better news.
                path.bind_str(&value, out).map_err(|error| error.renamed(&name))?;
                set.add(path).map_err(|error| error.renamed(&name))?;
            }
            Err(_) if options.ignore_unknown || options.system.contains(&&*name) => {}
            Err(message) => return Err(BindError::new(BindErrorKind::Unknown, name, message)),
        }
    }
    Ok(())
}

/// The field a parameter sets, or why there is none that it may set.
fn field_of(message: &MessageType, name: &str, options: &QueryOptions<'_>) -> Result<FieldPath, String> {
    if let BodyBinding::Whole = options.body {
        return Err("every field comes from the body, none from the query".to_owned());
    }
    let path = message.field_path(name).map_err(|error| match error {
        FieldPathError::Unknown { .. } => "there is no such query parameter".to_owned(),
        other => other.to_string(),
    })?;
    if let BodyBinding::Field(body) = options.body
        && path.fields()[0] == *body
    {
        return Err(format!("`{}` comes from the body, not from the query", body.name()));
    }
    if options.bound_by_path.contains(&path) {
        return Err("this field comes from the path, not from the query".to_owned());
    }
    Ok(path)
}

fn decode<'q>(raw: &'q str, name: &str) -> Result<Cow<'q, str>, BindError> {
    let bad = |_| BindError::new(BindErrorKind::BadEscape, name, "malformed percent-encoding");
    if memchr::memchr(b'+', raw.as_bytes()).is_none() {
        return percent::decode(raw).map_err(bad);
    }
    let spaced = raw.replace('+', " ");
    percent::decode(&spaced).map(|decoded| Cow::Owned(decoded.into_owned())).map_err(bad)
}

/// The paths that are set, for as long as setting another might contradict them.
///
/// Compared one by one, since there are seldom more than a handful, and each is a few numbers. The bound on
/// parameters bounds this too.
struct SetFields<'p> {
    by_path: &'p [FieldPath],
    by_query: Vec<FieldPath>,
}

impl<'p> SetFields<'p> {
    /// What the path sets counts from the start.
    fn new(by_path: &'p [FieldPath]) -> Result<Self, BindError> {
        for (index, path) in by_path.iter().enumerate().skip(1) {
            Self { by_path: &by_path[..index], by_query: Vec::new() }.check(path)?;
        }
        Ok(Self { by_path, by_query: Vec::new() })
    }

    fn add(&mut self, path: FieldPath) -> Result<(), BindError> {
        // A list takes as many values as there are; only a oneof on the way to it can be contradicted.
        let is_free =
            path.leaf().is_list() && path.fields().iter().all(|field| field.table().oneof.is_none());
        if !is_free {
            self.check(&path)?;
            self.by_query.push(path);
        }
        Ok(())
    }

    fn check(&self, path: &FieldPath) -> Result<(), BindError> {
        let first = &path.fields()[0];
        for known in self.by_path.iter().chain(&self.by_query) {
            // Most are fields of the message itself, and others than this.
            let other = &known.fields()[0];
            if first.index() != other.index() && first.table().oneof.is_none() {
                continue;
            }
            let mut steps = path.fields().iter().zip(known.fields());
            let parting = steps.find(|(step, known)| step.number() != known.number());
            match parting {
                // Both are fields of one message.
                Some((step, known))
                    if step.table().oneof.is_some() && step.table().oneof == known.table().oneof =>
                {
                    let oneof = usize::from(step.table().oneof.unwrap_or_default());
                    let oneof = &step.parent().table().oneof_names[oneof];
                    let message = format!("the oneof `{oneof}` already has another member");
                    return Err(BindError::new(BindErrorKind::Duplicate, path.to_string(), message));
                }
                None if path.fields().len() == known.fields().len() && !path.leaf().is_list() => {
                    let message = "the parameter is given twice, but its field has one value";
                    return Err(BindError::new(BindErrorKind::Duplicate, path.to_string(), message));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
