//! Query parameters as fields of a request message.
//!
//! Each parameter is appended as wire bytes of its own; parameters that share a message, like `a.b=1&a.c=2`,
//! become two occurrences of it, which protobuf merges. What merging would hide is found here instead: a
//! singular field given twice, and two members of one oneof.

use smallvec::SmallVec;

use crate::field_path::{BindError, BindErrorKind, FieldPath, FieldPathError, Refusal, put_path};
use crate::http_rule::BodyBinding;
use crate::message_type::{FieldHandle, MessageType};
use crate::percent::{self, Room};
use crate::steps::{Step, Steps};
use crate::tables::{FieldTable, Kind, Shape, Tables};

/// What of a message may come from the query.
#[derive(Debug, Clone)]
pub struct QueryOptions<'a> {
    /// Skip parameters that name no field the query may set, instead of refusing them. Default: `false`.
    pub ignore_unknown: bool,
    /// Fields that come from the path, and so not from the query. Whether they contradict one another is not looked at:
    /// those of an [`HttpBinding`](crate::HttpBinding) do not. Default: none.
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
/// a singular field; when two set one oneof, or one that path or body set; when an escape is malformed.
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
    let result = bind_parameters(message, raw_query, options, out);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn bind_parameters(
    message: &MessageType,
    raw_query: &str,
    options: &QueryOptions<'_>,
    out: &mut Vec<u8>,
) -> Result<(), BindError> {
    let tables: &Tables = message.tables();
    let mut plain = PlainFields::new(options);
    let mut others = None;
    let (mut name_room, mut value_room) = (Room::new(), Room::new());
    let mut parameters = Parameters { rest: raw_query };
    let mut left = options.max_parameters;
    while let Some(Parameter { name, value }) = parameters.next() {
        if left == 0 {
            return Err(too_many(options));
        }
        left -= 1;
        let (has_dot, is_coded) = (name.has_dot, name.coding != Coding::None);
        let name = name.decoded(name.text, &mut name_room)?;
        // Wrong escapes are wrong whatever the parameter is. A `+` cannot be wrong, and is left for later.
        let has_plus = value.coding == Coding::Plus;
        let value = if has_plus { value.text } else { value.decoded(name, &mut value_room)? };
        if name.starts_with('$') {
            continue;
        }
        // A name with dots is a path.
        let is_path = has_dot || is_coded && name.contains('.');
        if !is_path
            && let Some(index) = message.table().field_by_any_name(name.as_bytes())
            && plain.may_set(index, &message.table().fields[index])
        {
            let field = &message.table().fields[index];
            let put = if has_plus { put_with_plus } else { put_path };
            put(tables, field, &[], value, out).map_err(|refusal| BindError::of(name, refusal))?;
            if !plain.set(index) {
                return Err(Contradiction::Twice.named(name));
            }
            continue;
        }
        let others = others.get_or_insert_with(|| SetFields::new(tables, options));
        bind_other(message, Decoded { name, value, has_plus }, options, others, out)?;
    }
    Ok(())
}

/// Fields that nothing but another value of theirs can contradict: singular, with no message and no oneof, set by neither
/// path nor body. Most parameters are such a field.
struct PlainFields {
    /// A bit for each of the first fields of the message that path or body have something to do with.
    taken: u64,
    /// The same for those that the query has set.
    set: u64,
}

impl PlainFields {
    #[inline]
    fn new(options: &QueryOptions<'_>) -> Self {
        let of_body = match options.body {
            BodyBinding::None => 0,
            BodyBinding::Whole => u64::MAX,
            BodyBinding::Field(field) => Self::bit(field.index()),
        };
        let of_path = options.bound_by_path.iter().map(|path| Self::bit(path.steps().first.index()));
        Self { taken: of_path.fold(of_body, |taken, bit| taken | bit), set: 0 }
    }

    /// None for a field behind those that there are bits for.
    #[inline]
    fn bit(field: usize) -> u64 {
        if field < 64 { 1 << field } else { 0 }
    }

    #[inline]
    fn may_set(&self, index: usize, field: &FieldTable) -> bool {
        Self::bit(index) & !self.taken != 0
            && field.oneof.is_none()
            && field.is_singular()
            && field.kind.message_index().is_none()
    }

    /// Notes that a field is set; not twice.
    #[inline]
    fn set(&mut self, index: usize) -> bool {
        let before = self.set;
        self.set |= Self::bit(index);
        before != self.set
    }
}

/// A parameter, but for a `+` in its value.
struct Decoded<'a> {
    name: &'a str,
    value: &'a str,
    has_plus: bool,
}

