//! The documents of this project, parsed as far as tests need: blocks, headings, links, code and tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are no part of the project, or were written by others.
const PASSED_OVER: [&str; 2] = ["target", "node_modules"];

/// One file of Markdown.
pub struct Document {
    /// Its path from the project's root.
    pub path: PathBuf,
    pub text: String,
}

/// A fenced block.
pub struct Block {
    /// The first word after the fence, such as `sh`.
    pub language: String,
    pub text: String,
    /// The line of the opening fence, counted from 1.
    pub line: usize,
}

/// The cells of a table as plain text, without the marks of code and links.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// The project's root folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document, sorted by path.
pub fn documents() -> Vec<Document> {
    let mut found = Vec::new();
    collect(root(), &is_document, &mut found);
    found.sort_unstable();
    let read = |path: &PathBuf| Document {
        path: path.strip_prefix(root()).unwrap().to_owned(),
        text: fs::read_to_string(path).unwrap(),
    };
    found.iter().map(read).collect()
}

/// The text of all files in a folder that are no documents.
pub fn code(folder: &str) -> String {
    let mut texts = String::new();
    let mut found = Vec::new();
    collect(&root().join(folder), &|path| !is_document(path), &mut found);
    for path in found {
        texts += &String::from_utf8_lossy(&fs::read(path).unwrap());
    }
    texts
}

/// The documents for users: the README, and the files in `docs`.
pub fn user_documents() -> impl Iterator<Item = Document> {
    documents()
        .into_iter()
        .filter(|document| document.path.starts_with("docs") || document.path == Path::new("README.md"))
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "md")
}

/// Collects the wanted files of a folder at any depth.
fn collect(folder: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let (entry, path) = entry.map(|entry| (entry.file_name(), entry.path())).unwrap();
        let name = entry.to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && !PASSED_OVER.contains(&name) {
            collect(&path, wanted, found);
        } else if path.is_file() && wanted(&path) {
            found.push(path);
        }
    }
}

impl Document {
    /// Its blocks, and the text without them.
    fn parts(&self) -> (Vec<Block>, String) {
        let (mut blocks, mut prose): (Vec<Block>, String) = (Vec::new(), String::new());
        let mut fence = String::new();
        for (number, line) in self.text.lines().enumerate() {
            let bare = line.trim();
            let mark: String = bare.chars().take_while(|letter| *letter == '`').collect();
            if fence.is_empty() && mark.len() >= 3 {
                let language = bare[mark.len()..].split([' ', ',']).next().unwrap().to_owned();
                blocks.push(Block { language, text: String::new(), line: number + 1 });
                fence = mark;
            } else if fence.is_empty() {
                prose.extend([line, "\n"]);
            } else if bare.len() >= fence.len() && mark == bare {
                fence.clear();
            } else {
                blocks.last_mut().unwrap().text.extend([line, "\n"]);
            }
        }
        assert!(fence.is_empty(), "{}: a block does not end", self.path.display());
        (blocks, without_comments(&prose))
    }

    pub fn blocks(&self) -> Vec<Block> {
        self.parts().0
    }

    /// The code spans of the text, each on one line.
    pub fn spans(&self) -> Vec<String> {
        split_spans(&self.parts().1).0
    }

    /// The anchors of its headings and its explicit anchors.
    pub fn anchors(&self) -> Vec<String> {
        let prose = self.parts().1;
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let headings =
            prose.lines().filter(|line| line.trim_start_matches('#').starts_with(' ') && line.starts_with('#'));
        let mut anchors: Vec<String> = headings
            .map(|line| slug(line.trim_start_matches('#')))
            .map(|slug| {
                let count = seen.entry(slug.clone()).or_default();
                *count += 1;
                if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
            })
            .collect();
        anchors.extend(["id=\"", "name=\""].into_iter().flat_map(|mark| quoted(&prose, mark)));
        anchors
    }

    /// The targets of its links, as written.
    pub fn links(&self) -> Vec<String> {
        let (_, text) = split_spans(&self.parts().1);
        let mut links: Vec<String> = text.split("](").skip(1).map(target).collect();
        let named = text.lines().filter(|line| line.starts_with('['));
        links.extend(named.filter_map(|line| line.split_once("]: ")).map(|(_, link)| target(link)));
        links.extend(["href=\"", "src=\""].into_iter().flat_map(|mark| quoted(&text, mark)));
        links
    }

    pub fn tables(&self) -> Vec<Table> {
        let (_, prose) = self.parts();
        let lines: Vec<&str> = prose.lines().map(str::trim).collect();
        let runs = lines.split(|line| !line.starts_with('|')).filter(|run| run.len() > 2);
        runs.map(|run| Table { header: cells(run[0]), rows: run[2..].iter().copied().map(cells).collect() }).collect()
    }
}

