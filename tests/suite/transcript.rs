//! Saves what test runs write to stdout, for checks by other programs.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

/// Saves the lines of a run in the folder that `TRANSCRIPTS` names, if it is set. `tests/ecosystem/airbyte` checks each
/// line against other implementations of the protocol. A line that any run has saved before is left out.
pub fn keep(lines: &str) {
    static KNOWN: LazyLock<(RandomState, Mutex<HashSet<u64>>)> = LazyLock::new(Default::default);
    let Some(folder) = std::env::var_os("TRANSCRIPTS") else { return };
    let (hashes, known) = &*KNOWN;
    let mut known = known.lock().unwrap();
    let fresh: String = lines.split_inclusive('\n').filter(|line| known.insert(hashes.hash_one(line))).collect();
    if fresh.is_empty() {
        return;
    }
    // Each test runs in a thread named after it.
    let test = std::thread::current().name().unwrap_or("unnamed").replace("::", ".");
    fs::write(PathBuf::from(folder).join(format!("{test}.{}.jsonl", known.len())), fresh).unwrap();
}
