//! What went wrong in a build, told to whoever reads cargo's output. It owns the wording around a
//! problem, `where: what: why; what to do`, and refuses to know how problems are found.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why code could not be generated.
///
/// It prints as one line for each problem, and the same through [`Debug`](fmt::Debug) as through
/// [`Display`](fmt::Display), because `fn main() -> Result<(), ambidex_build::Error>` prints the
/// former.
pub struct Error {
    kind: Kind,
}

enum Kind {
    /// A proto that does not compile; the text is the finished message.
    Proto { text: String, source: protox::Error },
    /// Protos that compile and yet cannot be served or written as Rust.
    Problems(Vec<Problem>),
    /// A setting of the builder that makes no sense.
    Setting(String),
    /// Messages that the generator of messages refuses.
    Messages(std::io::Error),
    /// A file that could not be written.
    Write { path: PathBuf, source: std::io::Error },
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
    pub(crate) fn proto(text: String, source: protox::Error) -> Self {
        Self { kind: Kind::Proto { text, source } }
    }

    pub(crate) fn setting(text: impl Into<String>) -> Self {
        Self { kind: Kind::Setting(text.into()) }
    }

    pub(crate) fn messages(source: std::io::Error) -> Self {
        Self { kind: Kind::Messages(source) }
    }

    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self { kind: Kind::Write { path: path.to_owned(), source } }
    }

    /// Succeeds if there are no problems; a check collects what it finds and ends with this.
    pub(crate) fn from_problems(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { kind: Kind::Problems(problems) }) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.location, self.subject, self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Proto { text, .. } | Kind::Setting(text) => f.write_str(text),
            Kind::Messages(source) => write!(f, "messages could not be generated: {source}"),
            Kind::Write { path, source } => write!(f, "{} could not be written: {source}", path.display()),
            Kind::Problems(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    if index > 0 {
                        f.write_str("\n")?;
                    }
                    write!(f, "{problem}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Proto { source, .. } => Some(source),
            Kind::Messages(source) | Kind::Write { source, .. } => Some(source),
            Kind::Problems(_) | Kind::Setting(_) => None,
        }
    }
}
