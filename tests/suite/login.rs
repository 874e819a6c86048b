//! `login`, with this test as the browser: its requests, the redirects, and the written configuration.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{ChildStderr, Command, Stdio};

use serde_json::{Value, json};
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::sandbox::Options;
use source_zendesk_chat::sandbox::options::{CLIENT_SECRET, CONFIDENTIAL_CLIENT, PUBLIC_CLIENT, RefreshTokens};
use url::Url;

use crate::binary::{Ended, Place, Running, assert_page};

/// An account with the system clock, in a folder without a configuration.
fn account(arrange: impl FnOnce(&mut Options)) -> Place {
    let place = Place::open(|options| {
        options.clock = Clock::system();
        arrange(options);
    });
    fs::remove_file(place.path("config.json")).unwrap();
    place
}

/// A `login` that waits for its browser.
struct Waiting {
    running: Running,
    said: String,
    stderr: BufReader<ChildStderr>,
    address: Url,
}

impl Waiting {
    fn start(mut command: Command) -> Self {
        let mut running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut stderr = BufReader::new(running.0.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let before = said.len();
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended without an address: {said}");
            if let Ok(address) = said[before..].trim().parse() {
                break address;
            }
        };
        Self { running, said, stderr, address }
    }

    fn end(mut self) -> Ended {
        self.stderr.read_to_string(&mut self.said).unwrap();
        let mut stdout = String::new();
        self.running.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let code = self.running.0.wait().unwrap().code();
        Ended { code, stdout, stderr: std::mem::take(&mut self.said) }
    }
}

fn command(place: &Place, arguments: &str) -> Command {
    let url = place.sandbox.url();
    place.command(&format!("login --subdomain sandbox --base-url {url} --port 0 --no-browser {arguments}"))
}

/// Begins a sign-in of the public client.
fn begin(place: &Place, arguments: &str) -> Waiting {
    Waiting::start(command(place, &format!("--client-id {PUBLIC_CLIENT} {arguments}")))
}

/// A response, as a browser sees it.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

fn ask(method: &str, url: &Url, headers: &str, body: &str) -> Reply {
    let authority = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(&authority).unwrap();
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let length = body.len();
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    Reply { status: head[9..12].parse().unwrap(), head: head.to_owned(), body: body.to_owned() }
}

fn get(url: &Url) -> Reply {
    ask("GET", url, "", "")
}

/// Loads the consent page and presses a button. Returns the target of the redirect.
fn press(address: &Url, decision: &str) -> Url {
    let page = get(address);
    assert!(page.status == 200 && page.body.contains("Allow") && page.body.contains("Deny"), "{page:?}");
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("asked", address.query().unwrap())
        .append_pair("decision", decision)
        .finish();
    let action = address.join("/oauth2/chat/authorizations").unwrap();
    let reply = ask("POST", &action, "Content-Type: application/x-www-form-urlencoded\r\n", &form);
    assert_eq!(reply.status, 302);
    reply.header("location").unwrap().parse().unwrap()
}

fn config(place: &Place) -> Value {
    serde_json::from_str(&fs::read_to_string(place.path("config.json")).unwrap()).unwrap()
}

#[cfg(unix)]
fn is_private(place: &Place) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(place.path("config.json")).unwrap().permissions().mode() & 0o777 == 0o600
}

#[cfg(not(unix))]
fn is_private(_place: &Place) -> bool {
    true
}

#[test]
fn a_code_becomes_a_configuration_that_works() {
    let place = account(|_| {});
    let waiting = begin(&place, "");
    let back = press(&waiting.address, "allow");
    let page = get(&back);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("You are signed in") && page.body.contains("close this tab"), "{}", page.body);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("Signed in to sandbox (Sandbox Épices & Co., plan enterprise). Go on with:"));
    assert_eq!(ended.stdout, "");
    let config = config(&place);
    for token in ["access_token", "refresh_token"] {
        let token = config["credentials"][token].as_str().unwrap();
        assert!(!ended.says(token));
    }
    assert_eq!(config["credentials"]["credentials"], "oauth2.0");
    assert!(is_private(&place));
    assert_eq!(place.run("dump --config config.json --out lake --streams roles").code, Some(0));
}