impl Table {
    /// The cells in these columns, if it has all of them.
    pub fn columns(&self, names: &[&str]) -> Option<Vec<Vec<String>>> {
        let place = |name: &&str| self.header.iter().position(|cell| cell == name);
        let places = names.iter().map(place).collect::<Option<Vec<usize>>>()?;
        Some(self.rows.iter().map(|row| places.iter().map(|place| row[*place].clone()).collect()).collect())
    }
}

/// The anchor that GitHub derives from a heading.
pub fn slug(heading: &str) -> String {
    let kept = without_links(heading).trim().to_lowercase();
    let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// Agents: two pages of a hundred and an empty one. Bans: one page with both kinds, one with what the one kind held
/// beyond the other, and an empty one.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\0");
    let inner = row.strip_prefix('|').unwrap();
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    inner.split('|').map(|cell| without_links(cell).replace('`', "").replace('\0', "|").trim().to_owned()).collect()
}

/// The text with each link replaced by its label.
fn without_links(text: &str) -> String {
    let Some((before, link)) = text.split_once("](") else { return text.to_owned() };
    let (Some((front, name)), Some((_, behind))) = (before.rsplit_once('['), link.split_once(')')) else {
        return text.to_owned();
    };
    format!("{front}{name}{}", without_links(behind))
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("<!--");
    let first = parts.next().unwrap().to_owned();
    first + &parts.map(|part| part.split_once("-->").map_or("", |(_, behind)| behind)).collect::<String>()
}

/// The code spans of a text, and the text without them.
fn split_spans(text: &str) -> (Vec<String>, String) {
    let (mut spans, mut rest, mut text) = (Vec::new(), String::new(), text);
    while let Some((before, behind)) = text.split_once('`') {
        rest.push_str(before);
        let more = behind.len() - behind.trim_start_matches('`').len();
        let (mark, inner) = ("`".repeat(more + 1), &behind[more..]);
        // A mark without a closing mark in its paragraph is part of the text.
        text = match inner.split_once(&mark).filter(|(span, _)| !span.contains("\n\n")) {
            Some((span, behind)) => {
                spans.push(span.split_whitespace().collect::<Vec<_>>().join(" "));
                behind
            }
            None => inner,
        };
    }
    (spans, rest + text)
}

/// The target of a link, from the text that begins with it.
fn target(text: &str) -> String {
    text.trim_start_matches('<').split([')', '>', ' ', '\n']).next().unwrap().to_owned()
}

/// The quoted text after each occurrence of a mark.
fn quoted(text: &str, mark: &str) -> Vec<String> {
    text.split(mark).skip(1).filter_map(|behind| behind.split_once('"')).map(|(inner, _)| inner.to_owned()).collect()
}

#[test]
fn anchors_are_made_as_github_makes_them() {
    let text =
        "# `a_b` — What's new?\n## What's new\n## [What's](x.md) new\n## 1. Sign-in & Out\n<a id=\"mine\"></a>\n";
    let document = Document { path: "a.md".into(), text: text.into() };
    assert_eq!(document.anchors(), ["a_b--whats-new", "whats-new", "whats-new-1", "1-sign-in--out", "mine"]);
}

#[test]
fn links_are_found_wherever_they_stand() {
    let text = "A [long\nname](one.md#a), `[no](code.md)`, ![](two.svg \"title\") <!-- [no](comment.md) -->\n\n\
                [`code`](three.md)\n\n[four]: four.md\n\n```sh\n[no](block.md)\n```\n\n<img src=\"five.svg\">\n";
    let document = Document { path: "a.md".into(), text: text.into() };
    assert_eq!(document.links(), ["one.md#a", "two.svg", "three.md", "four.md", "five.svg"]);
    assert_eq!(document.spans(), ["[no](code.md)", "code"]);
}

#[test]
fn blocks_and_tables_are_taken_apart() {
    let text = "| `a` | b |\n|---|---|\n| [`1`](x.md) | `2 \\| 3` |\n\n````text\n```sh\nx\n```\n````\n";
    let document = Document { path: "a.md".into(), text: text.into() };
    let blocks = document.blocks();
    assert_eq!((blocks.len(), blocks[0].language.as_str(), blocks[0].line), (1, "text", 5));
    assert_eq!(blocks[0].text, "```sh\nx\n```\n");
    let tables = document.tables();
    assert_eq!(tables[0].columns(&["b", "a"]), Some(vec![vec!["2 | 3".to_owned(), "1".to_owned()]]));
    assert_eq!(tables[0].columns(&["c"]), None);
}
