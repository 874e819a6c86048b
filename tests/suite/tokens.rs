//! Runs whose access token dies on the way, and the token pair that they renew.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use source_zendesk_chat::sandbox::Options;
use source_zendesk_chat::sandbox::faults::{Fault, Rule};
use source_zendesk_chat::sandbox::options::{AnnounceLife, ApiClient, RefreshTokens};

use crate::binary::{Ended, Place, Running, assert_ended, messages, until};

const READ: &str = "read --config config.json --debug";
const KEPT: &str = "read --config config.json --debug --state state.json --update-state";
const DUMP: &str = "dump --config config.json --out lake --debug";
const QUIET: &str = "dump --config config.json --out lake --quiet";
const TOKEN_PATH: &str = "/oauth2/chat/token";

/// A client secret that is encoded differently in JSON, in a form and in a URL.
const SECRET: &str = "cl1ent\"s/e+cret";

/// An account with a client that may do everything, and a configuration with a token pair.
fn account(arrange: impl FnOnce(&mut Options)) -> Place {
    let place = Place::open(|options| {
        let client = |id: &str, confidential| ApiClient { id: id.to_owned(), secret: SECRET.to_owned(), confidential };
        options.sign_in.clients = vec![client("ours", true), client("public", false)];
        options.behaviour.page_cap = Some(4);
        arrange(options);
    });
    sign_in(&place, &json!({}));
    place
}

/// An account whose access tokens are valid for this many requests.
fn dying(requests: u32) -> Place {
    account(|options| options.sign_in.token_requests = Some(requests))
}

/// Puts a new token pair into the configuration, with these members changed.
fn sign_in(place: &Place, changes: &Value) {
    let pair = place.sandbox.pair("ours");
    let mut credentials = json!({
        "credentials": "oauth2.0", "client_id": "ours", "client_secret": SECRET,
        "access_token": pair.access, "refresh_token": pair.refresh,
    });
    for (name, value) in changes.as_object().unwrap() {
        credentials[name] = value.clone();
    }
    place.configure(&json!({ "credentials": credentials, "concurrency": 10 }));
}

