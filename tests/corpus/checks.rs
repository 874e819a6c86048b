//! Checks of every parser that must hold for any bytes. The fuzz targets and the tests of the corpus share them.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::value::RawValue;
use source_zendesk_chat::access::document::Document;
use source_zendesk_chat::config::{Config, Environment};
use source_zendesk_chat::error::Kind;
use source_zendesk_chat::json;
use source_zendesk_chat::position::{self, Frontier, Nanos};
use source_zendesk_chat::protocol;
use source_zendesk_chat::run::plan::{self, Choice};
use source_zendesk_chat::sink::airbyte::coerce::Coercion;
use source_zendesk_chat::source::page::{Page, Record, Shape};
use source_zendesk_chat::source::state_format::{self, Saved};
use source_zendesk_chat::source::streams::{self, Project, Stream};
use source_zendesk_chat::source::walk::{Bounds, Walk};

/// 2025-07-01T00:00:00Z.
const CUTOFF: Nanos = 1_751_328_000_000_000_000;

/// From 2020-01-01T00:00:00Z on, with a look-back of a day.
const TERMS: Bounds =
    Bounds { start: 1_577_836_800_000_000_000, end: None, lookback: 86_400_000_000_000, chats_lookback: 0 };

const SECOND: Nanos = 1_000_000_000;

/// Within this range, the size of an epoch number shows its unit: from 1973-03-03 to 5138-11-16.
const CLEAR_BY_SIZE: std::ops::Range<Nanos> = 100_000_000_000_000_000..100_000_000_000_000_000_000;

/// A response, parsed in every shape: whatever is accepted as JSON is JSON, down to the members, and nothing unsound is
/// overlooked.
pub fn page(bytes: &[u8]) {
    for stream in streams::all() {
        let Ok(page) = Page::parse(stream.endpoint().shape, bytes.to_vec()) else { continue };
        assert_eq!(page.repaired(), std::str::from_utf8(bytes).is_err());
        assert!(is_json(&String::from_utf8_lossy(bytes)));
        for record in page.records() {
            assert!(record.text().starts_with('{') && is_json(record.text()));
            assert!(record.members().all(|(name, value)| is_json(&format!("\"{name}\"")) && is_json(value)));
            assert_eq!(record.unsound(), !is_sound(record.text()), "{}", record.text());
        }
    }
}

/// A state on the first line and a page on each of the others, read by a walk of every stream.
pub fn walk(bytes: &[u8]) {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let state = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let saved = Saved::parse(&state).unwrap_or_default();
    let pages: Vec<&[u8]> = lines.collect();
    for stream in streams::all() {
        walk_over(stream, saved.delivered(stream).unwrap_or_default(), &pages);
    }
}

/// The frontier never moves backwards. Only records of the page are delivered. Only records that came before or lie
/// outside the window are left out.
fn walk_over(stream: &'static Stream, mut frontier: Option<Frontier>, pages: &[&[u8]]) {
    let mut walk = Walk::new(stream, &TERMS, frontier.as_ref());
    walk.cut_at(CUTOFF);
    let from = match &frontier {
        Some(Frontier::Position(position, _)) => position.nanos(),
        _ => TERMS.start,
    };
    let mut came = HashSet::new();
    for body in pages {
        let Some(asked) = walk.next() else { return };
        let Ok(page) = Page::parse(stream.endpoint().shape, body.to_vec()) else { return };
        let received: Vec<(String, String, bool)> = page
            .records()
            .map(|record| (record.text().to_owned(), identity(stream, record), is_outside(stream, record, from)))
            .collect();
        let Ok(delivery) = walk.accept(&asked, asked.request.limit, page) else { return };
        let mut delivered = delivery.page.records().map(Record::text).peekable();
        for (text, identity, outside) in received {
            let passed = delivered.next_if_eq(&text.as_str()).is_some();
            let repeated = !came.insert(identity);
            assert!(passed || repeated || outside, "{} loses {text}", stream.name);
        }
        assert_eq!(delivered.next(), None, "{} delivers what the page does not hold", stream.name);
        if let Some(next) = delivery.frontier {
            assert!(is_forward(frontier.as_ref(), &next), "{}: {next:?} after {frontier:?}", stream.name);
            frontier = Some(next);
        }
    }
}

/// A state file, read for every stream: writing a state and reading it again gives the same state.
pub fn state(bytes: &[u8]) {
    let saved = match Saved::parse(&String::from_utf8_lossy(bytes)) {
        Ok(saved) => saved,
        Err(error) => return assert_eq!(error.kind(), Kind::State),
    };
    assert_eq!(Saved::parse(&saved.text()).ok(), Some(saved.clone()));
    for stream in streams::all() {
        let frontier = match saved.delivered(stream) {
            Ok(frontier) => frontier,
            Err(error) => return assert_eq!(error.kind(), Kind::State),
        };
        let at = |frontier: &Frontier| match frontier {
            Frontier::Position(position, _) => position.nanos(),
            Frontier::Id(_) => CLEAR_BY_SIZE.start,
        };
        if let Some(before) = frontier.as_ref().filter(|frontier| CLEAR_BY_SIZE.contains(&at(frontier))) {
            let mut again = Saved::default();
            again.keep(stream.name, state_format::of(stream, Some(before)));
            let after = again.delivered(stream).unwrap().unwrap();
            // A state counts whole units: a position between two units is written as the earlier one.
            assert!((at(before) - SECOND..=at(before)).contains(&at(&after)), "{after:?} after {before:?}");
            assert!(at(before) % SECOND != 0 || after == *before, "{after:?} after {before:?}");
        }
    }
}

