//! The settings that hold, each with where it comes from.

use std::fmt;

use serde_json::Value as Json;

use super::Config;
use super::catalog::{self, ITEM, NAME};
use super::node::Path;
use super::origin::{at, json};

/// The settings that hold, to be displayed as TOML; made by [`Config::effective`].
///
/// ```
/// let config = ambidex::server::Config::default();
/// assert!(config.effective().to_string().contains("body_max_bytes = 4194304 # default\n"));
/// ```
#[derive(Debug)]
pub struct EffectiveConfig<'a>(&'a Config);

impl<'a> EffectiveConfig<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self(config)
    }
}

/// The ends of names whose values are nobody's business.
const SECRETS: [&str; 4] = ["password", "secret", "token", "private_key"];

impl fmt::Display for EffectiveConfig<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, default) = (json(self.0), json(&Config::default()));
        for path in lines(&now) {
            let value = at(&now, &path);
            let name = dotted(&path);
            let origin = self.0.origins.origin(&path, &now, &default);
            let is_secret = path.last().is_some_and(|name| SECRETS.iter().any(|end| name.ends_with(end)));
            match value {
                Json::Null => writeln!(f, "# {name} is not set # {origin}")?,
                _ if is_secret => writeln!(f, "# {name} is set, and not shown # {origin}")?,
                // What TOML has no number for is the largest there is.
                Json::Number(number) if number.as_i64().is_none() && number.is_u64() => {
                    writeln!(f, "# {name} has no limit # {origin}")?;
                }
                value => writeln!(f, "{name} = {} # {origin}", Toml(value))?,
            }
        }
        Ok(())
    }
}

/// The settings to print, one a line: a table that has entries by name has a line for each, a list is one.
fn lines(now: &Json) -> Vec<Path> {
    let mut lines: Vec<Path> = Vec::new();
    for setting in catalog::settings() {
        let end = setting.path.iter().position(|name| name == NAME || name == ITEM);
        let end = end.unwrap_or(setting.path.len());
        // Below a table that is not set there is nothing to print.
        let shortest = (1..end).find(|&end| at(now, &setting.path[..end]).is_null()).unwrap_or(end);
        let path = &setting.path[..shortest];
        let entries =
            at(now, path).as_object().filter(|_| setting.path.get(shortest).is_some_and(|name| name == NAME));
        let found: Vec<Path> = match entries {
            Some(entries) => entries.keys().map(|name| [path, std::slice::from_ref(name)].concat()).collect(),
            None => vec![path.to_vec()],
        };
        lines.extend(found.into_iter().filter(|path| !lines.contains(path)).collect::<Vec<_>>());
    }
    lines
}

/// A path as TOML spells it.
fn dotted(path: &[String]) -> String {
    path.iter().map(|name| key(name)).collect::<Vec<_>>().join(".")
}

fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { name.to_owned() } else { Json::from(name).to_string() }
}

/// A value as TOML on one line. JSON's way to write text is one of TOML's.
struct Toml<'a>(&'a Json);

impl fmt::Display for Toml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Json::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| Toml(item).to_string()).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Json::Object(members) => {
                let set = members.iter().filter(|(_, value)| !value.is_null());
                let members: Vec<_> =
                    set.map(|(name, value)| format!("{} = {}", key(name), Toml(value))).collect();
                write!(f, "{{ {} }}", members.join(", "))
            }
            value => write!(f, "{value}"),
        }
    }
}
