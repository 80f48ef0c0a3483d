//! A tree of settings as some source wrote them: values that know their place.

use std::collections::BTreeMap;

use super::Place;

/// The names on the way to a setting.
pub(super) type Path = Vec<String>;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    /// What a variable says. Whether it is a number or text is for the setting to decide.
    Raw(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Node {
    pub(super) fn new(value: Value, place: Place) -> Self {
        Self { value, place }
    }

    pub(super) fn table(place: Place) -> Self {
        Self::new(Value::Table(BTreeMap::new()), place)
    }

    /// What JSON says; `null` is nothing.
    pub(super) fn of_json(json: serde_json::Value, place: &Place) -> Option<Self> {
        let value = match json {
            serde_json::Value::Null => return None,
            serde_json::Value::Bool(bool) => Value::Bool(bool),
            serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(integer), _) => Value::Integer(integer.into()),
                (None, Some(integer)) => Value::Integer(integer.into()),
                (None, None) => Value::Float(number.as_f64()?),
            },
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Array(items) => {
                Value::List(items.into_iter().filter_map(|item| Self::of_json(item, place)).collect())
            }
            serde_json::Value::Object(members) => {
                let members = members.into_iter();
                Value::Table(
                    members.filter_map(|(name, json)| Some((name, Self::of_json(json, place)?))).collect(),
                )
            }
        };
        Some(Self::new(value, place.clone()))
    }

    /// Lays another tree over this one: tables are merged, everything else is replaced.
    pub(super) fn lay_over(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Table(members), Value::Table(over)) => {
                for (name, node) in over {
                    match members.get_mut(&name) {
                        Some(member) => member.lay_over(node),
                        None => {
                            members.insert(name, node);
                        }
                    }
                }
            }
            (_, value) => *self = Self::new(value, over.place),
        }
    }

    /// Puts a value where `path` leads, making the tables on the way.
    pub(super) fn put(&mut self, path: &[String], node: Self) {
        let Some((first, rest)) = path.split_first() else {
            self.lay_over(node);
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Self::table(node.place.clone());
        }
        if let Value::Table(members) = &mut self.value {
            let place = node.place.clone();
            members.entry(first.clone()).or_insert_with(|| Self::table(place)).put(rest, node);
        }
    }

    /// Takes out what `path` leads to; whether there was such a thing.
    pub(super) fn remove(&mut self, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        match &mut self.value {
            Value::Table(members) if rest.is_empty() => members.remove(first).is_some(),
            Value::Table(members) => members.get_mut(first).is_some_and(|member| member.remove(rest)),
            Value::List(items) => {
                let Some(index) = first.parse().ok().filter(|&index: &usize| index < items.len()) else {
                    return false;
                };
                if rest.is_empty() {
                    items.remove(index);
                    return true;
                }
                items[index].remove(rest)
            }
            _ => false,
        }
    }

    /// Visits each value that is no table, with its path. A list is one value.
    pub(super) fn leaves<'a>(&'a self, path: &mut Path, visit: &mut impl FnMut(&[String], &'a Self)) {
        match &self.value {
            Value::Table(members) => {
                for (name, member) in members {
                    path.push(name.clone());
                    member.leaves(path, visit);
                    path.pop();
                }
            }
            _ => visit(path, self),
        }
    }

    /// What is to be shown of it in an error.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Bool(bool) => bool.to_string(),
            Value::Integer(integer) => integer.to_string(),
            Value::Float(float) => float.to_string(),
            Value::Text(text) | Value::Raw(text) => format!("{text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }
}
