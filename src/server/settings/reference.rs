//! The table of every setting in `docs/configuration.md`: made from the types, their defaults and their documentation,
//! and compared with the page.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};

use serde_json::Value as Json;

use super::catalog::{self, ITEM, NAME, Setting};
use super::environment::variable;
use super::{origin, ranges};
use crate::scheduler::LaneConfig;
use crate::server::{CertificateConfig, Config, Cors, ListenerConfig, MethodConfig, TlsConfig};

const BEGIN: &str =
    "<!-- The table is made from the code: OVERWRITE_DOCS=1 cargo test -p ambidex --lib reference -->\n";
const END: &str = "<!-- The end of the table. -->\n";

#[test]
fn the_page_lists_every_setting_as_it_is() {
    let file = root().join("docs/configuration.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a table");
    let (table, after) = rest.split_once(END).expect("the table has an end");
    let expected = made();
    if std::env::var_os("OVERWRITE_DOCS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    for (written, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(written, expected, "the page is old: run what it says above the table");
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

#[test]
fn every_field_is_a_setting() {
    let settings = catalog::settings();
    let has = |name: &str| settings.iter().any(|setting| setting.name() == name);
    for name in [
        "connections_max",
        "timeout_default_ms",
        "json_in.max_depth",
        "cors.origins",
        "methods.NAME.timeout_ms",
        "scheduler.threads_max",
        "scheduler.lanes[].criticality",
    ] {
        assert!(has(name), "{name} is a setting");
    }
    // As many as the type has fields, and not only those that this test knows.
    let fields = documentation();
    let own = fields.keys().filter(|(owner, field)| owner == "Config" && field != "origins").count();
    let top: std::collections::BTreeSet<_> = settings.iter().map(|setting| &setting.path[0]).collect();
    assert_eq!(top.len(), own);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn made() -> String {
    let documentation = documentation();
    let mut example = Config::default();
    example.methods.insert(NAME.to_owned(), MethodConfig::default());
    example.scheduler.lanes.push(LaneConfig::new(NAME));
    example.cors = Some(Cors::origins([NAME]));
    let mut listener = ListenerConfig::at(NAME);
    let mut tls = TlsConfig::new(NAME, NAME);
    tls.more_certificates.push(CertificateConfig::new(NAME, NAME));
    listener.tls = Some(tls);
    example.listeners.push(listener);
    let example = origin::json(&example);
    let mut table =
        "\n| setting | variable | takes | default | meaning |\n|---|---|---|---|---|\n".to_owned();
    for setting in catalog::settings() {
        let key = (setting.field.0.to_owned(), setting.field.1.to_owned());
        let meaning = documentation.get(&key).unwrap_or_else(|| panic!("{key:?} is documented"));
        let variable = if setting.is_in_many() {
            String::new()
        } else {
            format!("`{}`", variable("AMBIDEX", &setting.path))
        };
        let takes = format!("{}{}", setting.kind, range(&setting));
        let default = default(&example, &setting);
        table.push_str(&format!("| `{}` | {variable} | {takes} | {default} | {meaning} |\n", setting.name()));
    }
    table.push('\n');
    table
}

fn range(setting: &Setting) -> String {
    match ranges::of(&setting.path) {
        None => String::new(),
        Some((min, i128::MAX)) => format!(" from {min}"),
        Some((min, max)) => format!(" from {min} to {max}"),
    }
}

fn default(example: &Json, setting: &Setting) -> String {
    let step = |json: &'_ Json, name: &String| match name.as_str() {
        ITEM => json.get(0).cloned(),
        name => json.get(name).cloned(),
    };
    let value = setting.path.iter().try_fold(example.clone(), |json, name| step(&json, name));
    match value.unwrap_or_default() {
        Json::Null => "not set".to_owned(),
        Json::Number(number) if number.as_u64() == Some(u64::MAX) => "no limit".to_owned(),
        value if value.to_string().contains(NAME) => "has to be said".to_owned(),
        value => format!("`{value}`"),
    }
}

/// The first sentence of what is said of every public field, by its type and name.
fn documentation() -> HashMap<(String, String), String> {
    let mut found = HashMap::new();
    for folder in ["src/server", "src/scheduler", "src/handler", "crates/ambidex-schema/src/json"] {
        read_folder(&root().join(folder), &mut found);
    }
    found
}

fn read_folder(folder: &FilePath, found: &mut HashMap<(String, String), String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            read_source(&std::fs::read_to_string(path).unwrap(), found);
        }
    }
}

fn read_source(source: &str, found: &mut HashMap<(String, String), String>) {
    let mut owner = None;
    let mut said = Vec::new();
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("pub struct ") {
            owner = rest.strip_suffix(" {").map(str::to_owned);
            said.clear();
        } else if line.starts_with('}') {
            owner = None;
        } else if let Some(text) = line.strip_prefix("    /// ") {
            said.push(text);
        } else if let (Some(owner), Some((field, _))) =
            (&owner, line.strip_prefix("    pub ").and_then(|rest| rest.split_once(": ")))
        {
            found.insert((owner.clone(), field.to_owned()), first_sentence(&said.join(" ")));
            said.clear();
        }
    }
}

fn first_sentence(text: &str) -> String {
    let end = text
        .match_indices(". ")
        .find(|(at, _)| !text[..*at].ends_with("e.g"))
        .map_or(text.len(), |(at, _)| at);
    let sentence = text[..end].trim_end_matches('.').replace("[`", "`").replace("`]", "`");
    // Links within the code lead nowhere from here.
    match (sentence.find("(Self::"), sentence.find("`(crate")) {
        (Some(at), _) => {
            sentence[..at].to_owned() + sentence[at..].split_once(')').map_or("", |(_, rest)| rest)
        }
        _ => sentence,
    }
    .replace('|', "\\|")
}
