//! The data dictionary: a page in `docs/streams` for each stream of the table. It is built from the stream's schema,
//! the table, a sandbox record, and the descriptions in `tests/data/dictionary.json`. `UPDATE_DOCS=1 cargo test
//! dictionary` writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde::Deserialize;
use serde_json::{Map, Value};
use source_zendesk_chat::sandbox::Account;
use source_zendesk_chat::sandbox::options::Holdings;
use source_zendesk_chat::source::page::{Late, Shape};
use source_zendesk_chat::source::streams::{self, Project, Stream};

use crate::account::{NOW, instant};
use crate::markdown;
use crate::table::{schema, written};

/// The hand-written descriptions of the streams.
const WORDS: &str = include_str!("../data/dictionary.json");

/// The folder of the pages.
const FOLDER: &str = "docs/streams";

/// The preferred maximum length of a sample, in bytes.
const LONGEST_SAMPLE: usize = 4_000;

/// The width of the samples.
const WIDTH: usize = 120;

/// The joins without a match in the sandbox: banned visitors have never written, and no engagement asks for a skill.
const UNSEEN: [&str; 3] = [
    "bans.visitor_id = chats.visitor.id",
    "bans.ip_address = chats.session.ip",
    "chats.engagements[].skills_requested[] = skills.id",
];

/// The hand-written description of a stream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    /// What a row represents.
    row: String,
    /// Members with the same meaning as a member of another stream, written as stream, dot and member.
    #[serde(default)]
    joins: Map<String, Value>,
    /// A query over the joins, line by line.
    #[serde(default)]
    query: Vec<String>,
}

/// Two members with the same meaning, each with its stream.
struct Join<'words> {
    here: (&'words str, &'words str),
    there: (&'words str, &'words str),
}

/// A member at any depth.
struct Member {
    path: String,
    kind: String,
    meaning: String,
}

fn described() -> BTreeMap<String, Words> {
    serde_json::from_str(WORDS).unwrap()
}

/// Every join in the descriptions.
fn joins(all: &BTreeMap<String, Words>) -> Vec<Join<'_>> {
    let mut joins = Vec::new();
    for (name, words) in all {
        for (member, there) in &words.joins {
            let there = there.as_str().unwrap().split_once('.').unwrap();
            joins.push(Join { here: (name, member), there });
        }
    }
    joins
}

/// All members of a stream. Members of an object follow a dot, members of objects in a list follow `[].`.
fn members(stream: &'static Stream) -> Vec<Member> {
    let mut found = Vec::new();
    collect("", &schema(stream), &mut found);
    found
}

fn collect(before: &str, level: &Value, found: &mut Vec<Member>) {
    for (name, member) in level["properties"].as_object().into_iter().flatten() {
        let path = format!("{before}{name}");
        let meaning = member["description"].as_str().unwrap_or_default().to_owned();
        found.push(Member { path: path.clone(), kind: kind(member), meaning });
        collect(&format!("{path}."), member, found);
        collect(&format!("{path}[]."), &member["items"], found);
    }
}

/// The types of a member in words, without null, which every member may be.
fn kind(member: &Value) -> String {
    let types = match &member["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    let word = |name: &str| match (name, member["format"].as_str()) {
        ("string", Some("date-time")) => "time".to_owned(),
        ("array", _) if member["items"].is_object() => {
            format!("list of {}s", kind(&member["items"]).replace(" or ", "s or "))
        }
        ("array", _) => "list".to_owned(),
        (name, _) => name.to_owned(),
    };
    types.into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// The records of a stream in the sandbox, as a run writes them.
fn sample_records(account: &Account, stream: &'static Stream) -> Vec<String> {
    let records = account.truth(stream.name, instant(NOW)).unwrap();
    records.iter().map(|record| written(stream, record).0).collect()
}

/// The record that shows the most members in the least space.
fn sample(account: &Account, stream: &'static Stream) -> Value {
    let short = |line: &String| (line.len() > LONGEST_SAMPLE, std::cmp::Reverse(shown(line)), line.len());
    let chosen = sample_records(account, stream).into_iter().min_by_key(short).unwrap();
    serde_json::from_str(&chosen).unwrap()
}

/// How many members of a record have a value.
fn shown(line: &str) -> usize {
    let mut paths = BTreeSet::new();
    visit("", &serde_json::from_str(line).unwrap(), &mut |path, value| {
        let nothing = value.is_null() || *value == "" || value.as_array().is_some_and(Vec::is_empty);
        if !nothing {
            paths.insert(path.to_owned());
        }
    });
    paths.len()
}

/// Calls `each` for every value at any depth, with its path as in the table of members.
fn visit(path: &str, value: &Value, each: &mut dyn FnMut(&str, &Value)) {
    each(path, value);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                visit(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, member, each);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(&format!("{path}[]"), item, each)),
        _ => {}
    }
}

