//! Checks of every document: its links and paths exist, and so do the commands and names in it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory;
use serde_json::{Deserializer, Value};
use source_zendesk_chat::cli::Cli;

use crate::markdown::{self, Document};

/// The name of the program.
const PROGRAM: &str = "source-zendesk-chat";

/// The maximum number of lines in the README.
const README_LINES: usize = 200;

/// The languages of blocks that hold commands.
const COMMANDS: [&str; 4] = ["sh", "bash", "console", "crontab"];

/// The characters that end a word outside quotes, and with it a command.
const SEPARATORS: &str = "|;&<>()\n";

/// Flags of other programs that documents for users name by themselves.
const FOREIGN_FLAGS: [&str; 0] = [];

/// Reports all problems at once.
fn require_nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A path without `.` and `..`, for a link from a folder; none if it leads out of the project.
fn resolved(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir if !path.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// The problem of a link within the project, if it has one.
fn wrong_link(document: &Document, link: &str, all: &[Document]) -> Option<String> {
    let elsewhere = ["https:", "http:", "mailto:"].iter().any(|scheme| link.starts_with(scheme));
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    if elsewhere {
        return None;
    }
    let place = document.path.display();
    let path = match file {
        "" => Some(document.path.clone()),
        _ => resolved(document.path.parent().unwrap(), file).filter(|path| markdown::root().join(path).exists()),
    };
    let Some(path) = path else { return Some(format!("{place}: {link}: there is no such file")) };
    let target = all.iter().find(|document| document.path == path);
    let known = anchor.is_empty() || target.is_some_and(|target| target.anchors().iter().any(|known| known == anchor));
    (!known).then(|| format!("{place}: {link}: there is no such heading"))
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let all = markdown::documents();
    let mut wrong = Vec::new();
    for document in &all {
        for link in document.links() {
            wrong.extend(wrong_link(document, &link, &all));
        }
    }
    require_nothing(&wrong);
}

#[test]
fn the_readme_is_short() {
    let readme = markdown::documents().into_iter().find(|document| document.path == Path::new("README.md")).unwrap();
    assert!(readme.text.lines().count() <= README_LINES);
}

#[test]
fn the_summary_lists_every_page_once() {
    let all = markdown::documents();
    let summary = all.iter().find(|document| document.path == Path::new("docs/SUMMARY.md")).unwrap();
    let listed: Vec<PathBuf> = summary.links().iter().map(|link| resolved(Path::new("docs"), link).unwrap()).collect();
    let pages = all.iter().map(|document| &document.path).filter(|path| path.starts_with("docs"));
    let count = |path: &PathBuf| listed.iter().filter(|other| *other == path).count();
    let wrong: Vec<String> = pages
        .filter(|path| **path != summary.path && count(path) != 1)
        .map(|path| format!("docs/SUMMARY.md lists {} {} times", path.display(), count(path)))
        .collect();
    require_nothing(&wrong);
}

/// The commands of a text, split as a shell would, as far as that matters here.
fn commands(text: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word): (Vec<_>, Vec<String>, Option<String>) = (Vec::new(), Vec::new(), None);
    let text = text.replace("\\\n", " ") + "\n";
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' | '"' => {
                let inner: String = letters.by_ref().take_while(|inner| *inner != letter).collect();
                word.get_or_insert_default().push_str(&inner);
            }
            '#' if word.is_none() => while letters.next_if(|letter| *letter != '\n').is_some() {},
            _ if SEPARATORS.contains(letter) => {
                // A number before `>` is no word, as in `2>file`.
                let number = word.as_ref().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
                words.extend(word.take().filter(|_| !(number && letter == '>')));
                commands.push(std::mem::take(&mut words));
            }
            ' ' | '\t' => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

/// The arguments that a command passes to our program: the words after its name or after `cargo run --`. None if the
/// command is not ours.
fn ours(words: &[String]) -> Option<&[String]> {
    let is_name = |word: &String| word.rsplit('/').next().unwrap().split(':').next() == Some(PROGRAM);
    let named = words.iter().position(is_name);
    let cargo = words.starts_with(&["cargo".to_owned(), "run".to_owned()]);
    let place = if cargo { words.iter().position(|word| word == "--") } else { named }?;
    let given = &words[place + 1..];
    // Elsewhere the name means a package, an image or a unit.
    let is_command = given.first()?.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    (is_command && (place == 0 || cargo || !given[0].starts_with('-'))).then_some(given)
}

