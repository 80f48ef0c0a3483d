//! Reads a file into a tree: TOML with the line of every value, or YAML.

use std::path::Path as FilePath;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Place;
use super::error::Problem;
use super::node::{Node, Value};

/// Reads a file; nothing for an optional one that is not there, or one that cannot be read.
pub(super) fn read(path: &FilePath, optional: bool, problems: &mut Vec<Problem>) -> Option<Node> {
    let name: Arc<str> = path.display().to_string().into();
    let whole = Place::File { path: Arc::clone(&name), line: None };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if optional && error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            problems.push(Problem::of_file(whole, format!("cannot be read: {error}")));
            return None;
        }
    };
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => of_toml(&text, &name, problems),
        #[cfg(feature = "yaml")]
        Some("yaml" | "yml") => of_yaml(&text, whole, problems),
        _ => {
            let endings = if cfg!(feature = "yaml") { ".toml, .yaml or .yml" } else { ".toml" };
            problems.push(Problem::of_file(
                whole,
                format!("what it is written in is not known; let it end with {endings}"),
            ));
            None
        }
    }
}

fn of_toml(text: &str, name: &Arc<str>, problems: &mut Vec<Problem>) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let place = |at: usize| {
        let line = text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1;
        Place::File { path: Arc::clone(name), line: Some(line) }
    };
    if !errors.is_empty() {
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            problems.push(Problem::of_file(place(at), error.message().to_owned()));
        }
        return None;
    }
    Some(of_table(table.into_inner(), Place::File { path: Arc::clone(name), line: None }, &place))
}

/// The same for what stands on the one line of a variable.
pub(super) fn of_inline_toml(text: &str, place: &Place) -> Option<Node> {
    let text = format!("value = {text}");
    let table = DeTable::parse(&text).ok()?.into_inner();
    let node = of_table(table, place.clone(), &|_| place.clone());
    let Value::Table(mut members) = node.value else { return None };
    members.remove("value")
}

fn of_table(table: DeTable<'_>, place: Place, place_of: &dyn Fn(usize) -> Place) -> Node {
    let members = table.into_iter().map(|(name, value)| {
        // Where its name stands: that of a table has no value there.
        let place = place_of(name.span().start);
        (name.into_inner().into_owned(), of_value(value, place, place_of))
    });
    Node::new(Value::Table(members.collect()), place)
}

fn of_value(value: Spanned<DeValue<'_>>, place: Place, place_of: &dyn Fn(usize) -> Place) -> Node {
    let value = match value.into_inner() {
        DeValue::Boolean(bool) => Value::Bool(bool),
        DeValue::Integer(integer) => match i128::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            // No setting is as large: whoever reads it will say what it takes.
            Err(_) => Value::Text(integer.to_string()),
        },
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(float) => Value::Float(float),
            Err(_) => Value::Text(float.as_str().to_owned()),
        },
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| {
                    let place = place_of(item.span().start);
                    of_value(item, place, place_of)
                })
                .collect(),
        ),
        DeValue::Table(table) => return of_table(table, place, place_of),
    };
    Node::new(value, place)
}

#[cfg(feature = "yaml")]
fn of_yaml(text: &str, place: Place, problems: &mut Vec<Problem>) -> Option<Node> {
    match serde_saphyr::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(members) => Node::of_json(members.into(), &place),
        Err(error) => {
            problems.push(Problem::of_file(place, error.to_string()));
            None
        }
    }
}
