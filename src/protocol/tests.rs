//! Messages in the form that other implementations of the protocol expect, and catalogs in the form that they write.

use super::*;

fn catalog_of(streams: &str) -> Result<Vec<Configured>, Error> {
    configured_catalog(&format!(r#"{{"streams":[{streams}]}}"#))
}

#[test]
fn a_state_counts_in_floats_and_a_limit_says_when_it_ends() {
    let message: Value = serde_json::from_str(&state("chats", &json!({ "a": 1 }), 7)).unwrap();
    assert_eq!(message["state"]["sourceStats"]["recordCount"].to_string(), "7.0");
    let message: Value = serde_json::from_str(&stream_status("chats", Status::Limited(5), 4)).unwrap();
    assert_eq!(message["trace"]["stream_status"]["status"], "RUNNING");
    assert_eq!(
        message["trace"]["stream_status"]["reasons"],
        json!([{ "type": "RATE_LIMITED", "rate_limited": { "quota_reset": 5 } }])
    );
}

#[test]
fn a_record_line_is_whole_with_and_without_changes() {
    for changes in
        [vec![], vec![Change { member: "a".into(), nulled: true }, Change { member: "b".into(), nulled: false }]]
    {
        let line = [record_prefix("chats", 9), b"{\"a\":null}".to_vec(), record_suffix(&changes)].concat();
        let message: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(message["record"]["emitted_at"].to_string(), "9");
        assert_eq!(message["record"]["data"], json!({ "a": null }));
        assert_eq!(message["record"].get("meta").is_some(), !changes.is_empty());
        if !changes.is_empty() {
            assert_eq!(
                message["record"]["meta"]["changes"][1],
                json!({ "field": "b", "change": "TRUNCATED", "reason": "SOURCE_SERIALIZATION_ERROR" })
            );
        }
    }
}

#[test]
fn a_failure_never_shows_a_secret() {
    let error = Error::new(Kind::Unauthorized, "the service said t0ken");
    let line = failure(&error, |text| text.replace("t0ken", "****"), Some("chats"), 1);
    assert!(!line.contains("t0ken"), "{line}");
    assert!(line.contains("config_error") && line.contains("stream_descriptor"), "{line}");
}

#[test]
fn a_catalog_is_read_whatever_else_it_holds() {
    let configured = catalog_of(
        r#"{"stream":{"name":"chats","json_schema":{"properties":{"id":{},"tags":{}}},"supported_sync_modes":["x"]},"sync_mode":"incremental","destination_sync_mode":"append_dedup","cursor_field":null,"generation_id":1},
           {"stream":{"name":"skills","json_schema":{}},"sync_mode":"full_refresh"}, {"stream":{"name":"goals","json_schema":{"properties":{}}},"sync_mode":"full_refresh"}"#,
    )
    .unwrap();
    assert_eq!(configured[0].selected, Some(vec!["id".to_owned(), "tags".to_owned()]));
    assert_eq!(configured[0].mode, SyncMode::Incremental);
    assert_eq!((configured[1].selected.clone(), configured[2].selected.clone()), (None, None));
}

#[test]
fn a_catalog_that_cannot_be_meant_is_refused() {
    let skills = r#"{"stream":{"name":"skills"},"sync_mode":"full_refresh"}"#;
    for streams in [
        r#"{"stream":{"name":"skills"},"sync_mode":"INVALID"}"#,
        &format!("{skills},{skills}"),
        r#"{"sync_mode":"full_refresh"}"#,
        "7",
    ] {
        assert_eq!(catalog_of(streams).unwrap_err().kind(), Kind::Catalog, "{streams}");
    }
    assert_eq!(configured_catalog("{}").unwrap_err().kind(), Kind::Catalog);
    assert_eq!(catalog_of("").unwrap(), []);
}
