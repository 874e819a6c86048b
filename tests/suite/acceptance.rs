//! The checks of Airbyte's connector acceptance tests that its newer standard tests no longer make, under their
//! original names.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::{Map, Value, json};
use source_zendesk_chat::access::document::Document;
use source_zendesk_chat::config::{Config, Environment};
use source_zendesk_chat::sandbox::faults::{Fault, Rule};
use source_zendesk_chat::source::streams;

use crate::binary::{Ended, Place, names, stream_of};

const READ: &str = "read --config config.json --catalog catalog.json";
const RESUME: &str = "read --config config.json --catalog catalog.json --state state.json";

/// A point in time, as a form accepts it.
const MOMENT: &str = "20[0-9]{2}-0[1-9]-[01][1-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z";

/// The specification of the last release: users who configured that release are not asked again.
const RELEASED: &str = include_str!("../data/released-spec.json");

fn specification() -> Value {
    serde_json::from_str(include_str!("../../spec.json")).unwrap()
}

fn validator(specification: &Value) -> jsonschema::Validator {
    jsonschema::validator_for(&specification["connectionSpecification"]).unwrap()
}

/// Every schema within a schema, by its path.
fn schemas(schema: &Value) -> Vec<(String, &Map<String, Value>)> {
    let mut found = Vec::new();
    let mut left = vec![(String::new(), schema)];
    while let Some((path, schema)) = left.pop() {
        let Some(members) = schema.as_object() else { continue };
        found.push((path.clone(), members));
        for (name, property) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            left.push((format!("{path}/{name}"), property));
        }
        for (index, branch) in members.get("oneOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
            left.push((format!("{path}#{index}"), branch));
        }
        if let Some(items) = members.get("items") {
            left.push((format!("{path}[]"), items));
        }
    }
    found
}

fn text<'schema>(schema: &'schema Map<String, Value>, member: &str) -> &'schema str {
    schema.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Any input that users may have entered in a form of this schema.
