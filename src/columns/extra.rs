//! What the columns of a row cannot give back.

use std::collections::HashSet;

use serde_json::Value;

use super::strict::strict;

/// The entries of one row: the JSON Pointer of a value as far as it is known yet, from its end on, and the value's text.
#[derive(Default)]
pub struct Extra {
    entries: Vec<(String, String)>,
    /// Whether a member came twice in one object.
    pub repeated: bool,
}

impl Extra {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keeps a value as it came, but for what keeps readers of JSON from reading it.
    pub fn keep(&mut self, json: &str) {
        self.entries.push((String::new(), strict(json).into_owned()));
    }

    /// Names the member or element in which all from that one on were found.
    pub fn name(&mut self, from: usize, name: &str) {
        let name = name.replace('~', "~0").replace('/', "~1");
        for (pointer, _) in &mut self.entries[from..] {
            pointer.insert_str(0, &name);
            pointer.insert(0, '/');
        }
    }

    /// The entries of the row that ends, if there are any; none if a member came twice, for then they may be wrong.
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
        // Nothing and null are the same.
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

/// A member came twice in one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;