/// The problem of the names of a command and its flags, if there is one.
fn wrong_names(given: &[String]) -> Option<String> {
    let mut program = Cli::command();
    program.build();
    let (name, flags) = given.split_first()?;
    if ["--help", "-h", "--version", "-V", "help"].contains(&name.as_str()) {
        return None;
    }
    let Some(command) = program.find_subcommand(name) else { return Some(format!("there is no command {name}")) };
    let known: BTreeSet<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let flags = flags.iter().filter_map(|word| word.strip_prefix("--")).filter(|flag| !flag.is_empty());
    let mut names = flags.map(|flag| flag.split('=').next().unwrap());
    names.find(|flag| !known.contains(flag)).map(|flag| format!("{name} has no --{flag}"))
}

/// The problem of a whole command, parsed as it would be typed, if there is one.
fn wrong_command(given: &[String]) -> Option<String> {
    let abridged = given.iter().any(|word| word.contains("...") || word.contains('…') || word.starts_with('['));
    let refused = Cli::command().no_binary_name(true).try_get_matches_from(given).err()?;
    (!abridged && refused.use_stderr()).then(|| refused.to_string())
}

/// Our commands in the blocks of a document, each with its place and whether it is whole.
fn in_blocks(document: &Document) -> Vec<(String, Vec<String>, bool)> {
    let mut found = Vec::new();
    for block in document.blocks() {
        let is_session = block.language == "console";
        // In a console session, the other lines are output.
        let lines = block.text.lines().filter(|line| !is_session || line.starts_with("$ "));
        let text: String = lines.flat_map(|line| [line.strip_prefix("$ ").unwrap_or(line), "\n"]).collect();
        let place = format!("{}:{}", document.path.display(), block.line);
        let whole = COMMANDS.contains(&block.language.as_str());
        let commands = commands(&text);
        found.extend(
            commands.iter().filter_map(|words| ours(words)).map(|given| (place.clone(), given.to_vec(), whole)),
        );
    }
    found
}

#[test]
fn every_command_in_a_block_is_one_of_the_program() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for document in markdown::documents() {
        for (place, given, whole) in in_blocks(&document) {
            let found = wrong_names(&given).or_else(|| wrong_command(&given).filter(|_| whole));
            wrong.extend(found.map(|found| format!("{place}: {}: {found}", given.join(" "))));
            count += 1;
        }
    }
    require_nothing(&wrong);
    assert!(count > 10, "{count} commands were found");
}

#[test]
fn every_command_in_the_text_is_one_of_the_program() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    let names: Vec<String> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for document in markdown::documents() {
        for span in document.spans() {
            for words in commands(&span) {
                // The name of the program may be left out: `dump --json`.
                let short = names.contains(&words[0]) && words.iter().any(|word| word.starts_with("--"));
                let Some(given) = ours(&words).or(short.then_some(&words[..])) else { continue };
                wrong.extend(wrong_names(given).map(|found| format!("{}: {span}: {found}", document.path.display())));
                count += 1;
            }
        }
    }
    require_nothing(&wrong);
    assert!(count > 5, "{count} commands were found");
}

#[test]
fn every_flag_that_documents_name_exists() {
    let program = Cli::command();
    let arguments = program.get_subcommands().flat_map(clap::Command::get_arguments);
    let mut known: BTreeSet<&str> = arguments.filter_map(clap::Arg::get_long).collect();
    known.extend(["help", "version"].into_iter().chain(FOREIGN_FLAGS));
    let mut wrong = Vec::new();
    for document in markdown::user_documents() {
        for span in document.spans() {
            let flag = span.strip_prefix("--").and_then(|flag| flag.split([' ', '=']).next());
            wrong.extend(
                flag.filter(|flag| !known.contains(flag)).map(|_| format!("{}: {span}", document.path.display())),
            );
        }
    }
    require_nothing(&wrong);
}