fn filled_in(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(only) = schema.get("const") {
        return Just(only.clone()).boxed();
    }
    if let Some(branches) = schema.get("oneOf").and_then(Value::as_array) {
        return proptest::strategy::Union::new(branches.iter().map(filled_in)).boxed();
    }
    match schema["type"].as_str().unwrap() {
        "object" => {
            let required = schema.get("required").cloned().unwrap_or_default();
            let members = schema["properties"].as_object().unwrap().iter().map(|(name, property)| {
                let needed = required.as_array().is_some_and(|all| all.contains(&json!(name)));
                let member = filled_in(property);
                let member = if needed { member.prop_map(Some).boxed() } else { proptest::option::of(member).boxed() };
                (Just(name.clone()), member)
            });
            let object = |members: Vec<(String, Option<Value>)>| {
                Value::Object(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
            };
            members.collect::<Vec<_>>().prop_map(object).boxed()
        }
        "string" => {
            let pattern = match schema.get("format").and_then(Value::as_str) {
                Some("date-time") => MOMENT,
                _ => schema.get("pattern").and_then(Value::as_str).unwrap_or("[ -~]{0,30}"),
            };
            string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap().prop_map(Value::from).boxed()
        }
        "integer" => {
            let most = schema.get("maximum").and_then(Value::as_i64).unwrap_or(10_000);
            (schema["minimum"].as_i64().unwrap()..=most).prop_map(Value::from).boxed()
        }
        "number" => {
            let least = schema.get("minimum").or(schema.get("exclusiveMinimum")).and_then(Value::as_f64).unwrap();
            (least..10_000.0)
                .prop_filter("beyond its bound", move |&number| number > least)
                .prop_map(Value::from)
                .boxed()
        }
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        other => panic!("nothing is known to fill in for {other}"),
    }
}

mod spec {
    use super::*;

    /// Schema keywords that a form cannot be built from.
    const FORBIDDEN: [&str; 11] = [
        "not",
        "anyOf",
        "allOf",
        "patternProperties",
        "prefixItems",
        "if",
        "then",
        "else",
        "$ref",
        "dependentSchemas",
        "dependentRequired",
    ];

    #[test]
    fn test_match_expected() {
        let printed = Place::open(|_| ()).run("spec").messages();
        assert_eq!(printed, [json!({ "type": "SPEC", "spec": specification() })]);
    }

    #[test]
    fn test_config_match_spec() {
        let place = Place::open(|_| ());
        let config = std::fs::read_to_string(place.path("config.json")).unwrap();
        assert!(validator(&specification()).is_valid(&serde_json::from_str(&config).unwrap()));
    }

    #[test]
    fn test_forbidden_complex_types() {
        for (path, schema) in schemas(&specification()["connectionSpecification"]) {
            for word in FORBIDDEN {
                assert!(!schema.contains_key(word), "{path} says {word}");
            }
        }
    }

    #[test]
    fn test_property_type_is_not_array_and_test_object_not_empty() {
        for (path, schema) in schemas(&specification()["connectionSpecification"]) {
            assert!(schema["type"].is_string(), "{path} has one type");
            let content = schema.get("properties").or(schema.get("oneOf")).or(schema.get("items"));
            assert!(
                !["object", "array"].contains(&text(schema, "type")) || content.is_some(),
                "{path} holds something"
            );
        }
    }

    #[test]
    fn test_additional_properties_is_true() {
        for (path, schema) in schemas(&specification()["connectionSpecification"]) {
            assert!(schema.get("additionalProperties").is_none_or(|may| *may == json!(true)), "{path}");
        }
    }

    #[test]
    fn test_oneof_usage_and_test_enum_usage() {
        for (path, schema) in schemas(&specification()["connectionSpecification"]) {
            let options = schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
            let distinct: BTreeSet<_> = options.iter().map(Value::to_string).collect();
            assert_eq!(distinct.len(), options.len(), "{path} offers each option once");
            let Some(branches) = schema.get("oneOf").and_then(Value::as_array) else { continue };
            assert_eq!(schema["type"], "object", "{path}");
            let members = |branch: &Value| -> BTreeSet<String> {
                branch["properties"].as_object().unwrap().keys().cloned().collect()
            };
            let in_every_branch = |member: &String| {
                branches.iter().all(|branch| {
                    members(branch).contains(member) && branch["properties"][member].get("const").is_some()
                })
            };
            let telling: Vec<_> = members(&branches[0]).into_iter().filter(in_every_branch).collect();
            let [telling] = &telling[..] else { panic!("{path}: {telling:?} tell the branches apart") };
            let mut values = BTreeSet::new();
            for branch in branches {
                let property = branch["properties"][telling].as_object().unwrap();
                assert!(!property.contains_key("default") && !property.contains_key("enum"), "{path}");
                assert!(branch["required"].as_array().unwrap().contains(&json!(telling)), "{path}");
                assert!(values.insert(property["const"].to_string()), "{path}: two branches are called the same");
            }
        }
    }

    #[test]
    fn test_date_pattern_and_test_date_format() {
        for (path, schema) in schemas(&specification()["connectionSpecification"]) {
            let dated = ["date", "date-time"].contains(&text(schema, "format"));
            // A hidden field needs no pattern.
            let shown = schema.get("airbyte_hidden") != Some(&json!(true));
            assert_eq!(dated && shown, text(schema, "pattern").contains("{4}-"), "{path}");
        }
    }

    #[test]
    fn test_duplicate_order() {
        for (path, schema) in schemas(&specification()["connectionSpecification"]) {
            let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            let orders: Vec<_> = properties.filter_map(|(_, property)| property["order"].as_u64()).collect();
            assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), orders.len(), "{path}");
        }
    }

    #[test]
    fn test_nested_group_and_test_display_type() {
        for (path, schema) in schemas(&specification()["connectionSpecification"]) {
            assert!(!schema.contains_key("group") || path.matches('/').count() == 1, "{path} is nested");
            assert!(!schema.contains_key("display_type") || schema.contains_key("oneOf"), "{path} offers no choice");
        }
    }

    #[test]
    fn test_secret_is_properly_marked() {
        let secrets = ["token", "secret", "password", "client_id", "key"];
        for (path, schema) in schemas(&specification()["connectionSpecification"]) {
            let name = path.rsplit('/').next().unwrap();
            let holds = text(schema, "type") == "string" && secrets.iter().any(|secret| name.ends_with(secret));
            let named = holds && !schema.contains_key("const");
            assert_eq!(named, schema.get("airbyte_secret") == Some(&json!(true)), "{path}");
        }
    }

    #[test]
    fn test_oauth_is_default_method_and_test_oauth_flow_parameters() {
        let specification = specification();
        let properties = &specification["connectionSpecification"]["properties"];
        let first = &properties["credentials"]["oneOf"][0];
        assert_eq!(first["properties"]["credentials"]["const"], specification["advanced_auth"]["predicate_value"]);
        let mut left = vec![&specification["advanced_auth"]["oauth_config_specification"]];
        let mut paths = 0;
        while let Some(value) = left.pop() {
            left.extend(value.as_object().into_iter().flatten().map(|(_, value)| value));
            let Some(path) = value.get("path_in_connector_config").and_then(Value::as_array) else { continue };
            let path: Vec<_> = path.iter().filter_map(Value::as_str).collect();
            let exists = match path[..] {
                [name] => properties.get(name),
                ["credentials", name] => first["properties"].get(name),
                _ => None,
            };
            assert!(exists.is_some(), "{path:?}");
            paths += 1;
        }
        assert!(paths > 3, "the sign-in fills something in");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// Configurations that the last release or Airbyte's own connector accepted are still accepted.
        #[test]
        fn test_backward_compatibility(
            before in filled_in(&serde_json::from_str::<Value>(RELEASED).unwrap()["connectionSpecification"]),
            of_airbyte in filled_in(&of_airbyte()),
        ) {
            prop_assert!(validator(&serde_json::from_str(RELEASED).unwrap()).is_valid(&before), "{before}");
            for config in [before, of_airbyte] {
                prop_assert!(validator(&specification()).is_valid(&config), "{config}");
                let taken = Document::parse(&usable(config.clone()).to_string())
                    .and_then(|document| Config::of(&document, &Environment::default()));
                prop_assert!(taken.is_ok(), "{}: {config}", taken.unwrap_err());
            }
        }
    }

    /// The same configuration with values that no form can enforce: a real token, a real address, and an end after the
    /// start.
    fn usable(mut config: Value) -> Value {
        let members = config.as_object_mut().unwrap();
        members.remove("base_url");
        members.remove("end_date");
        let credentials = members.entry("credentials").or_insert_with(|| json!({})).as_object_mut().unwrap();
        for (name, value) in credentials.iter_mut().filter(|(name, _)| *name != "credentials") {
            *value = Value::from(format!("{name}-of-somebody"));
        }
        credentials.entry("access_token").or_insert_with(|| json!("access-token"));
        if credentials.get("credentials") == Some(&json!("client_credentials")) {
            credentials.entry("client_secret").or_insert_with(|| json!("secret"));
        }
        config
    }

    /// The form of Airbyte's own connector.
    fn of_airbyte() -> Value {
        let anything = json!({ "type": "string" });
        json!({
            "type": "object",
            "required": ["start_date", "subdomain"],
            "properties": {
                "start_date": { "type": "string", "pattern": MOMENT },
                "subdomain": { "type": "string", "pattern": "[a-z]([a-z0-9]{0,20})" },
                "credentials": { "type": "object", "oneOf": [
                    { "type": "object", "required": ["credentials"], "properties": {
                        "credentials": { "const": "oauth2.0" }, "client_id": anything, "client_secret": anything,
                        "access_token": anything, "refresh_token": anything } },
                    { "type": "object", "required": ["credentials", "access_token"], "properties": {
                        "credentials": { "const": "access_token" }, "access_token": anything } },
                ] },
            },
        })
    }
}

