//! `discover`: every stream and its schema, without network.

use serde_json::{Map, Value, json};

use super::Context;
use crate::cli::AccountArgs;
use crate::error::Error;
use crate::protocol;
use crate::source::streams::{self, Stream};

/// Prints the catalog, once the configuration is found to be sound.
pub(super) async fn run(args: &AccountArgs, context: &Context) -> Result<(), Error> {
    if let Some(path) = &args.config {
        context.config(path)?;
    }
    context.stdout.write(catalog().into_bytes()).await
}

fn catalog() -> String {
    let streams: Vec<Value> = streams::all().map(described).collect();
    protocol::catalog(&streams)
}

fn described(stream: &Stream) -> Value {
    let schema: Value = serde_json::from_str(stream.schema).unwrap_or_default();
    let mut described = Map::new();
    described.insert("name".to_owned(), stream.name.into());
    described.insert("json_schema".to_owned(), schema);
    let modes = if stream.cursor.is_some() { json!(["full_refresh", "incremental"]) } else { json!(["full_refresh"]) };
    described.insert("supported_sync_modes".to_owned(), modes);
    if let Some(cursor) = stream.cursor {
        described.insert("source_defined_cursor".to_owned(), true.into());
        described.insert("default_cursor_field".to_owned(), json!([cursor]));
    }
    if let Some(key) = stream.key {
        described.insert("source_defined_primary_key".to_owned(), json!([[key]]));
    }
    described.insert("is_resumable".to_owned(), stream.cursor.is_some().into());
    Value::Object(described)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_described_by_the_table() {
        let message: Value = serde_json::from_str(&catalog()).unwrap();
        let described = message["catalog"]["streams"].as_array().unwrap();
        assert_eq!(described.len(), 15);
        for (stream, described) in streams::all().zip(described) {
            assert_eq!(described["name"], stream.name);
            assert_eq!(described["is_resumable"], stream.cursor.is_some());
            assert_eq!(described.get("default_cursor_field"), stream.cursor.map(|cursor| json!([cursor])).as_ref());
            assert_eq!(described.get("source_defined_primary_key"), stream.key.map(|key| json!([[key]])).as_ref());
            let properties = &described["json_schema"]["properties"];
            for member in stream.key.into_iter().chain(stream.cursor) {
                assert!(properties.get(member).is_some(), "{}: {member} is not in the schema", stream.name);
            }
        }
    }
}
