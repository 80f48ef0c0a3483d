//! The README says what is: each of its snippets stands in the crate `examples/tour`, which is compiled and
//! tested like any other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A code block: its language, the paragraph before it, its text.
struct Block {
    language: String,
    before: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            before = if line.is_empty() { before } else { line };
            continue;
        };
        let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(Block {
            language: language.to_owned(),
            before: before.to_owned(),
            text: text.join("\n"),
        });
    }
    blocks
}

/// The first name in backticks before a block is the file it shows.
fn file_of(block: &Block) -> &str {
    let name = block.before.split('`').nth(1);
    name.unwrap_or_else(|| panic!("no file is named before the block:\n{}", block.text))
}

#[test]
fn every_snippet_is_a_file_of_the_tour() {
    let readme = read("README.md");
    let mut shown = BTreeSet::new();
    for block in blocks(&readme).iter().filter(|block| ["rust", "proto"].contains(&block.language.as_str())) {
        let file = file_of(block);
        let real = read(&format!("examples/tour/{file}"));
        assert!(
            block.text == real.trim_end(),
            "README.md shows another {file} than examples/tour/{file}:\n{}",
            first_difference(&block.text, &real)
        );
        shown.insert(file.to_owned());
    }
    let whole =
        ["build.rs", "proto/guestbook/v1/guestbook.proto", "src/lib.rs", "src/main.rs", "tests/guestbook.rs"];
    assert_eq!(shown, whole.map(str::to_owned).into(), "the tour is shown whole");
}

fn first_difference(shown: &str, real: &str) -> String {
    let pair = shown.lines().zip(real.lines()).find(|(shown, real)| shown != real);
    pair.map_or("one is longer".to_owned(), |(shown, real)| format!("shown: {shown}\nreal:  {real}"))
}

/// Names and options of the dependencies in a manifest, without where they come from.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]");
    let lines = lines.filter(|line| line.contains('=') || line.starts_with('['));
    lines
        .map(|line| {
            let name = line.split([' ', '.']).next().expect("a name");
            // Our own crates come from the workspace there, and by version in the README.
            if name.starts_with("ambidex") { name.to_owned() } else { line.to_owned() }
        })
        .collect()
}

#[test]
fn the_readmes_manifest_is_the_tours() {
    let readme = read("README.md");
    let shown = blocks(&readme).into_iter().find(|block| block.language == "toml").expect("a manifest");
    assert_eq!(dependencies(&shown.text), dependencies(&read("examples/tour/Cargo.toml")));
}

#[test]
fn every_file_the_readme_names_is_there() {
    let readme = read("README.md");
    let targets = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for target in targets.filter(|target| !target.starts_with("http")) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(target).exists(), "README.md links to {target}");
    }
}
