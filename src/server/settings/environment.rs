//! Reads environment variables into a tree.

use std::sync::Arc;

use super::Place;
use super::error::Problem;
use super::file::of_inline_toml;
use super::node::{Node, Path, Value};

/// What parts the names of a path.
const SEPARATOR: &str = "__";

/// The settings among the variables: those that begin with the prefix.
pub(super) fn read(prefix: &str, given: Option<Vec<(String, String)>>, problems: &mut Vec<Problem>) -> Node {
    let own: Arc<str> = prefix.strip_suffix('_').unwrap_or(prefix).into();
    let prefix = format!("{own}_");
    let place = |name: &str| Place::Variable { prefix: Arc::clone(&own), name: name.into() };
    let mut variables = given.unwrap_or_else(|| {
        let all = std::env::vars_os().filter_map(|(name, value)| {
            // A name that is no text is nobody's setting.
            let name = name.into_string().ok()?;
            Some((name, value))
        });
        let own = all.filter(|(name, _)| name.starts_with(&prefix));
        own.filter_map(|(name, value)| match value.into_string() {
            Ok(value) => Some((name, value)),
            Err(_) => {
                problems.push(Problem::of_file(place(&name), "is not UTF-8"));
                None
            }
        })
        .collect()
    });
    // A whole table goes before what is in it, whichever way the system orders them.
    variables.sort();
    let mut tree = Node::table(place(&prefix));
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(&prefix) else { continue };
        let path: Path = rest.to_ascii_lowercase().split(SEPARATOR).map(str::to_owned).collect();
        tree.put(&path, of_text(value, place(&name)));
    }
    tree
}

/// What begins like a table or a list of TOML is one; everything else is what its setting makes of it.
fn of_text(text: String, place: Place) -> Node {
    let inline = text.trim_start().starts_with(['{', '[']).then(|| of_inline_toml(&text, &place)).flatten();
    inline.unwrap_or_else(|| Node::new(Value::Raw(text), place))
}

/// The variable of a setting.
pub(super) fn variable(prefix: &str, path: &[String]) -> String {
    format!("{prefix}_{}", path.join(SEPARATOR).to_ascii_uppercase())
}
