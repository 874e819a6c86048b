//! Finds properties of a configuration that nothing reads. Most of them are misspelt.

use serde_json::{Map, Value};

use crate::access::document::Document;
use crate::nearest::nearest;

/// How many characters of a property's name are shown.
const LONGEST: usize = 40;

/// A sentence for each property that the specification does not know. Values are never shown.
pub fn unknown(document: &Document, specification: &Value) -> Vec<String> {
    let properties = &specification["connectionSpecification"]["properties"];
    let mut unknown = strange("", document.members(), &names(properties));
    if let Some(credentials) = document.members().get("credentials").and_then(Value::as_object) {
        let ways = properties["credentials"]["oneOf"].as_array().into_iter().flatten();
        let known: Vec<&str> = ways.flat_map(|way| names(&way["properties"])).collect();
        unknown.extend(strange("credentials.", credentials, &known));
    }
    unknown
}

fn names(properties: &Value) -> Vec<&str> {
    properties.as_object().into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect()
}

fn strange(place: &str, members: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    // Platforms add properties of their own, which begin with an underscore.
    let strange = members.keys().filter(|name| !name.starts_with('_') && !known.contains(&name.as_str()));
    let sentence = |name: &String| {
        let shown: String = name.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
        let meant = nearest(name, known.iter().copied()).map(|meant| format!("; did you mean `{meant}`?"));
        format!("the configuration's `{place}{shown}` is not a property that is known{}", meant.unwrap_or_default())
    };
    strange.map(sentence).collect()
}