/// A value as text, broken into lines only where it would be too wide.
fn pretty(value: &Value, indent: usize) -> String {
    let line = spaced(value);
    let inner = indent + 2;
    let lines: Vec<String> = match value {
        _ if indent + line.len() <= WIDTH => return line,
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| format!("{}: {}", Value::from(name.as_str()), pretty(member, inner)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| pretty(item, inner)).collect(),
        _ => return line,
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    let (inner, outer) = (" ".repeat(inner), " ".repeat(indent));
    format!("{open}\n{inner}{}\n{outer}{close}", lines.join(&format!(",\n{inner}")))
}

/// A value on one line, with spaces between its parts.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members =
                members.iter().map(|(name, member)| format!("{}: {}", Value::from(name.as_str()), spaced(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}

/// The facts from the table of streams, as rows of two cells.
fn facts(stream: &'static Stream) -> Vec<(&'static str, String)> {
    let output = stream;
    let none = || "none".to_owned();
    let code = |name: &str| format!("`{name}`");
    let key = match output.project {
        Project::Whole => output.key.map_or_else(none, code),
        Project::Keyed(first, second) => {
            format!("`{}`, which this source adds: `{first}|{second}`", output.key.unwrap())
        }
    };
    let read = match (output.incremental, output.cursor) {
        (true, _) => "from where the last run ended; in full if asked for",
        (false, Some(_)) => "in full; by its cursor, which brings new rows alone, if a catalog asks for it",
        (false, None) => "in full",
    };
    let parted = output.created.map_or(String::new(), |member| format!("month=YYYY-MM/` by `{member}"));
    vec![
        ("endpoint", format!("`GET /{}`", stream.endpoint().path)),
        ("answer", answer(stream)),
        ("primary key", key),
        ("cursor", output.cursor.map_or_else(none, code)),
        ("read", read.to_owned()),
        ("in a dataset", format!("`{}/{parted}`", output.name)),
    ]
}

/// The endpoint's response, in words.
fn answer(stream: &'static Stream) -> String {
    match stream.endpoint().shape {
        Shape::Object { under: None } => "one object".to_owned(),
        Shape::Object { under: Some(member) } => format!("one object, under `{member}`"),
        Shape::List => "one list of everything".to_owned(),
        Shape::Numbered { arrays: [], limit } => format!("a list in the order of `id`, up to {limit} rows a page"),
        Shape::Numbered { arrays, limit } => {
            let arrays = arrays.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
            format!("lists in the order of `id`, under {arrays}, up to {limit} rows a page")
        }
        Shape::Export { late, .. } => {
            let late = match late {
                Late::None => "",
                Late::Spans => "; a row may show or grow after its time",
                Late::Redacted => "; a redaction may show after its time",
            };
            format!("an incremental export, up to {} rows a page{late}", streams::EXPORT_LIMIT)
        }
    }
}

/// The types of the member at a path.
fn kind_at((stream, path): (&str, &str)) -> String {
    let mut level = &schema(streams::named(stream).unwrap());
    for part in path.split('.') {
        let name = part.strip_suffix("[]");
        level = &level["properties"][name.unwrap_or(part)];
        level = name.map_or(level, |_| &level["items"]);
    }
    kind(level)
}

/// The rows in a stream's table of joins: first its references to other streams, then the references to it.
fn join_rows(name: &str, all: &BTreeMap<String, Words>) -> Vec<String> {
    let row = |here: (&str, &str), there: (&str, &str)| {
        let kinds = [kind_at(here), kind_at(there)];
        // If the types differ, one side must be cast.
        let words = kinds.clone().map(|kind| if kinds[0] == kinds[1] { String::new() } else { format!(" ({kind})") });
        let ((_, here), (stream, there), [kind, other]) = (here, there, words);
        format!("| `{here}`{kind} | [`{stream}`]({stream}.md) | `{there}`{other} |\n")
    };
    let joins = joins(all);
    let mut rows: Vec<_> =
        joins.iter().filter(|join| join.here.0 == name).map(|join| row(join.here, join.there)).collect();
    rows.extend(joins.iter().filter(|join| join.there.0 == name).map(|join| row(join.there, join.here)));
    rows
}

/// A text escaped for a table, where a bar would end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The expected text of a page.
fn page(stream: &'static Stream, account: &Account, all: &BTreeMap<String, Words>) -> String {
    let name = stream.name;
    let words = &all[name];
    let mut page = format!(
        "<!-- Made of schemas/{name}.json, src/source/streams.rs and tests/data/dictionary.json by `UPDATE_DOCS=1 cargo test \
         dictionary`: change those. -->\n\n# `{name}`\n\n{}\n\n| | |\n|---|---|\n",
        words.row
    );
    for (fact, text) in facts(stream) {
        writeln!(page, "| {fact} | {} |", cell(&text)).unwrap();
    }
    page += "\n## Members\n\nAny of them but the key may be null or missing. A dataset has each top-level member as a column; one of \
             several\ntypes is text there.\n\n| member | type | meaning |\n|---|---|---|\n";
    for member in members(stream) {
        writeln!(page, "| `{}` | {} | {} |", member.path, member.kind, cell(&member.meaning)).unwrap();
    }
    let row = pretty(&sample(account, stream), 0);
    write!(page, "\n## A row\n\nFrom the made-up account, as `read` prints it.\n\n```json\n{row}\n```\n").unwrap();
    let joins = join_rows(name, all);
    if !joins.is_empty() {
        page += "\n## Joins\n\n| member | stream | member there |\n|---|---|---|\n";
        page.extend(joins);
    }
    if !words.query.is_empty() {
        write!(page, "\n```sql\n{}\n```\n", words.query.join("\n")).unwrap();
    }
    page
}

#[test]
fn the_dictionary_is_what_schemas_and_table_say() {
    let (account, all, folder) = (Account::new(&Holdings::default()), described(), markdown::root().join(FOLDER));
    let update = std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1");
    if update {
        fs::create_dir_all(&folder).unwrap();
    }
    let mut stale = Vec::new();
    for stream in streams::all() {
        let (path, page) = (folder.join(format!("{}.md", stream.name)), page(stream, &account, &all));
        if fs::read_to_string(&path).ok().as_ref() == Some(&page) {
            continue;
        }
        stale.push(stream.name);
        if update {
            fs::write(path, page).unwrap();
        }
    }
    assert!(
        update || stale.is_empty(),
        "pages of {FOLDER} are stale: {stale:?}; run `UPDATE_DOCS=1 cargo test dictionary` and commit what it writes"
    );
}

#[test]
fn the_dictionary_has_a_page_for_each_stream_and_no_other() {
    let names: BTreeSet<String> = streams::all().map(|stream| format!("{}.md", stream.name)).collect();
    let files = fs::read_dir(markdown::root().join(FOLDER)).unwrap();
    let files: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, names);
    let words: BTreeSet<String> = described().into_keys().map(|name| format!("{name}.md")).collect();
    assert_eq!(words, names, "tests/data/dictionary.json");
}

#[test]
fn every_member_at_any_depth_has_a_type_and_a_meaning() {
    for stream in streams::all() {
        for Member { path, kind, meaning } in members(stream) {
            let place = format!("{}.{path} in schemas/", stream.name);
            assert!(!kind.is_empty(), "{place} has no type");
            assert!(meaning.ends_with('.') && !meaning.contains('\n'), "{place} has no sentence as its description");
        }
    }
}

/// The members of each join have values in common. The made-up account is consistent, so it can show that.
#[test]
fn every_join_but_three_finds_rows_in_the_sandbox() {
    let account = Account::new(&Holdings::default());
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for stream in streams::all() {
        let name = stream.name;
        for line in sample_records(&account, stream) {
            visit("", &serde_json::from_str(&line).unwrap(), &mut |path, value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if !value.is_null() && !text.is_empty() {
                    values.entry(format!("{name}.{path}")).or_default().insert(text);
                }
            });
        }
    }
    let nothing = BTreeSet::new();
    let of = |(stream, path): (&str, &str)| values.get(&format!("{stream}.{path}")).unwrap_or(&nothing);
    let all = described();
    let joins = joins(&all);
    let apart = joins.iter().filter(|join| of(join.here).is_disjoint(of(join.there)));
    let words = |join: &Join| format!("{}.{} = {}.{}", join.here.0, join.here.1, join.there.0, join.there.1);
    assert_eq!(apart.map(words).collect::<Vec<_>>(), UNSEEN);
}