/// A configuration: if it is accepted, it leads safely to the account's own host or to `base_url`.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let config = match Document::parse(&text).and_then(|document| Config::of(&document, &Environment::default())) {
        Ok(config) => config,
        Err(error) => return assert!(matches!(error.kind(), Kind::Config | Kind::ConfigFile)),
    };
    let named: serde_json::Value = serde_json::from_str(&text).unwrap();
    if named["base_url"].as_str().is_none_or(|base| base.trim().is_empty()) {
        assert_eq!(config.origin.url().as_str(), format!("https://{}.zendesk.com/", config.subdomain));
    }
    let host = config.origin.url().host_str().unwrap().trim_matches(['[', ']']);
    let local = host.parse::<IpAddr>().map_or(host == "localhost", |address| address.is_loopback());
    assert!(config.origin.url().scheme() == "https" || (config.origin.url().scheme() == "http" && local));
    assert!(
        config.origin.url().username().is_empty()
            && config.origin.url().password().is_none()
            && config.origin.url().path() == "/"
    );
    assert!(config.requests_per_minute > 0.0 && config.requests_per_minute.is_finite());
    assert!((1..=1_000).contains(&config.concurrency));
    assert!(config.lookback.num_seconds() >= 0);
    assert!(config.start.zip(config.end).is_none_or(|(start, end)| start < end));
}

/// A configured catalog: each of its streams is planned or refused, and none twice.
pub fn catalog(bytes: &[u8]) {
    let catalog = match protocol::configured_catalog(&String::from_utf8_lossy(bytes)) {
        Ok(catalog) => catalog,
        Err(error) => return assert_eq!(error.kind(), Kind::Catalog),
    };
    let plan = plan::build(&Choice::Catalog(catalog.clone()), &Saved::default(), &TERMS);
    let planned = plan.streams.iter().map(|planned| planned.stream.name);
    let names: HashSet<&str> = planned.chain(plan.refused.iter().map(|(name, _)| name.as_str())).collect();
    assert_eq!((names.len(), plan.streams.len() + plan.refused.len()), (catalog.len(), catalog.len()));
}

/// A list of records, written by the rules of every stream: one valid line of JSON, and every change is reported.
pub fn conform(bytes: &[u8]) {
    let Ok(page) = Page::parse(Shape::List, bytes.to_vec()) else { return };
    for stream in streams::all() {
        for selected in [None, Some([].as_slice())] {
            let conform = Coercion::new(stream, selected);
            for record in page.records().filter(|&record| has_key(stream, record)) {
                let (mut line, mut changes) = (Vec::new(), Vec::new());
                conform.write(record, &mut line, &mut changes);
                let line = String::from_utf8(line).unwrap();
                let place = format!("{}: {} becomes {line}", stream.name, record.text());
                assert!(!line.contains(['\n', '\r']) && is_json(&line) && is_sound(&line), "{place}");
                let mut names = HashSet::new();
                let plain = record.members().all(|(name, _)| names.insert(name));
                if plain && changes.is_empty() && selected.is_none() && stream.project == Project::Whole {
                    assert_eq!(line, record.text().replace(['\n', '\r'], " "), "{place}");
                }
            }
        }
    }
}

/// Whether the record has a key, without which a walk does not deliver it.
fn has_key(stream: &'static Stream, record: Record<'_>) -> bool {
    stream.key_members().all(|key| record.member(key).is_some_and(|value| !value.starts_with(['{', '['])))
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Whether every string of a JSON text is Unicode and every integer has 64 bits at most.
fn is_sound(json: &str) -> bool {
    let mut rest = json;
    while let Some(start) = rest.find(|next: char| matches!(next, '"' | '-' | '0'..='9')) {
        rest = &rest[start..];
        let mut tokens = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let token = tokens.next().unwrap().unwrap().get();
        let sound = match token.strip_prefix('"') {
            Some(_) => serde_json::from_str::<String>(token).is_ok(),
            None => token.contains(['.', 'e', 'E']) || token.parse::<i64>().is_ok(),
        };
        if !sound {
            return false;
        }
        rest = &rest[token.len()..];
    }
    true
}

/// What distinguishes a record from another one that may come in its place.
fn identity(stream: &'static Stream, record: Record<'_>) -> String {
    match stream.endpoint().shape {
        Shape::Numbered { .. } => {
            let number = json::unquoted(record.member("id").unwrap_or_default()).parse::<i64>();
            number.map_or_else(|_| record.text().to_owned(), |number| number.to_string())
        }
        _ => record.text().to_owned(),
    }
}

fn is_outside(stream: &'static Stream, record: Record<'_>, from: Nanos) -> bool {
    let text = stream.cursor.and_then(|cursor| record.member(cursor)).map(json::unquoted);
    let cursor = text.and_then(|text| position::iso(text).or_else(|| position::epoch(text)));
    let export = matches!(stream.endpoint().shape, Shape::Export { .. });
    export && cursor.is_some_and(|cursor| cursor < from || cursor >= CUTOFF)
}

fn is_forward(before: Option<&Frontier>, after: &Frontier) -> bool {
    match (before, after) {
        (None, _) => true,
        (Some(Frontier::Position(before, _)), Frontier::Position(after, _)) => before.nanos() <= after.nanos(),
        (Some(Frontier::Id(before)), Frontier::Id(after)) => before <= after,
        _ => false,
    }
}
