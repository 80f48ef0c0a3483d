//! The house rules that a compiler does not check: imports go leftwards only, and every file says what it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers of `src/`, each importing only from those to its left. Edges are one layer: none imports another.
const LAYERS: &[&[&str]] = &[
    &["google"],
    &["call"],
    &["coding"],
    &["scheduler"],
    &["telemetry"],
    &["handler"],
    &["caller"],
    &["dispatch"],
    &["grpc", "http", "local"],
    &["server"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // Golden files are generated, and those for compile errors are someone's mistakes.
            if !["golden", "ui", "target"].contains(&path.file_name().unwrap().to_str().unwrap()) {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn files_below(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        rust_files(&root().join(folder), &mut found);
    }
    assert!(!found.is_empty(), "there are files below {folders:?}");
    found
}

/// The module of `src/` a file belongs to.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules of the crate that a source names, by `crate::name`, comments left out.
fn imports(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        let group = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        let heads: Vec<_> = group.map_or(vec![rest], |group| group.split(',').collect());
        for head in heads {
            let name: String =
                head.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            names.insert(name);
        }
    }
    names
}

#[test]
fn imports_go_leftwards_only() {
    let mut wrong = Vec::new();
    for file in files_below(&["src"]) {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let own = layer_of(&module).unwrap_or_else(|| panic!("{module} is in no layer: put it into LAYERS"));
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            // A name that `lib.rs` re-exports has its home to the left; imported from `lib.rs` it is to the right.
            let layer = layer_of(&import).unwrap_or(usize::MAX);
            if import != module && layer >= own {
                wrong.push(format!("{}: {module} must not import {import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a line that mentions one of these says it knows, and the only rooms that may.
const KNOWLEDGE: &[(&[&str], &[&str])] = &[
    (&["tonic::transport", "tonic::server"], &["grpc", "server"]),
    (&["axum::"], &["http", "server"]),
    (&["std::thread", "thread::spawn", "spawn_blocking", "thread::Builder"], &["scheduler"]),
    (&["prost_reflect", "ambidex_schema"], &["http", "server"]),
    (&["quote!"], &[]),
];

#[test]
fn every_room_knows_only_what_is_its_own() {
    let mut wrong = Vec::new();
    for file in files_below(&["src"]) {
        let module = module_of(&file);
        let source = fs::read_to_string(&file).unwrap();
        for (number, line) in source.lines().enumerate() {
            // Encoding a struct is prost's business, whoever does it; it takes no knowledge of a schema. Nor does it
            // take threads of one's own to know how many cores there are.
            let code = line.split("//").next().unwrap().replace("ambidex_schema::encode_wire", "");
            let code = code.replace("std::thread::available_parallelism", "");
            for (words, rooms) in KNOWLEDGE {
                // gRPC's messages may be JSON, too; one file of its edge spells them.
                let spells = file.ends_with("grpc/json.rs") && words.contains(&"ambidex_schema");
                if words.iter().any(|word| code.contains(word))
                    && !rooms.contains(&module.as_str())
                    && !spells
                {
                    wrong.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_stands_alone() {
    let manifest = fs::read_to_string(root().join("crates/ambidex-schema/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    for foreign in ["tokio", "tonic", "axum", "hyper"] {
        assert!(!dependencies.contains(foreign), "ambidex-schema depends on {foreign}");
    }
}

#[test]
fn http_status_numbers_are_in_one_file() {
    let mut wrong = Vec::new();
    for file in files_below(&["src"]) {
        if file.ends_with("http/status.rs") {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        for (number, line) in source.lines().take_while(|line| !line.contains("#[cfg(test)]")).enumerate() {
            // gRPC's own protocol has three words of HTTP, for requests that are not gRPC.
            let grpcs_own = file.ends_with("grpc/mod.rs")
                && ["UNSUPPORTED_MEDIA_TYPE", "METHOD_NOT_ALLOWED", "HTTP_VERSION_NOT_SUPPORTED"]
                    .iter()
                    .any(|own| line.contains(own));
            // What a handler may choose to say has names there.
            let handlers_own = file.ends_with("call/http_words.rs");
            let after = line.split("StatusCode::").nth(1).unwrap_or_default();
            let names_one =
                after.starts_with("from_u16") || after.starts_with(|c: char| c.is_ascii_uppercase());
            if names_one && !grpcs_own && !handlers_own {
                wrong.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ROOMS: &[&str] = &[
    "src",
    "tests",
    "examples",
    "benches",
    "crates/ambidex-schema",
    "crates/ambidex-build",
    "crates/ambidex-macros",
];

#[test]
fn every_file_opens_with_what_it_is() {
    let mut silent = Vec::new();
    for file in files_below(ROOMS) {
        if !fs::read_to_string(&file).unwrap().starts_with("//!") {
            silent.push(file.display().to_string());
        }
    }
    assert!(silent.is_empty(), "these files do not begin with `//!`:\n{}", silent.join("\n"));
}

/// Longer than this is more than anybody wants to read in one sitting.
const LINES_MAX: usize = 600;

#[test]
fn no_file_is_too_long_to_read() {
    let mut long = Vec::new();
    for file in files_below(ROOMS) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        if lines > LINES_MAX {
            long.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
