//! A JSON value of a chat, taken apart as far as its rows need it.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::json::Malformed;
use crate::json::scan::Scanner;
use crate::rows::text::{inner, spelled};

/// Up to so many members are compared with each other rather than sorted.
const FEW: usize = 32;

/// One member of an entry.
pub struct Member<'text> {
    /// Its name, in the spelling that equal names share.
    pub name: Cow<'text, str>,
    /// The text of its value.
    pub value: &'text str,
    /// The member within which it stands, if that was opened.
    pub within: Option<&'static str>,
}

/// Where the members of an entry stand among those of the whole chat.
pub struct Slot<'text> {
    text: &'text str,
    first: usize,
    end: usize,
}

/// A value of a list, or the chat itself.
#[derive(Clone, Copy)]
pub struct Entry<'chat, 'text> {
    /// Its text.
    pub text: &'text str,
    members: &'chat [Member<'text>],
}

impl<'chat, 'text> Slot<'text> {
    /// The entry that it stands for.
    pub fn entry(&self, members: &'chat [Member<'text>]) -> Entry<'chat, 'text> {
        Entry { text: self.text, members: &members[self.first..self.end] }
    }
}

impl<'chat, 'text> Entry<'chat, 'text> {
    /// The entry of these members.
    pub fn new(text: &'text str, members: &'chat [Member<'text>]) -> Self {
        Self { text, members }
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.text.starts_with('{')
    }

    /// Its members; those within an opened one follow it.
    pub fn members(self) -> &'chat [Member<'text>] {
        self.members
    }

    /// Whether it has a member of that name, be it null.
    pub fn has(self, name: &str) -> bool {
        self.find(None, name).is_some()
    }

    /// The text of a member's value, unless it is null.
    pub fn value(self, name: &str) -> Option<&'text str> {
        self.find(None, name).filter(|&value| value != "null")
    }

    /// The text of a value within an opened member, unless it is null.
    pub fn within(self, outer: &str, name: &str) -> Option<&'text str> {
        self.find(Some(outer), name).filter(|&value| value != "null")
    }

    /// What lies between the quotes of a member that is a string.
    pub fn text(self, name: &str) -> Option<&'text str> {
        self.value(name).and_then(inner)
    }

    fn find(self, within: Option<&str>, name: &str) -> Option<&'text str> {
        let member = self.members.iter().find(|member| member.name == name && member.within == within);
        member.map(|member| member.value)
    }
}

/// Goes over a value and appends its members; those named in `opened` are taken apart too.
pub fn scan<'text>(
    json: &mut Scanner<'text>,
    opened: &'static [&'static str],
    members: &mut Vec<Member<'text>>,
) -> Result<Slot<'text>, Malformed> {
    let first = members.len();
    let text = if json.peek()? == b'{' {
        let span = json.object(|json, key| {
            let name = spelled(json.slice(key));
            scan_member(json, name, opened, members)
        })?;
        json.slice(span)
    } else {
        json.value_text()?
    };
    keep_last(members, first);
    Ok(Slot { text, first, end: members.len() })
}

/// Goes over the value of a member and appends it.
pub fn scan_member<'text>(
    json: &mut Scanner<'text>,
    name: Cow<'text, str>,
    opened: &'static [&'static str],
    members: &mut Vec<Member<'text>>,
) -> Result<(), Malformed> {
    let outer = opened.iter().find(|opened| **opened == name);
    let is_opened = outer.is_some() && json.peek()? == b'{';
    if !is_opened {
        members.push(Member { name, value: json.value_text()?, within: None });
        return Ok(());
    }
    let place = members.len();
    members.push(Member { name, value: "", within: None });
    let span = json.object(|json, key| {
        let name = spelled(json.slice(key));
        members.push(Member { name, value: json.value_text()?, within: outer.copied() });
        Ok(())
    })?;
    members[place].value = json.slice(span);
    Ok(())
}

/// Leaves of the members from `first` on that bear one name the last, with what stands within it.
pub fn keep_last(members: &mut Vec<Member<'_>>, first: usize) {
    if !repeats(&members[first..]) {
        return;
    }
    let (mut outer, mut within) = (HashSet::new(), HashSet::new());
    let mut keep: Vec<bool> = Vec::new();
    for member in members[first..].iter().rev() {
        if member.within.is_none() {
            within.clear();
            keep.push(outer.insert(&*member.name));
        } else {
            keep.push(within.insert(&*member.name));
        }
    }
    let mut keep = keep.into_iter().rev();
    let mut outer_is_kept = true;
    for member in members.split_off(first) {
        let is_last = keep.next().unwrap_or(true);
        if member.within.is_none() {
            outer_is_kept = is_last;
        }
        if is_last && outer_is_kept {
            members.push(member);
        }
    }
}

/// Whether two members bear one name.
fn repeats(members: &[Member<'_>]) -> bool {
    let key = |member: &Member<'_>| (member.within, member.name.len());
    if members.len() <= FEW {
        let same = |one: &Member<'_>, other: &Member<'_>| key(one) == key(other) && one.name == other.name;
        return members.iter().enumerate().any(|(at, one)| members[..at].iter().any(|other| same(one, other)));
    }
    let mut names: Vec<_> = members.iter().map(|member| (member.within, &*member.name)).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<(String, String)> {
        let mut members = Vec::new();
        scan(&mut Scanner::new(text).unwrap(), &["b"], &mut members).unwrap();
        let place = |member: &Member<'_>| format!("{}/{}", member.within.unwrap_or_default(), member.name);
        members.iter().map(|member| (place(member), member.value.to_owned())).collect()
    }

    #[test]
    fn of_members_of_one_name_the_last_counts() {
        for (text, expected) in [
            (r#"{"a":1,"c":2}"#, vec![("/a", "1"), ("/c", "2")]),
            (r#"{"a":1,"c":2,"\u0061":3}"#, vec![("/c", "2"), ("/a", "3")]),
            (r#"{"b":{"x":1,"y":2},"b":{"x":3}}"#, vec![("/b", r#"{"x":3}"#), ("b/x", "3")]),
            (r#"{"b":{"x":1,"x":2}}"#, vec![("/b", r#"{"x":1,"x":2}"#), ("b/x", "2")]),
            (r#"{"b":{"x":1},"b":4}"#, vec![("/b", "4")]),
            (r#"{"\ud800":1,"\uD800":2,"\ud801":3}"#, vec![(r"/\ud800", "2"), (r"/\ud801", "3")]),
            ("[1]", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(one, two)| (one.to_owned(), two.to_owned())).collect();
            assert_eq!(members(text), expected, "{text}");
        }
    }

    #[test]
    fn many_members_are_told_apart_like_few() {
        let all = (0..100).map(|at| format!("\"m{}\":{at}", at % 60)).collect::<Vec<_>>().join(",");
        let left = members(&format!("{{{all}}}"));
        assert_eq!(left.len(), 60);
        assert!(left.contains(&("/m39".to_owned(), "99".to_owned())));
    }
}
