//! Which module may import which, from the bottom layer up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each module, and the modules below it that it may import. A module stands below all its importers, so there is no
/// cycle.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // The bottom layer: modules that know nothing of Zendesk, streams or runs.
    ("atomic_file", &[]),
    ("clock", &[]),
    ("error", &[]),
    ("json", &[]),
    ("nearest", &[]),
    ("position", &[]),
    ("secrets", &[]),
    ("signals", &[]),
    ("wire", &[]),
    ("protocol", &["error"]),
    ("stdout", &["error"]),
    ("progress", &["position"]),
    ("logging", &["progress", "protocol", "secrets", "stdout"]),
    // The account on loopback, which shares only the clock with the connector.
    ("sandbox", &["clock"]),
    // What the service offers, without I/O.
    ("source", &["error", "json", "position", "protocol", "wire"]),
    // What becomes of a record, without I/O.
    ("rows", &["json", "position"]),
    ("columns", &["error", "json", "position", "source"]),
    ("dataset", &["clock", "error", "position"]),
    // Access to the account.
    ("access", &["atomic_file", "clock", "error", "protocol", "stdout"]),
    ("config", &["access", "error", "nearest", "position"]),
    ("client", &["access", "clock", "error", "json", "secrets", "wire"]),
    // The sinks, and the runs that write to them.
    (
        "sink",
        &[
            "atomic_file",
            "clock",
            "columns",
            "dataset",
            "error",
            "json",
            "position",
            "protocol",
            "secrets",
            "source",
            "stdout",
        ],
    ),
    (
        "run",
        &[
            "client", "clock", "columns", "dataset", "error", "nearest", "position", "progress", "protocol", "signals",
            "sink", "source", "wire",
        ],
    ),
    // The commands.
    ("cli", &["access", "clock", "dataset", "position", "sandbox"]),
    (
        "commands",
        &[
            "access",
            "atomic_file",
            "cli",
            "client",
            "clock",
            "config",
            "dataset",
            "error",
            "json",
            "logging",
            "position",
            "progress",
            "protocol",
            "run",
            "sandbox",
            "secrets",
            "signals",
            "sink",
            "source",
            "stdout",
            "wire",
        ],
    ),
];

/// The files of a folder and its subfolders, without tests.
fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "tests" {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && name != "tests.rs" {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

/// The modules of the crate that a file imports outside its tests: the first name after each `crate::`.
fn imported(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let names =
            rest.strip_prefix('{').map_or(rest, |group| group.split_once('}').map_or(group, |(names, _)| names));
        let name = |text: &str| text.chars().take_while(|at| at.is_alphanumeric() || *at == '_').collect::<String>();
        if rest.starts_with('{') {
            found.extend(names.split(',').map(|one| name(one.trim())));
        } else {
            found.insert(name(rest));
        }
    }
    found
}

/// Each import of one module by another, with the files that contain it.
fn graph() -> BTreeMap<(String, String), BTreeSet<String>> {
    let src = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut paths = Vec::new();
    files(Path::new(src), &mut paths);
    let mut graph: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for path in paths {
        let file = path.strip_prefix(src).unwrap().trim_start_matches('/').to_owned();
        let room = file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        if ["main", "lib"].contains(&room.as_str()) {
            continue;
        }
        for other in imported(&fs::read_to_string(&path).unwrap()).into_iter().filter(|other| *other != room) {
            graph.entry((room.clone(), other)).or_default().insert(file.clone());
        }
    }
    graph
}

#[test]
fn rooms_import_only_those_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for ((room, other), files) in graph() {
        let files = files.into_iter().collect::<Vec<_>>().join(", ");
        match allowed.get(room.as_str()) {
            None => wrong.push(format!("`{room}` is a room without a row in MAY_IMPORT: give it one")),
            Some(others) if !others.contains(&other.as_str()) => wrong.push(format!(
                "{files}: `{room}` must not import `{other}`. Move what is needed to a room below both, or hand it over as a value"
            )),
            Some(_) => {}
        }
    }
    assert_eq!(wrong, [] as [String; 0], "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_circle_and_no_arrow_that_nobody_uses() {
    let used: BTreeSet<(String, String)> = graph().into_keys().collect();
    let mut below: BTreeSet<&str> = BTreeSet::new();
    for (room, others) in MAY_IMPORT {
        for other in *others {
            assert!(below.contains(other), "`{room}` may import `{other}`, which does not stand above it in the table");
            let arrow = ((*room).to_owned(), (*other).to_owned());
            assert!(used.contains(&arrow), "`{room}` no longer imports `{other}`: take it out of the table");
        }
        below.insert(room);
    }
}

#[test]
fn imports_are_found_in_all_their_forms() {
    let text = "use crate::a::B;\nuse crate::{c, d::E};\n/// crate::not\nlet x = crate::f::g();\n#[cfg(test)]\nmod tests {\n    use crate::h;\n}";
    assert_eq!(imported(text).into_iter().collect::<Vec<_>>(), ["a", "c", "d", "f"]);
}
