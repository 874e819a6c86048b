//! Checks of the table of streams, and of everything that must agree with it: schemas, documents, the specification,
//! and the records of a real account.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use source_zendesk_chat::access::oauth::{Consent, Grant, Registration, Response, SCOPE, TOKEN_PATH};
use source_zendesk_chat::sink::airbyte::coerce::Coercion;
use source_zendesk_chat::source::page::{Page, Shape};
use source_zendesk_chat::source::streams::{self, Project, Stream};

use crate::markdown;

const SPECIFICATION: &str = include_str!("../../spec.json");

/// Records of a real account, one per line.
const RECORDED: &str = include_str!("../data/recorded.jsonl");

/// The beginning of every endpoint's path.
const ROOT: &str = "api/v2/chat/";

/// Keywords that give a schema several types at once, which destinations cannot turn into columns.
const FORBIDDEN: [&str; 5] = ["$ref", "allOf", "anyOf", "not", "oneOf"];

#[derive(Deserialize)]
struct Recorded<'line> {
    stream: String,
    #[serde(borrow)]
    data: &'line RawValue,
}

pub fn schema(stream: &'static Stream) -> Value {
    serde_json::from_str(stream.schema).unwrap()
}

/// The types that a stream's schema declares for a top-level member, without null.
fn types(stream: &'static Stream, member: &str) -> Vec<String> {
    let declared = &schema(stream)["properties"][member]["type"];
    let types = declared.as_array().cloned().unwrap_or_else(|| vec![declared.clone()]);
    types.iter().filter_map(Value::as_str).filter(|name| *name != "null").map(str::to_owned).collect()
}

/// The cells in these columns of every table for users that has all of them. There must be at least one such table.
fn tables(columns: &[&str]) -> Vec<Vec<Vec<String>>> {
    let tables = markdown::user_documents().flat_map(|document| document.tables());
    let found: Vec<_> = tables.filter_map(|table| table.columns(columns)).collect();
    assert!(!found.is_empty(), "no document has a table of {columns:?}");
    found
}

