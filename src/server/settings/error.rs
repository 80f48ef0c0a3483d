//! What is wrong with settings, said to whoever wrote them.

use std::fmt;

use super::Place;
use super::catalog::Setting;
use super::node::Path;

/// Everything that is wrong with the settings of a server.
#[derive(Clone)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    setting: String,
    place: String,
    message: String,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>, settings: &[Setting]) -> Self {
        let problems = problems.into_iter().map(|problem| problem.told(settings)).collect();
        Self { problems }
    }

    /// The things that are wrong.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl ConfigProblem {
    /// The setting, `scheduler.threads_max`; empty where a whole file is wrong.
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Where it stands: a file, with its line where that is known, or the name of a variable.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// As it is displayed: `main` prints errors it returns with `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

/// The same while it is being found.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) path: Path,
    pub(super) place: Option<Place>,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// There is no such setting beside these.
    Unknown(&'static [&'static str]),
    Missing(&'static str),
    /// The value is wrong: what it should be.
    Wrong(String),
    /// The file cannot be read.
    File(String),
}

impl Problem {
    /// A value that should be something else.
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self { path: Path::new(), place: None, what: What::Wrong(what.into()) }
    }

    /// A file that cannot be read, or no longer be understood.
    pub(super) fn of_file(place: Place, why: impl Into<String>) -> Self {
        Self { path: Path::new(), place: Some(place), what: What::File(why.into()) }
    }

    /// Says one name more of the way to what is wrong. The innermost place holds.
    pub(super) fn below(mut self, name: &str, place: &Place) -> Self {
        self.path.insert(0, name.to_owned());
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    fn told(self, settings: &[Setting]) -> ConfigProblem {
        let setting = self.path.join(".");
        let message = match &self.what {
            What::Unknown(siblings) => {
                let meant = nearest(&self.path, siblings, settings);
                let meant = meant
                    .map(|path| self.place.as_ref().map_or(path.join("."), |place| spelled(place, &path)));
                let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
                format!("there is no setting {setting}{meant}")
            }
            What::Missing(name) => format!("{setting} has no {name}, which it needs"),
            What::Wrong(what) => format!("{setting} {what}"),
            What::File(why) => why.clone(),
        };
        let place = self.place.map_or_else(|| "code".to_owned(), |place| place.to_string());
        ConfigProblem { setting, place, message }
    }
}

/// A setting as it is spelled in that place.
fn spelled(place: &Place, path: &Path) -> String {
    match place {
        Place::Variable { prefix, .. } => super::environment::variable(prefix, path),
        _ => path.join("."),
    }
}

/// How alike two names are at least, of which one may be meant by the other: a slip or two in ten letters.
const LIKENESS_MIN: f64 = 0.7;

/// The setting that was probably meant: one beside it that is spelled much like it, or one elsewhere.
fn nearest(path: &Path, siblings: &[&'static str], settings: &[Setting]) -> Option<Path> {
    let (name, above) = path.split_last()?;
    let alike = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
    let best = siblings.iter().copied().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    if let Some(best) = best.filter(|best| alike(best) >= LIKENESS_MIN) {
        return Some([above, &[best.to_owned()]].concat());
    }
    let ends_so = |setting: &&Setting| setting.path.last() == Some(name) && !setting.is_in_many();
    settings.iter().find(ends_so).map(|setting| setting.path.clone())
}
