//! Settings from outside: files and environment variables, over what the code says.
//!
//! Every source becomes a tree whose values know their place. Laid over one another the trees are one, which serde
//! reads into a [`Config`]. Nothing here lists the settings: what `Config` and the types in it have as fields can be
//! set, printed and looked up, so that a new field needs nothing but its documentation.
//!
//! Why no crate does all of it: of those that lay sources over one another, `config` is kept well, but stops at the
//! first mistake, guesses the type of a variable by its looks, knows no line, and tells of an unknown key in words
//! alone; `figment`, which knows more, has had no release for years. What is left is to merge two tables. TOML itself
//! is the `toml` crate's business.

mod catalog;
mod environment;
mod error;
mod file;
mod node;
mod origin;
mod print;
mod ranges;
mod reader;
#[cfg(test)]
mod reference;

use std::path::PathBuf;

use serde::Deserialize;

use super::Config;
pub use error::{ConfigError, ConfigProblem};
use error::{Problem, What};
use node::Node;
pub(super) use origin::Origins;
use origin::Place;
pub use print::EffectiveConfig;

/// Where settings come from, each source over those before it: the code's own, then files in the order they were
/// added, then the environment.
///
/// ```
/// use ambidex::server::{Config, ConfigSources};
///
/// let mut config = Config::default();
/// config.drain_quiet_ms = 5_000; // what this service wants, unless someone says otherwise
/// let config = ConfigSources::new()
///     .defaults(config)
///     .optional_file("shop.toml")
///     .environment("SHOP") // SHOP_BODY_MAX_BYTES=1048576, SHOP_SCHEDULER__THREADS_MAX=64
///     .load()?;
/// let server = ambidex::Server::builder().config(config);
/// # Ok::<_, ambidex::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConfigSources {
    defaults: Config,
    files: Vec<File>,
    variables: Vec<Variables>,
}

#[derive(Debug, Clone)]
struct File {
    path: PathBuf,
    optional: bool,
}

#[derive(Debug, Clone)]
struct Variables {
    prefix: String,
    /// In place of the process's environment.
    given: Option<Vec<(String, String)>>,
}

impl ConfigSources {
    /// No source but [`Config::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins with `config` in place of the default.
    #[must_use]
    pub fn defaults(mut self, config: Config) -> Self {
        self.defaults = config;
        self
    }

    /// Adds a file, which has to be there: TOML, or with the feature `yaml` and the ending `.yaml` or `.yml`, YAML.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(File { path: path.into(), optional: false });
        self
    }

    /// Adds a file that need not be there.
    #[must_use]
    pub fn optional_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(File { path: path.into(), optional: true });
        self
    }

    /// Adds the environment variables that begin with `prefix` and `_`. What follows is a setting in capitals, with
    /// `__` between the names of its path: `AMBIDEX_SCHEDULER__THREADS_MAX` is `scheduler.threads_max`. One that names
    /// no setting is an error. An empty one unsets what may be unset; a list is written with commas, and a table or a
    /// list of tables as in TOML, on one line.
    #[must_use]
    pub fn environment(mut self, prefix: impl Into<String>) -> Self {
        self.variables.push(Variables { prefix: prefix.into(), given: None });
        self
    }

    /// The same with these variables rather than the process's.
    #[must_use]
    pub fn variables<N: Into<String>, V: Into<String>>(
        mut self,
        prefix: impl Into<String>,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let given = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self.variables.push(Variables { prefix: prefix.into(), given: Some(given) });
        self
    }

    /// Reads all of them.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once: a file that cannot be read, a setting that there is not, a value of the
    /// wrong type or out of its range, each with its file and line or its variable.
    pub fn load(self) -> Result<Config, ConfigError> {
        let mut problems = Vec::new();
        let mut tree = origin::of_code(&self.defaults);
        for File { path, optional } in &self.files {
            if let Some(node) = file::read(path, *optional, &mut problems) {
                tree.lay_over(node);
            }
        }
        for Variables { prefix, given } in self.variables {
            tree.lay_over(environment::read(&prefix, given, &mut problems));
        }
        let mut origins = Origins::of(&tree);
        ranges::check(&tree, &mut problems);
        match (read(tree, &mut problems), problems.is_empty()) {
            (Some(mut config), true) => {
                origins.remember(&origin::json(&config));
                config.origins = origins;
                Ok(config)
            }
            _ => Err(ConfigError::new(problems, &catalog::settings())),
        }
    }
}

/// Reads a tree; what is wrong is taken out of it and read on without, so that every mistake is found.
fn read(mut tree: Node, problems: &mut Vec<Problem>) -> Option<Config> {
    loop {
        match Config::deserialize(reader::Reader::new(&tree)) {
            Ok(config) => return Some(config),
            Err(problem) => {
                let is_removed = tree.remove(&problem.path);
                // What is missing because it was wrong is not said twice.
                let is_consequence = matches!(problem.what, What::Missing(_))
                    && problems.iter().any(|known| known.path.starts_with(&problem.path));
                if !is_consequence {
                    problems.push(problem);
                }
                if !is_removed {
                    return None;
                }
            }
        }
    }
}

impl Config {
    /// The settings in a TOML file (or, with the feature `yaml`, in a `.yaml` one), and over them those in the
    /// environment under `AMBIDEX_`. [`ConfigSources`] is the same with more choice.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), ambidex::Error> {
    /// let config = ambidex::server::Config::load("shop.toml")?;
    /// let server = ambidex::Server::builder().config(config);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`ConfigSources::load`].
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        ConfigSources::new().file(path).environment("AMBIDEX").load()
    }

    /// The settings in the environment alone, under `AMBIDEX_`.
    ///
    /// # Errors
    ///
    /// As [`ConfigSources::load`].
    pub fn from_environment() -> Result<Self, ConfigError> {
        ConfigSources::new().environment("AMBIDEX").load()
    }

    /// Every setting with its value and where that comes from, to be displayed. It is TOML, and can be read again.
    pub fn effective(&self) -> EffectiveConfig<'_> {
        EffectiveConfig::new(self)
    }
}
