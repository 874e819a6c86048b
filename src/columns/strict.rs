//! Makes JSON that every reader accepts and understands in the same way.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_json::Value;

use super::value;
use crate::json::text::{self, paired, string_length};

/// The same JSON with U+FFFD for each half of a surrogate pair, and with unique names in each object.
///
/// This is not recursive, so that deep nesting cannot exhaust the stack.
pub fn strict(json: &str) -> Cow<'_, str> {
    let edits = if json.starts_with(['{', '[']) { edits(json) } else { Vec::new() };
    if edits.is_empty() && !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let mut mended = String::with_capacity(json.len());
    let mut done = 0;
    for (span, text) in edits {
        // Edits within a removed member are dropped with it.
        if span.start >= done {
            mended.push_str(&paired(&json[done..span.start]));
            mended.push_str(&text);
            done = span.end;
        }
    }
    mended.push_str(&paired(&json[done..]));
    Cow::Owned(mended)
}

/// After this many attempts to make a name unique with U+FFFD, it gets a number instead.
const NUMBERED: usize = 8;

/// The names to use for the keys of one object, which are given without their quotes: `None` for a key that occurs
/// again later.
///
/// Names without halves of surrogate pairs stay as they are. If replacing such a half made a name equal to another one,
/// more of U+FFFD is appended until the name is unique. After `NUMBERED` attempts a number is appended instead, because
/// ever longer names would fill the memory.
pub fn names<'json>(keys: &[&'json str]) -> Vec<Option<Cow<'json, str>>> {
    let names: Vec<Cow<'_, [u8]>> = keys.iter().map(|key| value::decoded(key)).collect();
    let mut later = HashSet::new();
    let mut last: Vec<bool> = names.iter().rev().map(|name| later.insert(name)).collect();
    last.reverse();
    let whole = |index: usize| std::str::from_utf8(&names[index]).is_ok();
    let mut names: Vec<Option<Cow<'_, str>>> =
        keys.iter().zip(last).map(|(key, last)| last.then(|| text::read(key))).collect();
    if (0..keys.len()).all(whole) {
        return names;
    }
    let mut taken: HashSet<String> = (0..keys.len())
        .filter(|&index| whole(index))
        .filter_map(|index| names[index].as_deref().map(str::to_owned))
        .collect();
    // How many U+FFFD, or which number, the last name with the same replacement got.
    let mut added: HashMap<String, usize> = HashMap::new();
    for (index, name) in names.iter_mut().enumerate() {
        let Some(name) = name.as_mut().filter(|_| !whole(index)) else { continue };
        let added = added.entry(name.to_string()).or_default();
        let free = loop {
            let free = match *added {
                few @ 0..NUMBERED => format!("{name}{}", "\u{fffd}".repeat(few)),
                many => format!("{name}\u{fffd}{many}"),
            };
            if taken.insert(free.clone()) {
                break free;
            }
            *added += 1;
        };
        *name = Cow::Owned(free);
    }
    names
}

/// A member of an object: the range of its key, quotes included, and the end of the comma after it.
struct Member {
    key: Range<usize>,
    end: usize,
}

/// The edits that make names unique, in order: ranges of the text, and the text that replaces each.
fn edits(json: &str) -> Vec<(Range<usize>, String)> {
    let mut edits = Vec::new();
    // The members so far of each open object; `None` for an open array.
    let mut open: Vec<Option<Vec<Member>>> = Vec::new();
    let mut before_key = false;
    let mut at = 0;
    while let Some(&byte) = json.as_bytes().get(at) {
        let mut end = at + 1;
        match byte {
            b'"' => {
                end = at + string_length(&json[at..]);
                if let (true, Some(Some(members))) = (before_key, open.last_mut()) {
                    members.push(Member { key: at..end, end });
                }
                before_key = false;
            }
            b'{' => {
                open.push(Some(Vec::new()));
                before_key = true;
            }
            b'[' => open.push(None),
            b'}' | b']' => {
                rename(json, &open.pop().flatten().unwrap_or_default(), &mut edits);
                before_key = false;
            }
            b',' => {
                if let Some(Some(members)) = open.last_mut() {
                    if let Some(member) = members.last_mut() {
                        member.end = end;
                    }
                    before_key = true;
                }
            }
            _ => {}
        }
        at = end;
    }
    edits.sort_by_key(|(span, _)| span.start);
    edits
}

/// Makes the names of one object unique.
fn rename(json: &str, members: &[Member], edits: &mut Vec<(Range<usize>, String)>) {
    let keys: Vec<&str> = members.iter().map(|member| &json[member.key.start + 1..member.key.end - 1]).collect();
    for (member, (name, key)) in members.iter().zip(names(&keys).into_iter().zip(&keys)) {
        match name {
            // A comma follows, because a later member has the same name.
            None => edits.push((member.key.start..member.end, String::new())),
            Some(name) if name != text::read(key) => edits.push((member.key.clone(), Value::from(name).to_string())),
            Some(_) => {}
        }
    }
}