/// Appends the field of any other parameter.
#[inline(never)]
fn bind_other(
    message: &MessageType,
    Decoded { name, value, has_plus }: Decoded<'_>,
    options: &QueryOptions<'_>,
    set: &mut SetFields<'_>,
    out: &mut Vec<u8>,
) -> Result<(), BindError> {
    match field_of(message, name, options) {
        Ok(steps) => {
            // Checked before the oneof and the duplicate: that it can never be bound is the better news.
            let field = steps.first.table(set.tables);
            let put = if has_plus { put_with_plus } else { put_path };
            put(set.tables, field, &steps.behind, value, out)
                .map_err(|refusal| BindError::of(name, refusal))?;
            set.add(name, steps, field)
        }
        Err(_) if options.ignore_unknown || options.system.contains(&name) => Ok(()),
        Err(reason) => Err(BindError::of(name, (BindErrorKind::Unknown, reason.to_string()))),
    }
}

#[cold]
fn too_many(options: &QueryOptions<'_>) -> BindError {
    let message = format!("there are more than {} query parameters", options.max_parameters);
    BindError::new(BindErrorKind::LimitExceeded, "", message)
}

/// As [`put_path`], for text in which a `+` is a space.
fn put_with_plus(
    tables: &Tables,
    field: &FieldTable,
    behind: &[Step],
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    // What a string says ends the bytes as it stands, and needs no copy to be decoded in.
    if behind.is_empty() && field.kind == Kind::String {
        put_path(tables, field, behind, text, out)?;
        let start = out.len() - text.len();
        percent::put_spaces(&mut out[start..]);
        return Ok(());
    }
    let mut room = Room::new();
    let text = percent::decode_form(text, &mut room).expect("text without escapes has no wrong one");
    put_path(tables, field, behind, text, out)
}

/// The field a parameter sets, or why there is none that it may set.
fn field_of<'o>(message: &MessageType, name: &str, options: &QueryOptions<'o>) -> Result<Steps, NoField<'o>> {
    if let BodyBinding::Whole = options.body {
        return Err(NoField::InBody);
    }
    let steps = message.steps(name).map_err(NoField::of)?;
    if let BodyBinding::Field(body) = options.body
        && steps.first == Step::of(body)
    {
        return Err(NoField::IsBody(body));
    }
    if options.bound_by_path.iter().any(|path| *path.steps() == steps) {
        return Err(NoField::InPath);
    }
    Ok(steps)
}

/// Why a parameter sets no field.
#[derive(Debug, thiserror::Error)]
enum NoField<'o> {
    #[error("every field comes from the body, none from the query")]
    InBody,
    #[error("`{}` comes from the body, not from the query", .0.name())]
    IsBody(&'o FieldHandle),
    #[error("this field comes from the path, not from the query")]
    InPath,
    #[error("there is no such query parameter")]
    Unknown,
    #[error(transparent)]
    NoPath(FieldPathError),
}

impl NoField<'_> {
    fn of(error: FieldPathError) -> Self {
        match error {
            FieldPathError::Unknown { .. } => Self::Unknown,
            other => Self::NoPath(other),
        }
    }
}

/// The parameters of a query, as they are written.
struct Parameters<'q> {
    rest: &'q str,
}

struct Parameter<'q> {
    name: Raw<'q>,
    value: Raw<'q>,
}

#[derive(Clone, Copy, Default)]
struct Raw<'q> {
    text: &'q str,
    coding: Coding,
    has_dot: bool,
}

/// What there is to decode.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    None,
    /// Only `+`.
    Plus,
    /// `%`, and perhaps `+`.
    Escapes,
}

impl<'q> Parameters<'q> {
    #[inline]
    fn next(&mut self) -> Option<Parameter<'q>> {
        let query = self.rest;
        let bytes = query.as_bytes();
        let mut start = 0;
        while bytes.get(start) == Some(&b'&') {
            start += 1;
        }
        if start == bytes.len() {
            return None;
        }
        let (mut name, mut text) = (None, start);
        let (mut coding, mut has_dot) = (Coding::None, false);
        let mut at = start;
        // One look at each byte costs less than a search for each of the five: most names and values are short.
        while let Some(&byte) = bytes.get(at) {
            // Letters are most of it, and none of them.
            if byte <= b'=' {
                match byte {
                    b'&' => break,
                    b'=' if name.is_none() => {
                        name = Some(Raw { text: &query[text..at], coding, has_dot });
                        (text, coding) = (at + 1, Coding::None);
                    }
                    b'%' => coding = Coding::Escapes,
                    b'+' if coding == Coding::None => coding = Coding::Plus,
                    b'.' => has_dot = true,
                    _ => {}
                }
            }
            at += 1;
        }
        self.rest = &query[at..];
        let last = Raw { text: &query[text..at], coding, has_dot };
        Some(match name {
            Some(name) => Parameter { name, value: last },
            None => Parameter { name: last, value: Raw::default() },
        })
    }
}

