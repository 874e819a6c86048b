//! Whether rows are what the schemas say.

use super::*;
use crate::position;

/// What the schema of a stream declares of its rows.
pub fn properties(name: &str) -> Map<String, Value> {
    let path = format!("{}/schemas/children/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(schema["properties"].take()).unwrap()
}

/// Makes sure that each member of a row is declared, is not null, and fits.
pub fn check(name: &str, properties: &Map<String, Value>, row: &Map<String, Value>) {
    for (member, value) in row {
        let property = properties.get(member).unwrap_or_else(|| panic!("{name}.{member} is not declared"));
        assert!(fits(property, value), "{name}.{member} is {value}");
    }
}

fn fits(property: &Value, value: &Value) -> bool {
    let is = |kind: &str| property["type"].as_array().unwrap().iter().any(|known| known == kind);
    match value {
        Value::Null => false,
        Value::Bool(_) => is("boolean"),
        Value::Number(number) => is("number") || (is("integer") && number.is_i64()),
        Value::String(text) if property["format"] == "date-time" => {
            text.len() >= "2026-09-14T08:11:02Z".len() && position::when(text).is_some()
        }
        Value::String(_) => is("string"),
        Value::Array(values) => is("array") && values.iter().all(|value| fits(&property["items"], value)),
        Value::Object(members) => match property.get("properties").and_then(Value::as_object) {
            None => is("object"),
            Some(properties) => members.iter().all(|(name, value)| fits(&properties[name], value)),
        },
    }
}

#[test]
fn every_schema_describes_its_columns_and_begins_with_what_all_rows_have() {
    for (_, name) in CHILDREN {
        let properties = properties(name);
        let first: Vec<_> = properties.keys().take(4).collect();
        assert_eq!(first, ["id", "chat_id", "chat_update_timestamp", "chat_timestamp"], "{name}");
        for (member, property) in &properties {
            assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}.{member}");
        }
    }
}

#[test]
fn every_column_for_a_member_is_declared() {
    for (name, columns) in [
        ("chat_events", events::COLUMNS),
        ("chat_messages", messages::COLUMNS),
        ("chat_engagements", engagements::COLUMNS),
        ("chat_webpath", webpath::COLUMNS),
        ("chat_conversions", conversions::COLUMNS),
    ] {
        let properties = properties(name);
        for column in columns {
            assert!(properties.contains_key(column.name), "{name}.{}", column.name);
        }
    }
}
