//! `check`: one status, one sentence, and an exit code that distinguishes a wrong configuration from an outage.

use serde_json::json;
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::sandbox::Options;
use source_zendesk_chat::sandbox::faults::{Fault, Rule};
use source_zendesk_chat::sandbox::options::Refusal;

use crate::binary::{Ended, Place, assert_ended};

/// An account with the system clock, since a check requests recent records.
fn place(arrange: impl FnOnce(&mut Options)) -> Place {
    Place::open(|options| {
        options.clock = Clock::system();
        arrange(options);
    })
}

fn refused(refusal: Refusal) -> Ended {
    place(|options| options.behaviour.refusal = Some(refusal)).run("check --config config.json")
}

#[test]
fn all_is_well() {
    assert_ended!(place(|_| {}).run("check --config config.json"), @r"
    exit 0
    INFO accounts can be read
    INFO agent_events can be read
    INFO agent_timeline can be read
    INFO bans can be read
    INFO chats can be read
    INFO conversions can be read
    INFO department_events can be read
    INFO departments can be read
    INFO goals can be read
    INFO roles can be read
    INFO routing_settings can be read
    INFO shortcuts can be read
    INFO skills can be read
    INFO the account answers, and the token may read it
    INFO triggers can be read
    SUCCEEDED
    ");
}

#[test]
fn a_check_costs_one_request_a_stream() {
    let place = place(|_| {});
    place.run("check --config config.json");
    let requests = place.sandbox.requests();
    assert_eq!(requests.len(), 15);
    assert!(requests[0].path.ends_with("/agents"));
    assert!(requests.iter().all(|request| request.status == Some(200)));
}

#[test]
fn the_token_is_wrong() {
    let place = place(|_| {});
    place.configure(&json!({ "credentials": { "access_token": "another" } }));
    assert_ended!(place.run("check --config config.json"), @"
    exit 0
    FAILED 127.0.0.1 does not know the access token: it is wrong, was revoked, or belongs to Zendesk Support rather than Zendesk Chat: api/v2/chat/agents: the service answered 401 (Unauthorized): Unauthorized: The server could not verify that you are authorized to access the requested resource. Run `source-zendesk-chat login` to sign in to this Zendesk Chat account anew; a token of Zendesk Support does not work here.
    ");
    assert_eq!(place.sandbox.requests().len(), 1);
}

#[test]
fn the_token_in_the_environment_wins() {
    let place = place(|_| {});
    let mut command = place.command("check --config config.json");
    command.env("ZENDESK_CHAT_ACCESS_TOKEN", "another");
    assert!(Ended::of(command).says("FAILED"));
}

#[test]
fn the_subdomain_is_wrong() {
    assert_ended!(refused(Refusal::WrongSubdomain), @r"
    exit 0
    FAILED There is no Zendesk account at 127.0.0.1: the subdomain `sandbox` is wrong: api/v2/chat/agents: the service answered 404 (Not Found): No help desk at sandbox.zendesk.com: There is no help desk configured at this address. This means that the address is available and that you can claim it at http://www.zendesk.com/signup. Correct the configuration and run again; `spec` prints every property.
    ");
}

#[test]
fn the_host_is_a_web_site() {
    assert_ended!(refused(Refusal::UnknownHost), @r"
    exit 0
    FAILED 127.0.0.1 is not the host of a Zendesk account: it answers with a web page: api/v2/chat/agents: the service answered 404 (Not Found): it sent a web page instead of data. Correct the configuration and run again; `spec` prints every property.
    ");
}

#[test]
fn the_host_sends_elsewhere() {
    let elsewhere = Fault::Status {
        code: 302,
        headers: vec![("location".to_owned(), "https://www.zendesk.com/".to_owned())],
        body: String::new(),
    };
    let place = place(|options| options.faults = vec![Rule::of_all(1..=u64::MAX, elsewhere)]);
    assert_ended!(place.run("check --config config.json"), @r"
    exit 0
    FAILED 127.0.0.1 is not the host of a Zendesk account: it sends elsewhere: api/v2/chat/agents: the service answered 302 (Found): it gave no reason. Correct the configuration and run again; `spec` prints every property.
    ");
    assert_eq!(place.sandbox.requests().len(), 1);
}

#[test]
fn the_role_is_missing() {
    assert_ended!(refused(Refusal::MissingRole), @r"
    exit 0
    FAILED The access token is known, but may not read the account: whoever made it is no administrator of Zendesk Chat, or it lacks the scope `read`: api/v2/chat/agents: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource. Make the token as an administrator, with the scope `read`, or leave the stream out.
    ");
}

#[test]
fn the_account_has_no_chat() {
    assert_ended!(refused(Refusal::NoChat), @r"
    exit 0
    FAILED The account at 127.0.0.1 has no Zendesk Chat; one that has only Messaging has none either: api/v2/chat/agents: the service answered 404 (Not Found): Not Found. Check the subdomain, and that the account has Zendesk Chat and this feature, or leave the stream out.
    ");
    assert_ended!(refused(Refusal::NoChatObject), @r"
    exit 0
    FAILED The account at 127.0.0.1 has no Zendesk Chat; one that has only Messaging has none either: api/v2/chat/agents: the service answered 404 (Not Found): Not Found. Check the subdomain, and that the account has Zendesk Chat and this feature, or leave the stream out.
    ");
}

#[test]
fn one_forbidden_stream_is_a_warning() {
    let ended = refused(Refusal::Forbidden(vec!["incremental/agent_events".to_owned()]));
    let warnings: String = ended.told().lines().filter(|line| !line.starts_with("INFO")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(warnings, @r"
    exit 0
    SUCCEEDED
    WARN agent_events cannot be read: api/v2/chat/incremental/agent_events: the service answered 403 (Forbidden): Forbidden: You do not have access to this resource
    ");
}

#[test]
fn a_host_without_a_way_to_it_was_asked_for_minutes() {
    let place = place(|_| {});
    place.configure(&json!({ "base_url": place.sandbox.url().replace("http:", "https:") }));
    assert_ended!(place.run("check --config config.json"), @"
    exit 1
    transient_error api/v2/chat/agents: no secure connection to 127.0.0.1 could be made: received corrupt message of type InvalidContentType. Check `subdomain` and `base_url`, the network of this machine, and `HTTPS_PROXY` if there is a proxy.
    stderr: api/v2/chat/agents: no secure connection to 127.0.0.1 could be made: received corrupt message of type InvalidContentType. Check `subdomain` and `base_url`, the network of this machine, and `HTTPS_PROXY` if there is a proxy.
    ");
    assert!(place.sandbox.requests().is_empty());
}

#[test]
fn an_outage_is_no_verdict_on_the_configuration() {
    let long = Fault::Status { code: 503, headers: vec![("retry-after".into(), "3600".into())], body: String::new() };
    let place = place(|options| options.faults = vec![Rule::of_all(1..=u64::MAX, long)]);
    assert_ended!(place.run("check --config config.json"), @r"
    exit 1
    transient_error api/v2/chat/agents: the service answered 503 (Service Unavailable) and asked for a pause of 3600 s, longer than a run waits: it gave no reason. Run again later, or lower `requests_per_minute` to leave room for other tools of the account.
    stderr: api/v2/chat/agents: the service answered 503 (Service Unavailable) and asked for a pause of 3600 s, longer than a run waits: it gave no reason. Run again later, or lower `requests_per_minute` to leave room for other tools of the account.
    ");
}

#[test]
fn a_bad_value_is_a_verdict() {
    let place = place(|_| {});
    let mut told = String::new();
    for changes in [
        json!({ "subdomain": null }),
        json!({ "subdomain": "evil.com/#" }),
        json!({ "credentials": null }),
        json!({ "credentials": { "credentials": "client_credentials" } }),
        json!({ "credentials": { "credentials": "password" } }),
        json!({ "credentials": { "credentials": "access_token", "access_token": "" } }),
        json!({ "credentials": { "credentials": "access_token", "access_token": 12345 } }),
        json!({ "credentials": { "refresh_token": "of-nobody" } }),
        json!({ "start_date": "yesterday" }),
        json!({ "end_date": "2020-01-01T00:00:00Z" }),
        json!({ "requests_per_minute": 0 }),
        json!({ "base_url": "http://acme.zendesk.com" }),
    ] {
        place.configure(&changes);
        told += &place.run("check --config config.json").told();
    }
    insta::assert_snapshot!(told, @"
    exit 0
    FAILED `subdomain` is missing. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `subdomain` is not the first part of an address like acme.zendesk.com: write `acme`. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `credentials` is missing: give it an `access_token`, or set ZENDESK_CHAT_ACCESS_TOKEN. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `credentials.client_id` is missing. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `credentials.credentials` is none of `oauth2.0`, `access_token` and `client_credentials`. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `credentials.access_token` is missing. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED credentials: `access_token` is not a text. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `credentials.client_id` is missing: the refresh token is that API client's. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `start_date` is not a date: write it like 2024-01-01T00:00:00Z. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `end_date` is not after `start_date`. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `requests_per_minute` is not a number above 0. Correct the configuration and run again; `spec` prints every property.
    exit 0
    FAILED `base_url` is not like https://host: it must use https, except to this machine itself, and end after the host. Correct the configuration and run again; `spec` prints every property.
    ");
    assert!(place.sandbox.requests().is_empty());
}

#[test]
fn a_file_without_values_has_no_verdict() {
    let place = place(|_| {});
    let mut told = place.run("check --config missing.json").told();
    for content in ["", "{\"subdomain\": ", "[]", "null"] {
        place.write("config.json", content);
        told += &place.run("check --config config.json").told();
    }
    insta::assert_snapshot!(told, @r"
    exit 1
    config_error The configuration missing.json cannot be read: No such file or directory (os error 2). Give `--config` the path of a file that holds one JSON object.
    stderr: The configuration missing.json cannot be read: No such file or directory (os error 2). Give `--config` the path of a file that holds one JSON object.
    exit 1
    config_error The configuration is not JSON, at line 1 column 0. Give `--config` the path of a file that holds one JSON object.
    stderr: The configuration is not JSON, at line 1 column 0. Give `--config` the path of a file that holds one JSON object.
    exit 1
    config_error The configuration is not JSON, at line 1 column 14. Give `--config` the path of a file that holds one JSON object.
    stderr: The configuration is not JSON, at line 1 column 14. Give `--config` the path of a file that holds one JSON object.
    exit 1
    config_error The configuration is not a JSON object. Give `--config` the path of a file that holds one JSON object.
    stderr: The configuration is not a JSON object. Give `--config` the path of a file that holds one JSON object.
    exit 1
    config_error The configuration is not a JSON object. Give `--config` the path of a file that holds one JSON object.
    stderr: The configuration is not a JSON object. Give `--config` the path of a file that holds one JSON object.
    ");
}

#[test]
fn a_folder_is_no_configuration() {
    let ended = place(|_| {}).run("check --config .");
    assert_eq!(ended.code, Some(1));
    assert!(!ended.says("CONNECTION_STATUS") && ended.stderr.starts_with("The configuration . cannot be read"));
}
