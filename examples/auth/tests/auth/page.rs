//! The page about interceptors shows what is: its snippets are lines of this example.

use std::fs;
use std::path::Path;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Without what a page leaves out or sets apart: indentation, empty lines and comments.
fn lines(text: &str) -> Vec<&str> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    code.filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_snippet_that_names_a_file_stands_in_it() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = read(&example.join("../../docs/interceptors.md"));
    let mut shown = Vec::new();
    // A block begins with `// file.rs` where it is of the example.
    for block in page.split("```rust,ignore\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let Some(file) = block.lines().next().and_then(|line| line.strip_prefix("// ")) else { continue };
        let source = read(&example.join("src").join(file));
        let (source, snippet) = (lines(&source), lines(block));
        assert!(!snippet.is_empty(), "an empty block of {file}");
        let stands = source.windows(snippet.len()).any(|window| window == snippet);
        assert!(stands, "docs/interceptors.md shows what is not in {file}:\n{block}");
        shown.push(file.to_owned());
    }
    assert_eq!(shown, ["bearer.rs", "lib.rs", "notes.rs", "certificate.rs", "caller.rs", "lib.rs"]);
}