/// A response of a stream's endpoint that holds only this record.
fn answer(shape: Shape, record: &str) -> String {
    match shape {
        Shape::Object { under: None } => record.to_owned(),
        Shape::Object { under: Some(member) } => format!(r#"{{"{member}":{record}}}"#),
        Shape::List | Shape::Numbered { arrays: [], .. } => format!("[{record}]"),
        Shape::Numbered { arrays: [first, ..], .. } => format!(r#"{{"{first}":[{record}]}}"#),
        Shape::Export { records, .. } => format!(r#"{{"{records}":[{record}],"count":1}}"#),
    }
}

fn recorded() -> impl Iterator<Item = (&'static Stream, &'static str)> {
    RECORDED.lines().map(|line| {
        let recorded: Recorded<'_> = serde_json::from_str(line).unwrap();
        (streams::named(&recorded.stream).unwrap(), recorded.data.get())
    })
}

/// The line that `read` writes for a record, and the members that were changed.
pub fn written(stream: &'static Stream, record: &str) -> (String, Vec<String>) {
    let page = Page::parse(stream.endpoint().shape, answer(stream.endpoint().shape, record).into_bytes()).unwrap();
    let (mut line, mut changes) = (Vec::new(), Vec::new());
    Coercion::new(stream, None).write(page.records().next().unwrap(), &mut line, &mut changes);
    (String::from_utf8(line).unwrap(), changes.into_iter().map(|change| change.member).collect())
}

#[test]
fn names_are_unique_and_in_snake_case() {
    let mut names = BTreeSet::new();
    for stream in streams::all() {
        let name = stream.name;
        let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
        assert!(starts && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(names.insert(name), "{name} comes twice");
    }
}

#[test]
fn keys_and_cursors_are_declared_with_one_type() {
    for stream in streams::all() {
        let output = stream;
        for member in output.key.into_iter().chain(output.cursor) {
            let types = types(stream, member);
            assert_eq!(types.len(), 1, "{}.{member}: {types:?}", output.name);
            assert!(matches!(types[0].as_str(), "string" | "integer"), "{}.{member}: {types:?}", output.name);
        }
    }
}

#[test]
fn every_top_level_member_has_one_type_and_a_description() {
    for stream in streams::all() {
        let name = stream.name;
        for (member, property) in schema(stream)["properties"].as_object().unwrap() {
            assert_eq!(types(stream, member).len(), 1, "{name}.{member}");
            assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}.{member}");
        }
    }
}

#[test]
fn every_schema_is_an_open_object_that_any_destination_can_read() {
    for stream in streams::all() {
        let name = stream.name;
        let schema = schema(stream);
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{name}");
        assert_eq!(schema["type"], "object", "{name}");
        assert!(jsonschema::draft7::meta::is_valid(&schema), "{name}");
        require_plain(name, &schema);
    }
}

/// Fails if any level of a schema refuses unknown members or has several types at once.
fn require_plain(place: &str, schema: &Value) {
    match schema {
        Value::Object(members) => {
            for word in FORBIDDEN {
                assert!(!members.contains_key(word), "{place} has {word}");
            }
            assert_ne!(members.get("additionalProperties"), Some(&Value::Bool(false)), "{place}");
            members.iter().for_each(|(name, member)| require_plain(&format!("{place}.{name}"), member));
        }
        Value::Array(items) => items.iter().for_each(|item| require_plain(place, item)),
        _ => {}
    }
}

#[test]
fn the_documents_list_exactly_the_streams_of_the_table() {
    let expected: Vec<Vec<String>> = streams::all()
        .map(|stream| {
            let output = stream;
            let path = stream.endpoint().path.strip_prefix(ROOT).unwrap();
            let mode = if output.incremental { "incremental" } else { "full" };
            [output.name, path, output.key.unwrap_or(""), output.cursor.unwrap_or(""), mode].map(str::to_owned).to_vec()
        })
        .collect();
    for told in tables(&["stream", "endpoint", "primary key", "cursor", "without a catalog"]) {
        assert_eq!(told, expected);
    }
}

/// Airbyte's own connector has twelve streams, and reads four of them incrementally.
#[test]
fn the_documents_compare_the_streams_of_airbytes_connector() {
    let later = ["agent_events", "conversions", "department_events"];
    let shared = streams::all().filter(|stream| !later.contains(&stream.name));
    let mut expected: Vec<_> = shared
        .map(|stream| [stream.name, stream.key.unwrap_or(""), stream.cursor.unwrap_or("")].map(str::to_owned))
        .collect();
    expected.sort_unstable();
    assert_eq!(expected.len(), 12);
    for compared in tables(&["stream", "key", "cursor", "state"]) {
        let mut told: Vec<_> =
            compared.iter().map(|cells| [&cells[0], &cells[1], &cells[2]].map(Clone::clone)).collect();
        told.sort_unstable();
        assert_eq!(told, expected);
        for cells in &compared {
            assert!(cells[3].contains(&format!("\"{}\"", cells[2])) || (cells[2].is_empty() && cells[3].is_empty()));
        }
    }
}

#[test]
fn the_documents_list_exactly_the_properties_of_the_specification() {
    let specification: Value = serde_json::from_str(SPECIFICATION).unwrap();
    let properties = &specification["connectionSpecification"]["properties"];
    let mut expected: BTreeSet<String> = properties.as_object().unwrap().keys().cloned().collect();
    for branch in properties["credentials"]["oneOf"].as_array().unwrap() {
        expected.extend(branch["properties"].as_object().unwrap().keys().map(|name| format!("credentials.{name}")));
    }
    for table in tables(&["property", "default", "meaning"]) {
        let listed: Vec<String> = table.concat().into_iter().step_by(3).collect();
        assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), expected);
        assert_eq!(listed.len(), expected.len(), "no property comes twice");
    }
}

#[test]
fn the_sign_in_button_puts_everything_where_the_configuration_has_it() {
    let specification: Value = serde_json::from_str(SPECIFICATION).unwrap();
    let properties = &specification["connectionSpecification"]["properties"];
    let branch = &properties["credentials"]["oneOf"][0]["properties"];
    let button = &specification["advanced_auth"];
    assert_eq!(button["predicate_key"], json!(["credentials", "credentials"]));
    assert_eq!(button["predicate_value"], branch["credentials"]["const"]);
    let button = &button["oauth_config_specification"];
    let mut places = 0;
    for part in button.as_object().unwrap().values() {
        for told in part["properties"].as_object().into_iter().flat_map(serde_json::Map::values) {
            let Some(path) = told["path_in_connector_config"].as_array() else { continue };
            let known = match path.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>()[..] {
                ["credentials", name] => &branch[name],
                [name] => &properties[name],
                _ => &Value::Null,
            };
            assert!(known.is_object(), "{path:?}");
            places += 1;
        }
    }
    assert_eq!(places, 6);
    // The platform sends the same parameters as `login`, in the same places.
    let asked = &button["oauth_connector_input_specification"];
    let (client, state) = (Registration { id: String::new(), secret: None }, "".into());
    let redirect = "http://localhost:8080";
    let consent =
        Consent { client: &client, response: Response::Code, redirect, scope: SCOPE, state: &state, verifier: &state };
    let base = "https://acme.zendesk.com".parse().unwrap();
    let page = consent.url(&base);
    let path = page.as_str().strip_prefix("https://acme").unwrap().split('&').next().unwrap();
    assert!(asked["consent_url"].as_str().unwrap().contains(path), "{path}");
    assert!(asked["access_token_url"].as_str().unwrap().ends_with(&format!(".zendesk.com/{TOKEN_PATH}")));
    assert_eq!(asked["scope"], SCOPE);
    let grant = Grant::Code { code: &state, redirect, verifier: &state, scope: SCOPE };
    let form: BTreeSet<String> =
        url::form_urlencoded::parse(grant.form(&client).as_bytes()).map(|(name, _)| name.into_owned()).collect();
    let mut parameters: BTreeSet<String> = asked["access_token_params"].as_object().unwrap().keys().cloned().collect();
    assert!(parameters.remove("client_secret") && parameters.insert("code_verifier".to_owned()));
    assert_eq!(parameters, form);
}

#[test]
fn every_recorded_record_is_valid_against_its_schema() {
    for (stream, record) in recorded() {
        let (line, _) = written(stream, record);
        let validator = jsonschema::draft7::options().should_validate_formats(true).build(&schema(stream)).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&line).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert_eq!(errors, [] as [String; 0], "{}: {line}", stream.name);
    }
}

#[test]
fn every_recorded_record_is_passed_on_as_it_is() {
    for (stream, record) in recorded() {
        let (line, changes) = written(stream, record);
        assert_eq!(changes, [] as [String; 0], "{}", stream.name);
        let Project::Keyed(first, second) = stream.project else {
            assert_eq!(line, record, "{}", stream.name);
            continue;
        };
        let mut expected: Value = serde_json::from_str(record).unwrap();
        expected["id"] = json!(format!("{}|{}", expected[first], expected[second].as_str().unwrap()));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected, "{}", stream.name);
    }
}

#[test]
fn the_recorded_records_cover_all_streams_but_those_of_events() {
    let recorded: BTreeSet<&str> = recorded().map(|(stream, _)| stream.name).collect();
    let missing: Vec<&str> = streams::all().map(|stream| stream.name).filter(|name| !recorded.contains(name)).collect();
    assert_eq!(missing, ["agent_events", "conversions", "department_events"]);
}
