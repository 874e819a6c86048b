//! The access token appears in no output, however it is encoded and whoever quotes it.

use serde_json::json;
use source_zendesk_chat::sandbox::faults::{Fault, Rule};

use crate::binary::{Ended, Place};

/// A token that is encoded differently in JSON and in a URL.
const TOKEN: &str = "s3cret-t0ken\"x/y+z";

/// The token as it is, escaped for JSON, and encoded for a URL.
const FORMS: [&str; 3] = [TOKEN, "s3cret-t0ken\\\"x/y+z", "s3cret-t0ken%22x%2Fy%2Bz"];

/// An account that answers `path` with `code` and a `body` that repeats the token.
fn echoing(path: &str, code: u16, body: String) -> Place {
    Place::open(|options| {
        TOKEN.clone_into(&mut options.token);
        let echo = Fault::Status { code, headers: Vec::new(), body };
        options.faults = vec![Rule::of_path(path, 1..=u64::MAX, echo)];
    })
}

/// Not even the beginning of the token may appear.
fn says_nothing(ended: &Ended) {
    assert!(!ended.says("s3cret") && !ended.says("t0ken"), "{}\n{}", ended.stdout, ended.stderr);
}

#[test]
fn no_command_tells_the_token() {
    let place = Place::open(|options| TOKEN.clone_into(&mut options.token));
    place.choose("full_refresh", &["accounts", "roles"]);
    for arguments in [
        "check --config config.json --debug",
        "discover --config config.json --debug",
        "read --config config.json --catalog catalog.json --debug",
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments}");
        says_nothing(&ended);
    }
}

#[test]
fn a_service_that_repeats_the_token_is_not_quoted() {
    for form in FORMS {
        for body in [form.to_owned(), json!({ "error": "Bad", "description": format!("token {form}!") }).to_string()] {
            let place = echoing("agents", 400, body);
            place.choose("full_refresh", &["agents"]);
            for arguments in
                ["check --config config.json --debug", "read --config config.json --catalog catalog.json --debug"]
            {
                let ended = place.run(arguments);
                assert!(ended.says("****"), "what the service said is told but for the token: {}", ended.stdout);
                says_nothing(&ended);
            }
        }
    }
}

#[test]
fn a_summary_does_not_tell_the_token_either() {
    for form in FORMS {
        let place = echoing("roles", 400, format!("token {form}!"));
        for flags in ["--json --debug", "--debug", "--json --quiet"] {
            let ended = place.run(&format!("dump --config config.json --out lake --streams roles,goals {flags}"));
            assert_eq!(ended.code, Some(1));
            assert!(ended.says("roles"));
            says_nothing(&ended);
        }
    }
}

#[test]
fn a_token_that_a_quotation_cuts_off_leaves_no_beginning() {
    for before in 180..200 {
        let body = format!("{} {TOKEN}", "x".repeat(before));
        says_nothing(&echoing("agents", 403, body).run("check --config config.json --debug"));
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_not_quoted() {
    let place = Place::open(|_| {});
    for content in [
        json!({ "subdomain": TOKEN, "credentials": { "access_token": TOKEN } }).to_string(),
        json!({ "subdomain": "acme", "credentials": { "credentials": TOKEN, "access_token": TOKEN } }).to_string(),
        json!({ "subdomain": "acme", "credentials": TOKEN }).to_string(),
        json!(TOKEN).to_string(),
        format!("{{\"access_token\":\"{TOKEN}\"}}"),
    ] {
        place.write("config.json", &content);
        for command in ["check", "discover", "read"] {
            let ended = place.run(&format!("{command} --config config.json --debug"));
            assert!(ended.says("FAILED") || ended.code == Some(1), "{content}");
            says_nothing(&ended);
        }
    }
}