#[test]
fn every_block_of_shell_can_be_parsed() {
    let mut wrong = Vec::new();
    for document in markdown::documents() {
        for block in document.blocks().into_iter().filter(|block| block.language == "sh") {
            let pipes = || Stdio::piped();
            let mut shell = Command::new("sh").arg("-n").stdin(pipes()).stderr(pipes()).spawn().unwrap();
            shell.stdin.take().unwrap().write_all(block.text.as_bytes()).unwrap();
            let ended = shell.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            let place = format!("{}:{}", document.path.display(), block.line);
            wrong.extend((!ended.status.success()).then(|| format!("{place}: {said}")));
        }
    }
    require_nothing(&wrong);
}

#[test]
fn every_block_of_json_can_be_parsed() {
    let mut wrong = Vec::new();
    for document in markdown::documents() {
        for block in document.blocks().into_iter().filter(|block| block.language == "json") {
            let failed = Deserializer::from_str(&block.text).into_iter::<Value>().find_map(Result::err);
            let place = format!("{}:{}", document.path.display(), block.line);
            wrong.extend(failed.map(|failed| format!("{place}: {failed}")));
        }
    }
    require_nothing(&wrong);
}

/// Whether a span has the form of a path from the project's root.
fn is_path(span: &str) -> bool {
    let folders = ["src/", "tests/", "docs/", "benches/", "examples/", "schemas/", "fuzz/", ".ci/", ".github/"];
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    folders.iter().any(|folder| span.starts_with(folder)) && span.chars().all(plain)
}

#[test]
fn every_path_in_the_text_leads_to_a_file() {
    let mut wrong = Vec::new();
    for document in markdown::documents() {
        let missing = |span: &String| is_path(span) && !markdown::root().join(span).exists();
        wrong.extend(
            document.spans().into_iter().filter(missing).map(|span| format!("{}: {span}", document.path.display())),
        );
    }
    require_nothing(&wrong);
}

/// A name of four words or more is that of a test or a function, and must occur in a file that is no document.
#[test]
fn every_long_name_in_the_text_is_one_of_the_code() {
    let code: String = ["src", "tests", "benches", "examples"].into_iter().map(markdown::code).collect();
    let (mut wrong, mut count) = (Vec::new(), 0);
    // The documents of the checks by other programs may name tests of other projects.
    let ours = markdown::documents().into_iter().filter(|document| !document.path.starts_with("tests/ecosystem"));
    for document in ours {
        for span in document.spans() {
            // If several tests begin alike, the document names only that beginning.
            let name = span.rsplit("::").next().unwrap().trim_end_matches(['*', '…', '.']);
            let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            if plain && name.split('_').count() > 3 {
                count += 1;
                wrong.extend((!code.contains(name)).then(|| format!("{}: {span}", document.path.display())));
            }
        }
    }
    require_nothing(&wrong);
    assert!(count > 10, "{count} names were found");
}

#[test]
fn commands_are_distinguished_from_what_only_bears_the_name() {
    let text = "A=1 /usr/bin/source-zendesk-chat dump --out \\\n  'a b' 2>log | jq # source-zendesk-chat nothing\n\
                docker build --tag source-zendesk-chat .\ndocker run x/source-zendesk-chat:1 read --config c.json >out\n\
                cargo run --release -- check --sandbox && kubectl create secret generic source-zendesk-chat --from-file=x\n";
    let commands = commands(text);
    let found: Vec<String> = commands.iter().filter_map(|words| ours(words)).map(|given| given.join(" ")).collect();
    assert_eq!(found, ["dump --out a b", "read --config c.json", "check --sandbox"]);
}

#[test]
fn wrong_links_and_commands_are_noticed() {
    let words = |text: &str| commands(text).remove(0);
    assert_eq!(wrong_names(&words("dmp --out x")), Some("there is no command dmp".to_owned()));
    assert_eq!(wrong_names(&words("dump --ouput=x")), Some("dump has no --ouput".to_owned()));
    assert_eq!(wrong_names(&words("dump --out=x --sandbox")), None);
    assert!(wrong_command(&words("dump --out x --mode upsert")).unwrap().contains("upsert"));
    assert_eq!(wrong_command(&words("dump --out x --mode overwrite")), None);
    let document = Document { path: "docs/a.md".into(), text: "# One\n".into() };
    let all = [document];
    for (link, fine) in
        [("#one", true), ("#two", false), ("https://a.b/#c", true), ("../README.md", true), ("../no.md", false)]
    {
        assert_eq!(wrong_link(&all[0], link, &all).is_none(), fine, "{link}");
    }
    assert_eq!(resolved(Path::new("docs"), "../../x"), None);
}
