//! `docs/http-rules.md` and `docs/traps.md` say what is: the requests of the one are sent, the tests of the other
//! are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::Method;
use serde_json::Value;

use crate::support::running::{edge_builder, start};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a page's tables that begin with a number, as their cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && line[2..].starts_with(|c: char| c.is_ascii_digit()));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[tokio::test]
async fn each_of_the_thirty_requests_becomes_its_message() {
    let server = start(edge_builder()).await;
    let rows = rows(&read("docs/http-rules.md"));
    assert_eq!(rows.len(), 30);
    for row in rows {
        let [number, _, request, expected] = &row[..] else { panic!("four cells: {row:?}") };
        let mut request = request.trim_matches('`').splitn(3, ' ');
        let method = Method::from_bytes(request.next().unwrap().as_bytes()).unwrap();
        let (path, body) = (request.next().unwrap(), request.next().unwrap_or_default());
        let json = [("content-type", "application/json")];
        let answer = server.http.send(method, path, &json, body.to_owned()).await;
        if let Ok(status) = expected.parse::<u16>() {
            assert_eq!(answer.status.as_u16(), status, "{number}: {}", answer.text());
            continue;
        }
        assert_eq!(answer.status.as_u16(), 200, "{number}: {}", answer.text());
        let mut seen = answer.json();
        seen.as_object_mut().unwrap().remove("binding");
        let expected: Value = serde_json::from_str(expected.trim_matches('`')).expect("JSON");
        assert_eq!(seen, expected, "{number}");
    }
}

#[test]
fn every_trap_has_tests_that_are_there() {
    let rows = rows(&read("docs/traps.md"));
    let numbers: BTreeSet<u32> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=35).collect());
    for row in rows {
        let tests: Vec<_> = row[2].split('`').filter(|name| name.contains("::")).collect();
        assert!(!tests.is_empty(), "trap {} has no test", row[0]);
        for test in tests {
            let (module, name) = test.rsplit_once("::").unwrap();
            let (room, inside) = module.split_once("::").unwrap_or(("", module));
            let file = match room {
                "schema" => format!("crates/ambidex-schema/tests/behaviour/{inside}.rs"),
                "build" => format!("crates/ambidex-build/tests/{inside}.rs"),
                "foreign" => format!("tests/foreign/{inside}.rs"),
                // The tests that a file of the library has of itself.
                "unit" => format!("src/{}.rs", inside.replace("::", "/")),
                _ => format!("tests/{module}.rs"),
            };
            let source = read(&file);
            assert!(source.contains(&format!("fn {name}()")), "trap {}: {file} has no {name}", row[0]);
        }
    }
}