mod discovery {
    use super::*;

    /// The catalog that the last release discovered.
    const RELEASED: &str = include_str!("../data/released-catalog.json");

    #[test]
    fn test_backward_compatibility() {
        let released: Value = serde_json::from_str(RELEASED).unwrap();
        let now = Place::open(|_| ()).run("discover --config config.json").messages();
        let now = now[0]["catalog"]["streams"].as_array().unwrap();
        for before in released["streams"].as_array().unwrap() {
            let name = &before["name"];
            let stream = now.iter().find(|stream| stream["name"] == *name).unwrap_or_else(|| panic!("{name} is gone"));
            for what in ["source_defined_primary_key", "default_cursor_field"] {
                assert_eq!(before[what], stream[what], "{what} of {name}");
            }
            for (member, declared) in before["json_schema"]["properties"].as_object().unwrap() {
                let declared_now = &stream["json_schema"]["properties"][member];
                assert_eq!(declared["type"], declared_now["type"], "{member} of {name}");
                assert_eq!(declared["format"], declared_now["format"], "{member} of {name}");
            }
        }
    }
}

mod connection {
    use super::*;

    #[test]
    fn test_check() {
        let healthy = Place::open(|_| ()).run("check --config config.json").messages();
        assert_eq!(healthy.iter().filter(|message| message["type"] == "CONNECTION_STATUS").count(), 1);
        let outage = Fault::Status {
            code: 503,
            headers: vec![("Retry-After".to_owned(), "3600".to_owned())],
            body: String::new(),
        };
        let broken = Place::open(|options| options.faults = vec![Rule::of_all(1..=u64::MAX, outage)]);
        let ended = broken.run("check --config config.json");
        let told = ended.messages();
        assert_eq!(ended.code, Some(1));
        assert_eq!(told.iter().filter(|message| message["type"] == "CONNECTION_STATUS").count(), 0);
        let errors: Vec<_> = told.iter().filter(|message| message["trace"]["type"] == "ERROR").collect();
        assert_eq!(errors.len(), 1);
        assert!(!errors[0]["trace"]["error"]["message"].as_str().unwrap().is_empty());
    }
}

