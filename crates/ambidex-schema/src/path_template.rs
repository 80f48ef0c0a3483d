//! Path templates: the patterns of `google.api.http`, parsed.
//!
//! ```text
//! template  = "/" [ segments ] [ ":" literal ]
//! segments  = segment { "/" segment }
//! segment   = "*" | "**" | literal | variable
//! variable  = "{" field-path [ "=" segments ] "}"
//! fieldpath = ident { "." ident }
//! literal   = 1*( unreserved | "%" hex hex | "!" | "$" | "&" | "'" | "(" | ")" | "+" | "," | ";" | "=" | "@" )
//! ```
//!
//! `*` matches one segment, `**` any number of them, also none, and stands last but for the verb behind the
//! colon. Variables do not nest. This file refuses to know messages: whether a variable names a field is
//! for [`http_rule`](crate::http_bindings) to say, and which template a path matches for the route table.

use std::fmt;
use std::ops::Range;

/// A parsed path template.
///
/// ```
/// use ambidex_schema::PathTemplate;
///
/// let template: PathTemplate = "/v1/{name=shelves/*}/books:list".parse()?;
/// assert_eq!(template.verb(), Some("list"));
/// assert_eq!(template.variables().next().unwrap().field_path(), "name");
///
/// let error = "/v1/{name".parse::<PathTemplate>().unwrap_err();
/// assert_eq!(error.column(), 10);
/// # Ok::<(), ambidex_schema::TemplateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    text: String,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    verb: Option<String>,
    keeps_reserved: bool,
}

/// One segment of a template, variables dissolved into what they match.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text, percent-decoded.
    Literal(String),
    /// `*`: any one segment that is not empty.
    Single,
    /// `**`: any number of segments, also none.
    Multi,
}

/// A variable of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variable {
    field_path: String,
    segments: Range<usize>,
    spans_segments: bool,
    column: usize,
}

impl PathTemplate {
    /// The segments, without the slashes between them.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The variables, in the order they stand in the template.
    pub fn variables(&self) -> impl ExactSizeIterator<Item = &Variable> + Clone + '_ {
        self.variables.iter()
    }

    /// What stands behind the colon.
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// The path, where there is only one that the template matches: no wildcard, and no verb behind a colon.
    pub fn literal(&self) -> Option<&str> {
        let is_literal = self.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)));
        (is_literal && self.verb.is_none()).then_some(&*self.text)
    }

    /// The same template, whose variables of several segments keep escaped what
    /// [RFC 6570](https://www.rfc-editor.org/rfc/rfc6570#section-1.5) reserves (``:/?#[]@!$&'()*+,;=``), and not the slash
    /// alone: what `google.api.Http` says of rules where it does not say `fully_decode_reserved_expansion`.
    #[must_use]
    pub fn keeping_reserved(mut self) -> Self {
        self.keeps_reserved = true;
        self
    }

    /// Whether it does.
    pub fn keeps_reserved(&self) -> bool {
        self.keeps_reserved
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Variable {
    /// Dotted path of the field the variable binds.
    pub fn field_path(&self) -> &str {
        &self.field_path
    }

    /// The segments of the template it captures.
    pub fn segments(&self) -> Range<usize> {
        self.segments.clone()
    }

    /// Whether it may capture more than one segment. Such a value keeps `%2F` escaped.
    pub fn spans_segments(&self) -> bool {
        self.spans_segments
    }

    /// Where the field path stands in the template, in characters from one.
    pub fn column(&self) -> usize {
        self.column
    }
}

/// Why a template cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct TemplateError {
    column: usize,
    message: String,
}

impl TemplateError {
    /// Where the template stops making sense, in characters from one.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong there.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl std::str::FromStr for PathTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { text, at: 0, segments: Vec::new(), variables: Vec::new() };
        let verb = parser.template()?;
        let Parser { segments, variables, .. } = parser;
        Ok(Self { text: text.to_owned(), segments, variables, verb, keeps_reserved: false })
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

impl<'t> Parser<'t> {
    fn template(&mut self) -> Result<Option<String>, TemplateError> {
        if !self.take("/") {
            return Err(self.error("a template starts with `/`"));
        }
        if !self.rest().is_empty() && !self.rest().starts_with(':') {
            self.segments(false)?;
        }
        let verb = if self.take(":") { Some(self.literal("a verb")?) } else { None };
        if !self.rest().is_empty() {
            return Err(self.error("the template should end here"));
        }
        Ok(verb)
    }

    fn segments(&mut self, inside_variable: bool) -> Result<(), TemplateError> {
        loop {
            if self.segments.last() == Some(&Segment::Multi) {
                return Err(self.error("nothing but a verb may follow `**`"));
            }
            self.segment(inside_variable)?;
            if !self.take("/") {
                return Ok(());
            }
        }
    }

    fn segment(&mut self, inside_variable: bool) -> Result<(), TemplateError> {
        let segment = if self.take("**") {
            Segment::Multi
        } else if self.take("*") {
            Segment::Single
        } else if self.rest().starts_with('{') {
            if inside_variable {
                return Err(self.error("variables do not nest"));
            }
            return self.variable();
        } else {
            Segment::Literal(self.literal("a segment")?)
        };
        self.segments.push(segment);
        match self.rest().chars().next() {
            None | Some('/' | ':' | '}') => Ok(()),
            Some(_) => Err(self.error("a wildcard or variable is a whole segment; expected `/` or the end")),
        }
    }

