//! What went wrong in a build, told to whoever reads cargo's output. It owns the wording around a
//! problem, `where: what: why; what to do`, and refuses to know how problems are found.

use std::fmt;
use std::path::Path;

/// Why code could not be generated.
///
/// It prints as one line for each problem, and the same through [`Debug`](fmt::Debug) as through
/// [`Display`](fmt::Display), because `fn main() -> Result<(), ambidex_build::Error>` prints the
/// former. It has no source: nobody but a reader of cargo's output ever handles it, so everything
/// there is to say stands in the text.
pub struct Error {
    text: String,
}

/// One thing wrong with a proto.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `path/to/file.proto:LINE:COL`, as far as that is known.
    pub(crate) location: String,
    /// What it is about, such as `method bookshop.v1.Bookshop.GetBook`.
    pub(crate) subject: String,
    /// What is wrong, and after a semicolon what to do about it.
    pub(crate) message: String,
}

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    pub(crate) fn write(path: &Path, error: &std::io::Error) -> Self {
        Self::new(format!("{} could not be written: {error}", path.display()))
    }

    /// Succeeds if there are no problems; a check collects what it finds and ends with this.
    pub(crate) fn from_problems(problems: &[Problem]) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
        Err(Self::new(lines.join("\n")))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.location, self.subject, self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