/// The records of each stream.
fn records(ended: &Ended) -> BTreeMap<String, Vec<Value>> {
    let mut records: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for message in ended.messages().into_iter().filter(|message| message["type"] == "RECORD") {
        records.entry(stream_of(&message).unwrap()).or_default().push(message["record"]["data"].clone());
    }
    records
}

mod basic_read {
    use super::*;

    #[test]
    fn test_read() {
        let place = Place::open(|_| ());
        place.choose("full_refresh", &names());
        let ended = place.run(READ);
        assert_eq!(ended.code, Some(0));
        let messages = ended.messages();
        let records = records(&ended);
        let states: Vec<_> = messages.iter().filter(|message| message["type"] == "STATE").collect();
        assert!(states.len() >= names().len());
        assert!(
            states.iter().all(
                |state| state["state"]["type"] == "STREAM" && state["state"]["sourceStats"]["recordCount"].is_f64()
            )
        );
        for name in names() {
            let stream = streams::named(name).unwrap();
            assert!(!records[name].is_empty(), "{name}");
            for record in &records[name] {
                let key = stream.key_members().all(|key| record[key].is_string() || record[key].is_i64());
                assert!(key, "{name}: {record}");
            }
            let about = messages.iter().filter(|message| stream_of(message).as_deref() == Some(name));
            let statuses: Vec<_> =
                about.filter_map(|message| message["trace"]["stream_status"]["status"].as_str()).collect();
            let [first, running @ .., last] = &statuses[..] else { panic!("{name}: {statuses:?}") };
            assert_eq!((*first, *last), ("STARTED", "COMPLETE"), "{name}");
            assert!(!running.is_empty() && running.iter().all(|status| *status == "RUNNING"), "{name}: {statuses:?}");
        }
    }

