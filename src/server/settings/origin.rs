//! Where the value of a setting comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use super::Config;
use super::node::{Node, Path};

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody has said anything.
    Default,
    /// The program says so.
    Code,
    File {
        path: Arc<str>,
        line: Option<usize>,
    },
    Variable {
        prefix: Arc<str>,
        name: Arc<str>,
    },
}

impl Place {
    /// Whether it was said by someone other than the program.
    pub(super) fn is_outside(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Variable { .. })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Code => f.write_str("code"),
            Self::File { path, line: Some(line) } => write!(f, "{path}:{line}"),
            Self::File { path, line: None } => f.write_str(path),
            Self::Variable { name, .. } => f.write_str(name),
        }
    }
}

/// The settings as JSON: the form in which values of every type can be compared and printed.
pub(super) fn json(config: &Config) -> Json {
    serde_json::to_value(config).expect("settings are numbers, text and tables of them")
}

/// The value at a path.
pub(super) fn at<'a>(json: &'a Json, path: &[String]) -> &'a Json {
    path.iter().fold(json, |json, name| json.get(name).unwrap_or(&Json::Null))
}

/// What the program itself says, as the lowest layer.
pub(super) fn of_code(config: &Config) -> Node {
    let (own, default) = (json(config), json(&Config::default()));
    let mut tree = Node::of_json(own.clone(), &Place::Code).unwrap_or_else(|| Node::table(Place::Code));
    let mut unchanged = Vec::new();
    tree.leaves(&mut Path::new(), &mut |path, _| {
        if at(&own, path) == at(&default, path) {
            unchanged.push(path.to_vec());
        }
    });
    for path in unchanged {
        if let Some(node) = Node::of_json(at(&default, &path).clone(), &Place::Default) {
            tree.put(&path, node);
        }
    }
    tree
}

/// Where the settings of a loaded [`Config`] were said, if it was by someone other than the program.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Origins(BTreeMap<Path, (Json, Place)>);

impl Origins {
    pub(super) fn of(tree: &Node) -> Self {
        let mut origins = BTreeMap::new();
        tree.leaves(&mut Path::new(), &mut |path, node| {
            if node.place.is_outside() {
                origins.insert(path.to_vec(), (Json::Null, node.place.clone()));
            }
        });
        Self(origins)
    }

    /// Remembers what was read, so that a later change by the program is seen to be one.
    pub(super) fn remember(&mut self, read: &Json) {
        for (path, (value, _)) in &mut self.0 {
            *value = at(read, path).clone();
        }
    }

    /// Where the value at `path`, or those below it, come from.
    pub(super) fn origin(&self, path: &[String], now: &Json, default: &Json) -> String {
        let below: Vec<_> = self.0.iter().filter(|(known, _)| known.starts_with(path)).collect();
        let is_changed = below.iter().any(|(known, (read, _))| at(now, known) != read);
        if is_changed || (below.is_empty() && at(now, path) != at(default, path)) {
            return Place::Code.to_string();
        }
        if below.is_empty() {
            return Place::Default.to_string();
        }
        let mut places: Vec<_> = below.iter().map(|(_, (_, place))| place.to_string()).collect();
        places.dedup();
        places.join(", ")
    }
}
