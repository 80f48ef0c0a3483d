//! The code that is generated, compared to copies in `golden/` byte for byte, so that a review
//! sees what a change does to it.
//!
//! After an intended change, `UPDATE_GOLDEN=1 cargo test -p ambidex-build --test golden` writes
//! the copies anew.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use ambidex_build::{Builder, configure};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// Compiles `proto` and compares the files that are named.
fn assert_golden(builder: Builder, proto: &str, files: &[(&str, &str)]) {
    let directory = tempfile::tempdir().unwrap();
    builder.out_dir(directory.path()).compile(&[here("proto").join(proto)], &[here("proto")]).unwrap();
    for (generated, golden) in files {
        let generated = fs::read_to_string(directory.path().join(generated)).unwrap();
        let golden = here("golden").join(golden);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, generated).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert!(
            generated == expected,
            "the code differs from {}; if that is intended, run with UPDATE_GOLDEN=1 and look at the diff",
            golden.display(),
        );
    }
}

#[test]
fn all_kinds_of_methods_and_comments() {
    assert_golden(configure(), "library/v1/library.proto", &[("library.v1.rs", "library.v1.rs")]);
}

#[test]
fn names_that_need_care_and_messages_of_other_packages() {
    assert_golden(
        configure().include_file("mod.rs"),
        "names/v1/names.proto",
        &[("names.v1.rs", "names.v1.rs"), ("mod.rs", "mod.rs")],
    );
}

#[test]
fn methods_that_answer_unimplemented_where_that_was_asked_for() {
    assert_golden(
        configure().unimplemented(".shop.Shop").bytes([".shop.Order"]).client(false),
        "shop/shop.proto",
        &[("shop.rs", "unimplemented.rs")],
    );
}

#[test]
fn a_client_alone_and_another_path_to_ambidex() {
    assert_golden(
        configure().server(false).ambidex_path("crate"),
        "shop/shop.proto",
        &[("shop.rs", "client_only.rs")],
    );
}