    #[test]
    fn test_airbyte_trace_message_on_failure() {
        let place = Place::open(|_| ());
        place.choose("INVALID", &["__AIRBYTE__stream_that_does_not_exist"]);
        let ended = place.run(READ);
        assert_eq!(ended.code, Some(1));
        assert!(ended.messages().iter().any(|message| message["trace"]["type"] == "ERROR"));
    }
}

mod full_refresh {
    use super::*;

    #[test]
    fn test_sequential_reads() {
        let place = Place::open(|_| ());
        place.choose("full_refresh", &names());
        let (first, second) = (place.run(READ), place.run(READ));
        let emitted = |ended: &Ended| -> Vec<i64> {
            ended.messages().iter().filter_map(|message| message["record"]["emitted_at"].as_i64()).collect()
        };
        assert!(emitted(&second).iter().min() > emitted(&first).iter().max());
        let sorted = |ended: &Ended| -> BTreeMap<String, Vec<String>> {
            let sorted = |records: Vec<Value>| {
                let mut lines: Vec<_> = records.iter().map(Value::to_string).collect();
                lines.sort_unstable();
                lines
            };
            records(ended).into_iter().map(|(stream, records)| (stream, sorted(records))).collect()
        };
        assert_eq!(sorted(&first), sorted(&second));
    }
}

mod incremental {
    use super::*;

    /// The streams with a cursor.
    fn incremental() -> Vec<(&'static str, &'static str)> {
        streams::all().filter_map(|stream| Some((stream.name, stream.cursor?))).collect()
    }