impl<'q> Raw<'q> {
    #[inline(always)]
    fn decoded<'a>(self, name: &str, room: &'a mut Room) -> Result<&'a str, BindError>
    where
        'q: 'a,
    {
        if self.coding == Coding::None { Ok(self.text) } else { decode(self.text, name, room) }
    }
}

// Out of the way of most names and values, which are what they say.
#[inline(never)]
fn decode<'r>(text: &str, name: &str, room: &'r mut Room) -> Result<&'r str, BindError> {
    percent::decode_form(text, room)
        .map_err(|_| BindError::new(BindErrorKind::BadEscape, name, "malformed percent-encoding"))
}

/// The paths that are set, for as long as setting another might contradict them.
///
/// Compared one by one, since there are seldom more than a handful, and each is a few numbers. The bound on
/// parameters bounds this too.
struct SetFields<'t> {
    tables: &'t Tables,
    by_path: &'t [FieldPath],
    by_body: Option<Steps>,
    by_query: SmallVec<[Steps; 4]>,
}

impl<'t> SetFields<'t> {
    /// What path and body set is set from the start.
    fn new(tables: &'t Tables, options: &QueryOptions<'t>) -> Self {
        let by_body = match options.body {
            BodyBinding::Field(field) => Some(Steps::of(field)),
            BodyBinding::None | BodyBinding::Whole => None,
        };
        Self { tables, by_path: options.bound_by_path, by_body, by_query: SmallVec::new() }
    }

    #[inline]
    fn add(&mut self, name: &str, steps: Steps, first: &FieldTable) -> Result<(), BindError> {
        let leaf = steps.behind.last().map_or(first, |leaf| leaf.table(self.tables));
        // A list takes as many values as there are; only a oneof on the way to it can be contradicted.
        let is_free = matches!(leaf.shape, Shape::List { .. })
            && steps.iter().all(|step| step.table(self.tables).oneof.is_none());
        if !is_free {
            let known = self.by_path.iter().map(FieldPath::steps).chain(&self.by_body).chain(&self.by_query);
            self.check(&steps, first, known).map_err(|error| error.named(name))?;
            self.by_query.push(steps);
        }
        Ok(())
    }

    #[inline]
    fn check<'a>(
        &self,
        path: &Steps,
        first: &FieldTable,
        mut known: impl Iterator<Item = &'a Steps>,
    ) -> Result<(), Contradiction> {
        // Most fields are in no oneof, and then only what begins with the same field can contradict.
        known.try_for_each(|known| match first.oneof.is_none() && path.first != known.first {
            true => Ok(()),
            false => self.compare(path, known),
        })
    }

    #[inline(never)]
    fn compare(&self, path: &Steps, known: &Steps) -> Result<(), Contradiction> {
        Contradiction::between(self.tables, path, known).map_or(Ok(()), Err)
    }
}

/// What two paths cannot both set.
pub(crate) enum Contradiction {
    Twice,
    /// Two members of the oneof of this name.
    Oneof(String),
}

impl Contradiction {
    pub(crate) fn between(tables: &Tables, path: &Steps, known: &Steps) -> Option<Self> {
        let common = path.iter().zip(known.iter()).take_while(|(step, known)| step == known).count();
        match (path.iter().nth(common), known.iter().nth(common)) {
            // Both are fields of one message.
            (Some(step), Some(known)) => {
                let oneof = step.table(tables).oneof?;
                let name = &step.message(tables).oneof_names[usize::from(oneof)];
                (known.table(tables).oneof == Some(oneof)).then(|| Self::Oneof(name.to_string()))
            }
            (None, None) => {
                let is_list = matches!(path.leaf().table(tables).shape, Shape::List { .. });
                (!is_list).then_some(Self::Twice)
            }
            _ => None,
        }
    }

    #[cold]
    fn named(self, name: &str) -> BindError {
        let message = match self {
            Self::Twice => "the parameter is given twice, but its field has one value".to_owned(),
            Self::Oneof(oneof) => format!("the oneof `{oneof}` already has another member"),
        };
        BindError::new(BindErrorKind::Duplicate, name, message)
    }
}
