//! Feeds every file of `tests/corpus` to the parsers of outside bytes. The targets in `fuzz` make the same checks with
//! arbitrary bytes.

use std::fs;
use std::path::Path;

#[path = "../corpus/checks.rs"]
mod checks;

/// Runs a check on each file of a target's corpus.
fn each(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    assert!(!files.is_empty());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        std::panic::catch_unwind(|| check(&bytes)).unwrap_or_else(|_| panic!("{}", file.display()));
    }
}

#[test]
fn any_page_is_taken_apart_or_refused() {
    each("page", checks::page);
}

#[test]
fn any_pages_are_walked_without_a_step_back_or_a_loss() {
    each("walk", checks::walk);
}

#[test]
fn any_state_is_read_as_it_is_written_or_refused() {
    each("state", checks::state);
}

#[test]
fn any_configuration_is_safe_or_refused() {
    each("config", checks::config);
}

#[test]
fn any_catalog_is_planned_or_refused() {
    each("catalog", checks::catalog);
}

#[test]
fn any_record_is_written_so_that_it_can_be_read() {
    each("conform", checks::conform);
}