    /// The value of a cursor that is text, seconds, microseconds or a number; times become microseconds.
    fn value(cursor: &Value) -> i64 {
        let Some(text) = cursor.as_str() else { return cursor.as_i64().unwrap() };
        if let Ok(time) = text.parse::<DateTime<Utc>>() {
            return time.timestamp_micros();
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let number: i64 = whole.parse().unwrap();
        let fraction: i64 = format!("{fraction:0<6}").parse().unwrap();
        if whole.len() > 12 { number } else { number * 1_000_000 + fraction }
    }

    /// How far before a state the next run may begin: one unit, since bounds may be exclusive, and the look-back for
    /// late records.
    fn threshold(stream: &str) -> i64 {
        match stream {
            "agent_timeline" => 24 * 3_600_000_000,
            "agents" | "bans" => 0,
            _ => 1_000_000,
        }
    }

    fn states(ended: &Ended) -> Vec<Value> {
        ended
            .messages()
            .into_iter()
            .filter(|message| message["type"] == "STATE")
            .map(|message| message["state"].clone())
            .collect()
    }

    /// The states that a platform keeps: the last one of each stream.
    fn latest(states: &[Value]) -> BTreeMap<String, Value> {
        let name = |state: &Value| state["stream"]["stream_descriptor"]["name"].as_str().unwrap().to_owned();
        states.iter().map(|state| (name(state), state.clone())).collect()
    }

    fn resumed(place: &Place, states: &[Value]) -> Ended {
        place.write("state.json", &Value::from(latest(states).into_values().collect::<Vec<_>>()).to_string());
        let ended = place.run(RESUME);
        assert_eq!(ended.code, Some(0));
        ended
    }

    fn place() -> Place {
        let place = Place::open(|_| ());
        place.choose("incremental", &incremental().iter().map(|&(name, _)| name).collect::<Vec<_>>());
        place
    }

    /// The cursor value in a stream's state.
    fn reached(states: &BTreeMap<String, Value>, stream: &str, cursor: &str) -> i64 {
        value(&states[stream]["stream"]["stream_state"][cursor])
    }

    #[test]
    fn test_two_sequential_reads() {
        let place = place();
        let first = place.run(READ);
        let (read, states) = (records(&first), states(&first));
        let second = records(&resumed(&place, &states));
        assert_ne!(read, second, "the second read is told from the first by its state");
        let reached = |stream, cursor| self::reached(&latest(&states), stream, cursor);
        for (stream, cursor) in incremental() {
            let last = read[stream].iter().map(|record| value(&record[cursor])).max().unwrap();
            assert!(last <= reached(stream, cursor), "{stream}");
            let again = second.get(stream).into_iter().flatten();
            assert!(again.clone().all(|record| value(&record[cursor]) >= reached(stream, cursor) - threshold(stream)));
            assert!(again.count() < read[stream].len(), "{stream} is not read all over");
        }
    }

    #[test]
    fn test_read_sequential_slices() {
        let place = Place::open(|options| options.behaviour.page_cap = Some(20));
        place.choose("incremental", &incremental().iter().map(|&(name, _)| name).collect::<Vec<_>>());
        let first = place.run(READ);
        let all = states(&first);
        let last = latest(&all);
        let read = records(&first);
        for (stream, cursor) in incremental() {
            assert!(
                read[stream].iter().all(|record| value(&record[cursor]) <= reached(&last, stream, cursor)),
                "{stream}"
            );
        }
        assert!(all.len() > 3 * incremental().len(), "there are checkpoints on the way");
        let mut seen = 0;
        // Airbyte's test, too, samples only a few checkpoints.
        for end in [all.len() / 4, all.len() / 2, all.len() * 3 / 4, all.len()] {
            let slice = latest(&all[..end]);
            let rest = records(&resumed(&place, &all[..end]));
            for (stream, cursor) in incremental().into_iter().filter(|(stream, _)| slice.contains_key(*stream)) {
                let from = reached(&slice, stream, cursor) - threshold(stream);
                let again = rest.get(stream).into_iter().flatten();
                assert!(again.clone().all(|record| value(&record[cursor]) >= from), "{stream}");
                let keys = |records: &[Value]| -> BTreeSet<String> {
                    records.iter().map(|record| record["id"].to_string()).collect()
                };
                let beyond: Vec<Value> = read[stream]
                    .iter()
                    .filter(|record| value(&record[cursor]) > reached(&slice, stream, cursor))
                    .cloned()
                    .collect();
                let again: Vec<Value> = again.cloned().collect();
                assert!(keys(&beyond).is_subset(&keys(&again)), "{stream}: all that lies behind the state comes");
                seen += beyond.len();
            }
        }
        assert!(seen > 100, "something lies behind the first of them");
    }

    #[test]
    fn test_state_with_abnormally_large_values() {
        let place = place();
        let far = |cursor: &str| match cursor {
            "id" => json!({ "id": 9_000_000_000_000_000_i64 }),
            "start_time" => json!({ "start_time": "4080000000000000" }),
            cursor => json!({ cursor: "4080000000" }),
        };
        let states: Vec<Value> = incremental()
            .into_iter()
            .map(|(stream, cursor)| {
                json!({ "type": "STREAM", "stream": { "stream_descriptor": { "name": stream }, "stream_state": far(cursor) } })
            })
            .collect();
        let ended = resumed(&place, &states);
        assert_eq!(records(&ended), BTreeMap::new());
        let told = latest(&self::states(&ended));
        for (state, (stream, cursor)) in states.iter().zip(incremental()) {
            assert_eq!(
                told[stream]["stream"]["stream_state"][cursor], state["stream"]["stream_state"][cursor],
                "{stream}"
            );
        }
    }
}

mod connector_attributes {
    use super::*;

    #[test]
    fn test_streams_define_primary_key() {
        let place = Place::open(|_| ());
        let catalog = place.run("discover --config config.json").messages();
        for stream in catalog[0]["catalog"]["streams"].as_array().unwrap() {
            let key = stream["source_defined_primary_key"].as_array().is_some_and(|key| !key.is_empty());
            // The routing settings of an account are one object, so they have no key.
            assert_eq!(key, stream["name"] != "routing_settings", "{}", stream["name"]);
        }
    }
}