fn credentials(place: &Place) -> Value {
    let text = fs::read_to_string(place.path("config.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["credentials"].clone()
}

/// How many token requests were sent.
fn asked_for_tokens(place: &Place) -> usize {
    place.sandbox.requests().iter().filter(|request| request.path == TOKEN_PATH).count()
}

/// How many data requests succeeded.
fn answered(place: &Place) -> usize {
    let answered = |path: &str, status| path.starts_with("/api/") && status == Some(200);
    place.sandbox.requests().iter().filter(|request| answered(&request.path, request.status)).count()
}

/// The configurations that a run sent to its reader.
fn handed_over(ended: &Ended) -> Vec<Value> {
    let controls = ended.messages().into_iter().filter(|message| message["type"] == "CONTROL");
    controls.map(|message| message["control"]["connectorConfig"]["config"].clone()).collect()
}

fn records(lines: &str) -> std::collections::BTreeSet<String> {
    let records = messages(lines).into_iter().filter(|message| message["type"] == "RECORD");
    records.map(|message| format!("{} {}", message["record"]["stream"], message["record"]["data"])).collect()
}

/// Asserts that no secret of the place appears outside CONTROL messages, which exist to carry them.
fn says_nothing(place: &Place, ended: &Ended, before: &Value) {
    let mut secrets = vec![SECRET.to_owned()];
    let handed = handed_over(ended);
    let seen = [before.clone(), credentials(place)]
        .into_iter()
        .chain(handed.iter().map(|config| config["credentials"].clone()));
    for credentials in seen {
        let token = |name: &str| credentials[name].as_str().map(str::to_owned);
        secrets.extend(["access_token", "refresh_token"].into_iter().filter_map(token));
    }
    let said: String = ended.stdout.lines().filter(|line| !line.contains(r#""type":"CONTROL""#)).collect();
    for secret in secrets {
        let escaped = Value::from(secret.as_str()).to_string();
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [secret.as_str(), escaped.trim_matches('"'), &encoded] {
            assert!(!said.contains(form) && !ended.stderr.contains(form), "{form} is told");
        }
    }
}

#[test]
fn tokens_that_die_on_the_way_are_renewed_once_each() {
    let whole = records(&account(|_| {}).run(READ).stdout);
    for (requests, announce) in [(30, AnnounceLife::Never), (17, AnnounceLife::Always), (10, AnnounceLife::WhenAsked)] {
        let place = account(|options| {
            options.sign_in.token_requests = Some(requests);
            options.sign_in.token_life = Some(Duration::from_hours(2));
            options.sign_in.announce_life = announce;
            // Long enough for all parallel requests to be in flight at once.
            options.behaviour.latency = Duration::from_millis(5);
        });
        let before = credentials(&place);
        let ended = place.run(READ);
        assert_eq!(ended.code, Some(0), "{}", ended.told());
        assert_eq!(records(&ended.stdout), whole);
        let renewals = answered(&place).div_ceil(requests as usize) - 1;
        assert!(renewals >= 3, "{renewals}");
        assert_eq!(asked_for_tokens(&place), renewals, "one renewal for each death, however many requests meet it");
        let handed = handed_over(&ended);
        assert_eq!(handed.len(), renewals);
        let last = &handed[renewals - 1]["credentials"];
        assert_eq!(last, &credentials(&place), "the file holds what was handed over");
        assert_ne!(last["refresh_token"], before["refresh_token"]);
        assert_eq!(last["token_expiry_date"].is_string(), announce != AnnounceLife::Never);
        says_nothing(&place, &ended, &before);
    }
}

#[test]
fn the_whole_configuration_is_handed_over_before_the_next_record() {
    let place = dying(10);
    let mut config: Value = serde_json::from_str(&fs::read_to_string(place.path("config.json")).unwrap()).unwrap();
    let ended = place.run(READ);
    let handed = handed_over(&ended);
    for (name, value) in handed[0]["credentials"].as_object().unwrap() {
        config["credentials"][name] = value.clone();
    }
    assert_eq!(handed[0], config, "nothing but the tokens has changed");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let control = lines.iter().position(|line| line.contains(r#""type":"CONTROL""#)).unwrap();
    // Only pages that were requested with the old token can have come.
    let states = lines[..control].iter().filter(|line| line.contains(r#""type":"STATE""#)).count();
    assert!(states <= 10, "{states}");
}

#[cfg(unix)]
#[test]
fn a_configuration_keeps_its_permissions_and_its_other_members() {
    use std::os::unix::fs::PermissionsExt;
    let place = dying(20);
    fs::set_permissions(place.path("config.json"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(place.path("config.json"), place.path("link.json")).unwrap();
    let ended = place.run("dump --config link.json --out lake --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(fs::symlink_metadata(place.path("link.json")).unwrap().is_symlink());
    assert_eq!(fs::metadata(place.path("config.json")).unwrap().permissions().mode() & 0o777, 0o640);
    let config: Value = serde_json::from_str(&fs::read_to_string(place.path("config.json")).unwrap()).unwrap();
    assert_eq!((&config["start_date"], &config["subdomain"]), (&json!("2025-01-01T00:00:00Z"), &json!("sandbox")));
    let left = fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().ends_with(".new")));
}

#[test]
fn a_refresh_token_that_is_refused_ends_the_run_and_the_state_stays() {
    let whole = records(&account(|_| {}).run(READ).stdout);
    let place = dying(25);
    sign_in(&place, &json!({ "refresh_token": "spent-before" }));
    let before = credentials(&place);
    let ended = place.run(KEPT);
    assert_eq!(ended.code, Some(1));
    let last = ended.messages().pop().unwrap();
    assert_eq!(last["trace"]["error"]["failure_type"], "config_error");
    let told = last["trace"]["error"]["message"].as_str().unwrap();
    assert!(told.contains("each one works once") && told.contains("login"), "{told}");
    assert_eq!(asked_for_tokens(&place), 1, "what is refused once is not tried again");
    says_nothing(&place, &ended, &before);
    sign_in(&place, &json!({}));
    place.sandbox.heal();
    let rest = place.run(KEPT);
    let mut union = records(&ended.stdout);
    assert!(!union.is_empty() && records(&rest.stdout).len() < whole.len(), "the second run goes on from the first");
    union.extend(records(&rest.stdout));
    assert_eq!(whole.difference(&union).count(), 0);
}

#[test]
fn a_pair_that_is_lost_on_its_way_needs_a_login() {
    let place = account(|options| {
        options.sign_in.token_requests = Some(10);
        options.faults = vec![Rule::of_path(TOKEN_PATH, 1..=1, Fault::TruncatedBody)];
    });
    let ended = place.run(DUMP);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("each one works once") && ended.stderr.contains("login"), "{}", ended.stderr);
}

#[test]
fn a_renewal_that_fails_for_a_moment_is_tried_again() {
    let place = account(|options| {
        options.sign_in.token_requests = Some(20);
        options.faults = vec![Rule::of_path(TOKEN_PATH, 1..=2, Fault::status(503))];
    });
    let ended = place.run(READ);
    assert_eq!(ended.code, Some(0), "{}", ended.told());
    assert!(ended.says("asking for an access token: the service answered 503"));
}

#[test]
fn killed_before_the_pair_is_kept_the_next_run_asks_for_a_login() {
    let place = account(|options| {
        options.sign_in.token_requests = Some(10);
        let stall = Fault::StallInBody(Duration::from_hours(1));
        options.faults = vec![Rule::of_path(TOKEN_PATH, 1..=1, stall)];
    });
    let before = credentials(&place);
    let running = Running::start(place.command(READ).stdout(Stdio::null()));
    until("the old pair is spent", || place.sandbox.is_spent(before["refresh_token"].as_str().unwrap()));
    running.kill();
    assert_eq!(credentials(&place), before);
    let ended = place.run(READ);
    assert_eq!(ended.code, Some(1));
    let last = ended.messages().pop().unwrap();
    assert_eq!(last["trace"]["error"]["failure_type"], "config_error");
    assert!(last["trace"]["error"]["message"].as_str().unwrap().contains("login"));
}

#[test]
fn killed_after_the_pair_is_kept_the_next_run_goes_on() {
    let place = account(|options| {
        options.sign_in.token_requests = Some(10);
        // The run must not be killed between receiving the next pair and storing it.
        options.faults = vec![Rule::of_path(TOKEN_PATH, 2..=2, Fault::Stall(Duration::from_hours(1)))];
    });
    let before = credentials(&place);
    let running = Running::start(&mut place.command(QUIET));
    until("the new pair is kept, and has died", || asked_for_tokens(&place) == 2);
    assert_ne!(credentials(&place), before);
    running.kill();
    let ended = place.run(DUMP);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn two_processes_do_not_burn_each_others_tokens() {
    let whole = records(&account(|_| {}).run(READ).stdout);
    for refresh_tokens in [RefreshTokens::SingleUse, RefreshTokens::Lasting] {
        let place = account(|options| {
            options.sign_in.token_requests = Some(30);
            options.sign_in.refresh_tokens = refresh_tokens;
            options.behaviour.latency = Duration::from_millis(5);
        });
        let ended = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..2).map(|_| scope.spawn(|| place.run(READ))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>()
        });
        for ended in ended {
            assert_eq!(ended.code, Some(0), "{}", ended.told());
            assert_eq!(records(&ended.stdout), whole);
        }
    }
}

#[test]
fn without_a_place_for_the_new_pair_none_is_asked_for() {
    let place = dying(10);
    let before = credentials(&place);
    let ended = place.run(&format!("{DUMP} --no-config-update --streams chats"));
    assert_eq!((ended.code, asked_for_tokens(&place)), (Some(1), 0));
    assert!(
        ended.stderr.contains("no place to keep") && ended.stderr.contains("client-credentials"),
        "{}",
        ended.stderr
    );
    assert_eq!(credentials(&place), before);
    says_nothing(&place, &ended, &before);
}

#[test]
fn the_reader_of_the_output_is_place_enough() {
    let place = dying(20);
    let before = credentials(&place);
    let ended = place.run(&format!("{READ} --no-config-update"));
    assert_eq!(ended.code, Some(0), "{}", ended.told());
    assert!(handed_over(&ended).len() > 3);
    assert_eq!(credentials(&place), before, "the file is left alone");
}

#[test]
fn a_check_spends_nothing_as_long_as_the_access_token_works() {
    let place = dying(100);
    let before = credentials(&place);
    assert!(place.run("check --config config.json").says("SUCCEEDED"));
    assert_eq!((asked_for_tokens(&place), credentials(&place)), (0, before.clone()));
    place.sandbox.expire_tokens();
    let ended = place.run("check --config config.json --debug");
    assert!(ended.says("SUCCEEDED"), "{}", ended.told());
    assert_eq!(asked_for_tokens(&place), 1);
    assert_eq!(handed_over(&ended)[0]["credentials"], credentials(&place));
    says_nothing(&place, &ended, &before);
}

#[test]
fn a_token_that_is_new_and_refused_is_not_renewed_for_ever() {
    let place = account(|options| {
        options.faults = vec![Rule::of_path("roles", 1..=u64::MAX, Fault::status(401))];
    });
    place.choose("full_refresh", &["roles"]);
    assert_eq!(place.run(&format!("{READ} --catalog catalog.json")).code, Some(1));
    assert_eq!(asked_for_tokens(&place), 1);
    // While other requests go on, each of them may be sent with the next token before this stream's turn comes.
    let ended = place.run(READ);
    assert_eq!(ended.code, Some(1));
    assert!(asked_for_tokens(&place) <= 1 + 6);
    let expected = "1 of 15 streams were not read to their end: roles: api/v2/chat/roles: the service answered 401";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn a_token_that_is_refused_makes_no_dataset() {
    let place = account(|_| {});
    place.configure(&json!({ "credentials": { "credentials": "access_token", "access_token": "wrong" } }));
    let ended = place.run("dump --config config.json --out lake");
    assert_eq!((ended.code, place.sandbox.requests().len()), (Some(1), 1));
    assert_eq!(ended.stderr.matches("does not know the access token").count(), 1, "{}", ended.stderr);
    assert!(!ended.stderr.contains("Look at it") && !place.path("lake").exists());
}

#[test]
fn a_token_that_is_refused_is_one_error_of_a_dataset_that_stays() {
    let place = account(|_| {});
    assert_eq!(place.run(QUIET).code, Some(0));
    let before = fs::read(place.path("lake/views.sql")).unwrap();
    place.configure(&json!({ "credentials": { "credentials": "access_token", "access_token": "wrong" } }));
    let ended = place.run(QUIET);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("The account does not accept the access token"), "{}", ended.stderr);
    assert_eq!(fs::read(place.path("lake/views.sql")).unwrap(), before);
}

#[test]
fn a_configuration_without_an_access_token_gets_one() {
    let place = account(|_| {});
    sign_in(&place, &json!({ "access_token": null }));
    assert!(place.run("check --config config.json").says("SUCCEEDED"));
    assert!(credentials(&place)["access_token"].is_string());
    assert_eq!(asked_for_tokens(&place), 1);
}

#[test]
fn client_credentials_need_no_place() {
    let place = dying(20);
    place.configure(&json!({ "credentials": { "credentials": "client_credentials", "client_id": "ours", "client_secret": SECRET } }));
    let before = credentials(&place);
    let ended = place.run(DUMP);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(asked_for_tokens(&place), answered(&place).div_ceil(20));
    assert_eq!(credentials(&place), before);
    says_nothing(&place, &ended, &before);
}

#[test]
fn the_secret_of_a_client_may_come_from_the_environment() {
    let place = account(|_| {});
    let wrong = json!({ "credentials": "client_credentials", "client_id": "ours", "client_secret": "wrong" });
    place.configure(&json!({ "credentials": wrong }));
    let mut command = place.command("check --config config.json");
    command.env("ZENDESK_CHAT_CLIENT_SECRET", SECRET);
    assert!(Ended::of(command).says("SUCCEEDED"));
}

#[test]
fn a_public_client_is_shown_how_it_becomes_confidential() {
    let place = account(|_| {});
    place.configure(&json!({ "credentials": { "credentials": "client_credentials", "client_id": "public", "client_secret": SECRET } }));
    assert_ended!(place.run("check --config config.json"), @r#"
    exit 0
    FAILED The account does not let this API client sign in by itself: its ID or secret is wrong, or it is a public client; an administrator makes it confidential with PUT /oauth/clients/{id} and {"client_type":"confidential"}, and saving it in the dashboard makes it public again: oauth2/chat/token: the service answered 401 (Unauthorized): invalid_client: The client is not confidential. Run `source-zendesk-chat login` to sign in anew; `login --help` lists the ways to do it.
    INFO asking for an access token
    "#);
}

#[cfg(unix)]
#[test]
fn a_signal_waits_until_the_new_pair_is_kept() {
    let place = account(|options| {
        options.sign_in.token_requests = Some(10);
        let slow = Fault::StallInBody(Duration::from_secs(1));
        options.faults = vec![Rule::of_path(TOKEN_PATH, 1..=1, slow)];
    });
    let before = credentials(&place);
    let mut running = Running::start(&mut place.command(QUIET));
    until("the old pair is spent", || place.sandbox.is_spent(before["refresh_token"].as_str().unwrap()));
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = running.0.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert_ne!(credentials(&place), before);
    assert_eq!(place.run(DUMP).code, Some(0));
}
