//! What runs of the tests write to stdout, kept for those who read it by other means.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

/// Keeps the lines of a run in the folder that `TRANSCRIPTS` names, if it names one: `tests/ecosystem/airbyte` holds each of
/// them against what others understand of the protocol. A line that came before, in whatever run, is left out.
pub fn keep(lines: &str) {
    static KNOWN: LazyLock<(RandomState, Mutex<HashSet<u64>>)> = LazyLock::new(Default::default);
    let Some(folder) = std::env::var_os("TRANSCRIPTS") else { return };
    let (hashes, known) = &*KNOWN;
    let mut known = known.lock().unwrap();
    let fresh: String = lines.split_inclusive('\n').filter(|line| known.insert(hashes.hash_one(line))).collect();
    if fresh.is_empty() {
        return;
    }
    // A test has a thread of its own, which is called like it.
    let test = std::thread::current().name().unwrap_or("unnamed").replace("::", ".");
    fs::write(PathBuf::from(folder).join(format!("{test}.{}.jsonl", known.len())), fresh).unwrap();
}
