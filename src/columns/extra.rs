//! The values of a row that its columns cannot give back.

use std::collections::HashSet;

use serde_json::Value;

use super::strict::strict;

/// The entries of one row: JSON Pointers, and the texts of the values. A pointer is built from its end: each enclosing
/// member or element is put in front.
#[derive(Default)]
pub struct Extra {
    entries: Vec<(String, String)>,
    /// Whether a member occurred twice in one object.
    pub repeated: bool,
}

impl Extra {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keeps a value as it came, except for parts that some JSON readers reject: those are replaced.
    pub fn keep(&mut self, json: &str) {
        self.entries.push((String::new(), strict(json).into_owned()));
    }

    /// Puts the name of a member or element in front of the pointers of all entries from index `from` on.
    pub fn name(&mut self, from: usize, name: &str) {
        let name = name.replace('~', "~0").replace('/', "~1");
        for (pointer, _) in &mut self.entries[from..] {
            pointer.insert_str(0, &name);
            pointer.insert(0, '/');
        }
    }

    /// Returns the row's entries, if there are any, and keeps none. If a member occurred twice, the entries may be
    /// wrong, so that is an error.
    pub fn take(&mut self) -> Result<Option<String>, Repeated> {
        let entries = std::mem::take(&mut self.entries);
        let repeated = std::mem::take(&mut self.repeated);
        if entries.is_empty() && !repeated {
            return Ok(None);
        }
        let mut pointers = HashSet::new();
        if repeated || !entries.iter().all(|(pointer, _)| pointers.insert(pointer)) {
            return Err(Repeated);
        }
        let mut text = String::new();
        // An absent member and null are the same.
        for (pointer, json) in entries.iter().filter(|(_, json)| json != "null") {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(&Value::from(pointer.as_str()).to_string());
            text.push(':');
            text.push_str(json);
        }
        if text.is_empty() {
            return Ok(None);
        }
        text.push('}');
        Ok(Some(text))
    }
}

/// A member occurred twice in one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;