    fn variable(&mut self) -> Result<(), TemplateError> {
        self.at += 1;
        let column = self.column();
        let start = self.segments.len();
        let field_path = self.field_path()?;
        if self.variables.iter().any(|variable| variable.field_path == field_path) {
            return Err(TemplateError { column, message: format!("`{field_path}` is bound twice") });
        }
        if self.take("=") {
            self.segments(true)?;
        } else {
            self.segments.push(Segment::Single);
        }
        if !self.take("}") {
            return Err(self.error("expected `}` at the end of the variable"));
        }
        let segments = start..self.segments.len();
        let spans_segments = segments.len() > 1 || self.segments[start] == Segment::Multi;
        self.variables.push(Variable { field_path, segments, spans_segments, column });
        match self.rest().chars().next() {
            None | Some('/' | ':') => Ok(()),
            Some(_) => Err(self.error("a wildcard or variable is a whole segment; expected `/` or the end")),
        }
    }

    fn field_path(&mut self) -> Result<String, TemplateError> {
        let start = self.at;
        loop {
            let length = self.rest().bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            if length == 0 || self.rest().starts_with(|c: char| c.is_ascii_digit()) {
                return Err(self.error("expected the name of a field"));
            }
            self.at += length;
            if !self.take(".") {
                return Ok(self.text[start..self.at].to_owned());
            }
        }
    }

    fn literal(&mut self, what: &str) -> Result<String, TemplateError> {
        let start = self.at;
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'%' => {
                    let escape = self.text.as_bytes().get(self.at + 1..self.at + 3);
                    if !escape.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                        return Err(self.error("`%` needs two hexadecimal digits behind it"));
                    }
                    self.at += 3;
                }
                b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' => self.at += 1,
                b'+' | b',' | b';' | b'=' | b'@' => self.at += 1,
                byte if byte.is_ascii_alphanumeric() => self.at += 1,
                _ => break,
            }
        }
        if self.at == start {
            return Err(self.error(&format!("expected {what}")));
        }
        match crate::percent::decode(&self.text[start..self.at]) {
            Ok(decoded) => Ok(decoded.into_owned()),
            Err(_) => {
                self.at = start;
                Err(self.error("the escapes do not decode to UTF-8"))
            }
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn column(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    fn error(&self, message: &str) -> TemplateError {
        TemplateError { column: self.column(), message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<PathTemplate, TemplateError> {
        text.parse()
    }

    #[test]
    fn a_variable_dissolves_into_its_segments() {
        let template = parse("/v1/{name=shelves/*/books/**}:read").unwrap();
        let literal = |text: &str| Segment::Literal(text.to_owned());
        assert_eq!(
            template.segments(),
            [literal("v1"), literal("shelves"), Segment::Single, literal("books"), Segment::Multi]
        );
        let variable = template.variables().next().unwrap();
        assert_eq!((variable.field_path(), variable.segments()), ("name", 1..5));
        assert!(variable.spans_segments());
        assert_eq!(template.verb(), Some("read"));
    }

    #[test]
    fn a_variable_without_a_pattern_is_one_segment() {
        let template = parse("/{book.name}/{x=*}/{y=a}").unwrap();
        assert!(template.variables().all(|variable| !variable.spans_segments()));
        assert!(parse("/{x=**}").unwrap().variables().next().unwrap().spans_segments());
    }

    #[test]
    fn the_root_is_a_template() {
        assert!(parse("/").unwrap().segments().is_empty());
        assert_eq!(parse("/:verb").unwrap().verb(), Some("verb"));
    }

    #[test]
    fn escapes_in_literals_are_decoded() {
        assert_eq!(parse("/a%20b").unwrap().segments(), [Segment::Literal("a b".to_owned())]);
    }

    #[test]
    fn malformed_templates_name_their_column() {
        for (text, column) in [
            ("", 1),
            ("v1", 1),
            ("//a", 2),
            ("/v1/", 5),
            ("/v1//a", 5),
            ("/**/a", 5),
            ("/{a=**}/b", 9),
            ("/{a=**/b}", 8),
            ("/{a", 4),
            ("/{}", 3),
            ("/{1a}", 3),
            ("/{a.}", 5),
            ("/{a={b}}", 5),
            ("/{a=}", 5),
            ("/{a}/{a}", 7),
            ("/{a}b", 5),
            ("/*b", 3),
            ("/***", 4),
            ("/a:", 4),
            ("/a:b:c", 5),
            ("/a:b/c", 5),
            ("/a b", 3),
            ("/é", 2),
            ("/%zz", 2),
            ("/%ff", 2),
            ("/a}", 3),
            ("/a?b", 3),
        ] {
            assert_eq!(parse(text).expect_err(text).column(), column, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"/?[a*{}=/:.%0 é]{0,16}") {
            let _ = parse(&text);
        }
    }
}
