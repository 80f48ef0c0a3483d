//! Any templates and any path: what is found is what a matcher finds that tries every template by hand.
#![no_main]

use ambidex_schema::{Captures, HttpVerb, Match, PathTemplate, RouteTable, Segment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let Some(path) = lines.next() else { return };
    // Decoding has tests of its own; without escapes, literals are compared as they stand.
    let plain = !text.contains('%');
    let mut table = RouteTable::new();
    let mut templates = Vec::new();
    for line in lines.take(8) {
        match line.parse::<PathTemplate>() {
            Ok(template) => {
                assert_eq!(template.as_str(), line, "a template is shown as it was written");
                if table.insert(&HttpVerb::Get, &template, templates.len()).is_ok() {
                    templates.push(template);
                }
            }
            Err(error) => assert!(error.column() >= 1 && error.column() <= line.chars().count() + 1),
        }
    }
    let by_hand: Vec<usize> =
        (0..templates.len()).filter(|&index| matches_by_hand(&templates[index], path)).collect();
    let mut captures = Captures::default();
    match table.find("GET", path, &mut captures) {
        Match::Found { value, .. } => {
            let template = &templates[*value];
            assert_eq!(captures.len(), template.variables().len(), "every variable captures something");
            assert!(!plain || by_hand.contains(value), "{path:?} is not one of {template:?}");
        }
        _ => assert!(!plain || by_hand.is_empty(), "{path:?} is one of {:?}", templates[by_hand[0]]),
    }
});

/// Whether a template has this path, tried segment by segment.
fn matches_by_hand(template: &PathTemplate, path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else { return false };
    let whole = |path: &str| -> bool {
        let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
        segments_match(template.segments(), &parts)
    };
    match template.verb() {
        None => whole(path),
        Some(verb) => path.strip_suffix(verb).and_then(|path| path.strip_suffix(':')).is_some_and(whole),
    }
}

fn segments_match(segments: &[Segment], parts: &[&str]) -> bool {
    match (segments.split_first(), parts.split_first()) {
        (None, None) => true,
        (Some((Segment::Multi, [])), _) => true,
        (Some((Segment::Single, segments)), Some((part, parts))) => {
            !part.is_empty() && segments_match(segments, parts)
        }
        (Some((Segment::Literal(literal), segments)), Some((part, parts))) => {
            literal == part && segments_match(segments, parts)
        }
        _ => false,
    }
}