#[test]
fn a_token_endpoint_that_repeats_the_verifier_is_not_quoted() {
    let place = account(|_| {});
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", service.local_addr().unwrap());
    let flags = "--subdomain sandbox --port 0 --no-browser --debug --client-id id";
    let waiting = Waiting::start(place.command(&format!("login --base-url {url} {flags}")));
    let asked = |name: &str| waiting.address.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let (mut back, state) = (asked("redirect_uri").parse::<Url>().unwrap(), asked("state"));
    back.query_pairs_mut().append_pair("code", "c0de").append_pair("state", &state);
    let echoing = std::thread::spawn(move || {
        let (mut connection, _) = service.accept().unwrap();
        let mut request = String::new();
        let form = loop {
            let mut part = [0; 4096];
            let read = connection.read(&mut part).unwrap();
            request += std::str::from_utf8(&part[..read]).unwrap();
            if let Some((_, form)) = request.split_once("\r\n\r\n")
                && form.contains("client_id=id")
            {
                break form.to_owned();
            }
        };
        let form: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let verifier = form.into_iter().find(|(key, _)| key == "code_verifier").unwrap().1;
        let body = json!({ "error": "invalid_grant", "error_description": format!("{verifier} {state}") }).to_string();
        let length = body.len();
        write!(connection, "HTTP/1.1 400 Bad Request\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        (verifier, state)
    });
    let page = get(&back);
    let (verifier, state) = echoing.join().unwrap();
    let ended = waiting.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("**** ****"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(&verifier) && !page.body.contains(&verifier) && !page.body.contains(&state));
    assert_eq!(ended.stderr.matches(&state).count(), 1, "only in the address that is to be opened: {}", ended.stderr);
}

#[test]
fn a_secret_proves_a_confidential_client() {
    let place = account(|_| {});
    let mut command =
        command(&place, &format!("--client-id {CONFIDENTIAL_CLIENT} --client-secret-env SECRET --print-token"));
    command.env("SECRET", CLIENT_SECRET);
    let waiting = Waiting::start(command);
    assert_eq!(get(&press(&waiting.address, "allow")).status, 200);
    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let credentials = &config(&place)["credentials"];
    assert_eq!(credentials["client_secret"], CLIENT_SECRET);
    assert_eq!(ended.stdout, format!("{}\n", credentials["access_token"].as_str().unwrap()));
    assert!(!ended.says(CLIENT_SECRET));
}

#[test]
fn an_implicit_token_is_handed_over_by_the_page() {
    let place = account(|_| {});
    let waiting = begin(&place, "--flow implicit");
    let back = press(&waiting.address, "allow");
    let page = get(&back);
    assert!(page.status == 200 && page.body.contains("fetch('/token'"), "{page:?}");
    let nonce = page.body.split("<script nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains(&format!("script-src 'nonce-{nonce}'")),
        "{policy}"
    );
    let origin = format!("Origin: {}\r\n", back.origin().ascii_serialization());
    let told = ask("POST", &back.join("/token").unwrap(), &origin, back.fragment().unwrap());
    assert_eq!(serde_json::from_str::<Value>(&told.body).unwrap()["title"], "You are signed in");
    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let credentials = &config(&place)["credentials"];
    assert_eq!((&credentials["credentials"], &credentials["client_id"]), (&json!("access_token"), &Value::Null));
    assert!(!ended.says(credentials["access_token"].as_str().unwrap()));
}

#[test]
fn client_credentials_need_no_browser() {
    for (flags, variable) in [("--client-secret-env SECRET", "SECRET"), ("", "ZENDESK_CHAT_CLIENT_SECRET")] {
        let place = account(|_| {});
        let mut command =
            command(&place, &format!("--client-id {CONFIDENTIAL_CLIENT} --flow client-credentials {flags}"));
        command.env(variable, CLIENT_SECRET);
        let ended = Ended::of(command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let expected = json!({ "credentials": "client_credentials", "client_id": CONFIDENTIAL_CLIENT, "client_secret": CLIENT_SECRET });
        assert_eq!(config(&place)["credentials"], expected);
        assert!(place.run("check --config config.json").says("SUCCEEDED"));
    }
}

#[test]
fn a_public_client_cannot_sign_in_by_itself() {
    let place = account(|_| {});
    let mut command =
        command(&place, &format!("--client-id {PUBLIC_CLIENT} --flow client-credentials --client-secret-env SECRET"));
    command.env("SECRET", CLIENT_SECRET);
    assert_page!(Ended::of(command), @r#"
    exit 1
    The account does not let this API client sign in by itself: its ID or secret is wrong, or it is a public client; an administrator makes it confidential with PUT /oauth/clients/{id} and {"client_type":"confidential"}, and saving it in the dashboard makes it public again: oauth2/chat/token: the service answered 401 (Unauthorized): invalid_client: The client is not confidential. Run `source-zendesk-chat login` to sign in anew; `login --help` lists the ways to do it.
    "#);
    assert!(!place.path("config.json").exists());
}

#[test]
fn whoever_denies_sees_so_and_nothing_is_written() {
    let place = account(|_| {});
    let waiting = begin(&place, "");
    let page = get(&press(&waiting.address, "deny"));
    assert!(
        page.body.contains("You are not signed in") && page.body.contains("denied in the browser"),
        "{}",
        page.body
    );
    let ended = waiting.end();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.ends_with("The sign-in was denied in the browser: access_denied: The user denied the request. Run `source-zendesk-chat login` to sign in anew; `login --help` lists the ways to do it.\n"), "{}", ended.stderr);
    assert!(!place.path("config.json").exists());
}

#[test]
fn a_scope_that_is_not_known_is_reported() {
    let place = account(|_| {});
    let waiting = begin(&place, "--scope everything");
    let reply = get(&waiting.address);
    assert_eq!(reply.status, 302);
    get(&reply.header("location").unwrap().parse().unwrap());
    let ended = waiting.end();
    assert!(
        ended.code == Some(1) && ended.says("does not give this API client what `--scope` asks for"),
        "{}",
        ended.stderr
    );
}

#[test]
fn answers_that_were_not_asked_for_change_nothing() {
    let place = account(|_| {});
    let waiting = begin(&place, "");
    let back = press(&waiting.address, "allow");
    let with = |query: &str| {
        let mut url = back.clone();
        url.set_query(Some(query));
        get(&url)
    };
    for query in ["code=forged&state=forged", "code=forged", "state=", "error=access_denied&state=x"] {
        let page = with(query);
        assert!(page.status == 400 && page.body.contains("It goes on waiting"), "{query}: {page:?}");
    }
    assert_eq!(get(&back.join("/favicon.ico").unwrap()).status, 404);
    assert_eq!(get(&back).status, 200);
    assert_eq!(waiting.end().code, Some(0));
}

#[test]
fn a_code_that_is_too_old_is_reported() {
    let place = account(|options| options.sign_in.code_life = std::time::Duration::ZERO);
    let waiting = begin(&place, "");
    let page = get(&press(&waiting.address, "allow"));
    assert!(
        page.status == 400 && page.body.contains("The code that the browser brought is not accepted"),
        "{}",
        page.body
    );
    assert_eq!(waiting.end().code, Some(1));
    assert!(!place.path("config.json").exists());
}

#[test]
fn a_configuration_that_exists_is_not_overwritten_unasked() {
    let place = account(|_| {});
    let old = r#"{"start_date":"2024-01-01T00:00:00Z","credentials":{"access_token":"old"},"lookback_hours":2}"#;
    place.write("config.json", old);
    let ended = Ended::of(command(&place, &format!("--client-id {PUBLIC_CLIENT}")));
    assert_page!(ended, @"
    exit 2
    config.json exists: `--overwrite` puts the new credentials into it and leaves the rest as it is. `--help` lists the flags and what they take.
    ");
    assert_eq!(fs::read_to_string(place.path("config.json")).unwrap(), old);
    let waiting = begin(&place, "--overwrite");
    get(&press(&waiting.address, "allow"));
    assert_eq!(waiting.end().code, Some(0));
    let config = config(&place);
    assert_eq!((&config["start_date"], &config["lookback_hours"]), (&json!("2024-01-01T00:00:00Z"), &json!(2)));
    assert_ne!(config["credentials"]["access_token"], "old");
    assert!(is_private(&place), "whoever could read the old one");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_configuration_that_does_not_exist_yet_is_followed() {
    let place = account(|_| {});
    std::os::unix::fs::symlink("kept/real.json", place.path("config.json")).unwrap();
    fs::create_dir(place.path("kept")).unwrap();
    let waiting = begin(&place, "");
    get(&press(&waiting.address, "allow"));
    assert_eq!(waiting.end().code, Some(0));
    assert!(fs::symlink_metadata(place.path("config.json")).unwrap().is_symlink());
    assert_eq!(config(&place)["subdomain"], "sandbox");
    assert!(place.path("kept/real.json").is_file());
}

#[test]
fn a_port_that_is_taken_is_reported() {
    let place = account(|_| {});
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let url = place.sandbox.url();
    let arguments = format!("login --subdomain sandbox --base-url {url} --client-id x --no-browser --port {port}");
    let ended = place.run(&arguments);
    let expected = format!("The answer of the browser cannot be waited for on port {port}: Address already in use");
    assert!(ended.code == Some(1) && ended.stderr.starts_with(&expected), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anybody_is_asked() {
    let place = account(|_| {});
    for (arguments, code, expected) in [
        ("--client-id x --client-secret-env NOT_THERE", 2, "NOT_THERE holds no client secret"),
        ("--client-id x --flow client-credentials", 2, "--client-secret-env"),
        ("--client-id x --config-out nowhere/config.json", 1, "cannot be written"),
        ("--client-id x --config-out .", 2, "exists"),
    ] {
        let ended = Ended::of(command(&place, arguments));
        assert!(ended.code == Some(code) && ended.stderr.contains(expected), "{arguments}: {}", ended.stderr);
    }
    for arguments in ["login", "login --subdomain acme", "login --status --subdomain acme", "login --config c.json"] {
        assert_eq!(place.run(arguments).code, Some(2), "{arguments}");
    }
    assert_eq!(place.sandbox.requests(), []);
}

#[test]
fn the_status_of_each_kind_of_credentials() {
    let place = account(|options| options.sign_in.token_life = Some(std::time::Duration::from_hours(47)));
    let waiting = begin(&place, "");
    get(&press(&waiting.address, "allow"));
    waiting.end();
    assert_page!(place.run("login --status"), @"
    exit 0
    configuration   config.json
    account         sandbox
    signs in with   an access token, and a refresh token that renews it
    access token    46 hours left, until MOMENT
    scopes          read
    works           yes
    ");
    place.sandbox.expire_tokens();
    assert_page!(place.run("login --status --config config.json"), @"
    exit 0
    configuration   config.json
    account         sandbox
    signs in with   an access token, and a refresh token that renews it
    access token    46 hours left, until MOMENT
    scopes          read
    works           the access token has died; the next run renews it with the refresh token
    ");
    assert_eq!(place.sandbox.requests().iter().filter(|request| request.path.ends_with("/token")).count(), 1);
    let access = |token: &str| json!({ "credentials": { "credentials": "access_token", "access_token": token } });
    place.configure(&access("another"));
    assert_page!(place.run("login --status"), @"
    exit 1
    configuration   config.json
    account         sandbox
    signs in with   an access token; nothing renews it
    access token    nobody said how long it lives
    works           no
    127.0.0.1 does not know the access token: it is wrong, was revoked, or belongs to Zendesk Support rather than Zendesk Chat: api/v2/chat/agents: the service answered 401 (Unauthorized): Unauthorized: The server could not verify that you are authorized to access the requested resource. Run `source-zendesk-chat login` to sign in to this Zendesk Chat account anew; a token of Zendesk Support does not work here.
    ");
    let by_itself = json!({ "credentials": "client_credentials", "client_id": CONFIDENTIAL_CLIENT, "client_secret": CLIENT_SECRET });
    place.configure(&json!({ "credentials": by_itself }));
    assert_page!(place.run("login --status"), @"
    exit 0
    configuration   config.json
    account         sandbox
    signs in with   client credentials: each run asks for an access token of its own
    access token    nobody said how long it lives
    works           yes
    ");
}

#[test]
fn an_account_without_refresh_tokens_is_signed_in_to_all_the_same() {
    let place = account(|options| {
        options.sign_in.refresh_tokens = RefreshTokens::None;
        options.sign_in.pkce = false;
        options.sign_in.token_life = Some(std::time::Duration::from_hours(1));
    });
    let waiting = begin(&place, "");
    get(&press(&waiting.address, "allow"));
    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.says("this account gives no refresh token"), "{}", ended.stderr);
    assert!(place.run("check --config config.json").says("SUCCEEDED"));
}
