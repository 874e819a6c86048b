//! Accepted configurations, and the one-sentence error for each refused one.

use secrecy::ExposeSecret;
use serde_json::json;

use super::*;

fn read(text: &str, environment: &Environment) -> Result<Config, Error> {
    Config::of(&Document::parse(text)?, environment)
}

fn parse(config: &Value) -> Result<Config, Error> {
    read(&config.to_string(), &Environment::default())
}

fn with(name: &str, value: Value) -> Value {
    let mut config =
        json!({ "subdomain": "acme", "credentials": { "credentials": "access_token", "access_token": "t0ken" } });
    config[name] = value;
    config
}

fn token(config: &Config) -> &str {
    match &config.credentials {
        Credentials::AccessToken(token) => token.expose_secret(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn airbytes_own_configuration_is_accepted_as_it_is() {
    let config = parse(&json!({
        "subdomain": "acme", "start_date": "2021-02-01T00:00:00Z", "_limit": 3,
        "credentials": { "credentials": "oauth2.0", "client_id": "c", "client_secret": "s", "access_token": "t0ken", "refresh_token": "" },
    }))
    .unwrap();
    assert_eq!(config.origin.url().as_str(), "https://acme.zendesk.com/");
    assert_eq!(config.start.unwrap().to_rfc3339(), "2021-02-01T00:00:00+00:00");
    assert_eq!(token(&config), "t0ken");
}

#[test]
fn everything_that_can_have_a_default_has_one() {
    let config = parse(&with("end_date", Value::Null)).unwrap();
    assert!((config.requests_per_minute - 200.0).abs() < f64::EPSILON);
    assert_eq!((config.concurrency, config.lookback.num_hours(), config.skip_unavailable), (8, 24, false));
    assert_eq!((config.start, config.end), (None, None));
}

#[test]
fn the_environment_stands_in_for_a_subdomain_but_never_replaces_one() {
    let environment = Environment {
        subdomain: Some("other".to_owned()),
        access_token: Some(SecretString::from("token")),
        ..Environment::default()
    };
    let subdomain = |text: &str| read(text, &environment).unwrap().subdomain.to_string();
    assert_eq!(subdomain("{}"), "other");
    assert_eq!(subdomain(r#"{"subdomain":"acme"}"#), "acme");
}

#[test]
fn the_environment_wins_over_the_file() {
    let environment = Environment { access_token: Some(SecretString::from("other")), ..Environment::default() };
    for config in [with("subdomain", json!("acme")), json!({ "subdomain": "acme" })] {
        assert_eq!(token(&read(&config.to_string(), &environment).unwrap()), "other");
    }
}

#[test]
fn a_base_url_is_an_https_origin_or_this_machine() {
    for good in [
        "https://proxy.example",
        "https://proxy.example:8443/",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:9",
    ] {
        parse(&with("base_url", json!(good))).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in [
        "http://acme.zendesk.com",
        "ftp://x",
        "https://user@host",
        "https://host/path",
        "https://host/?q",
        "https://host/#f",
        "host",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://127.0.0.1@evil.com",
        "http://[::1]@evil.com",
        "http://127.0.0.1:80@evil.com",
        "http://10.0.0.1",
        "http://[fe80::1]",
        "http://evil.com\\@127.0.0.1",
        "http://localhost\u{3002}evil.com",
        "https://",
        "//evil.com",
        "file:///etc/passwd",
    ] {
        assert_eq!(parse(&with("base_url", json!(bad))).unwrap_err().kind(), Kind::Config, "{bad}");
    }
}

#[test]
fn each_method_of_signing_in_is_understood() {
    let credentials = |value: Value| parse(&with("credentials", value)).unwrap().credentials;
    let pair = json!({ "client_id": " c ", "client_secret": "s", "access_token": "a", "refresh_token": "r" });
    let Credentials::Pair { client, access, refresh } = credentials(pair) else { panic!("no pair") };
    assert_eq!((client.id.as_str(), client.secret.unwrap().expose_secret()), ("c", "s"));
    assert_eq!((access.unwrap().expose_secret(), refresh.expose_secret()), ("a", "r"));
    let bare = json!({ "credentials": "oauth2.0", "client_id": "c", "refresh_token": "r" });
    assert!(matches!(credentials(bare), Credentials::Pair { access: None, .. }));
    // A refresh token is useless without the API client that it was issued to.
    let lone = json!({ "credentials": "oauth2.0", "access_token": "a", "refresh_token": "r" });
    assert!(matches!(credentials(lone), Credentials::AccessToken(_)));
    let by_itself = json!({ "credentials": "client_credentials", "client_id": "c", "client_secret": "s" });
    assert!(matches!(credentials(by_itself), Credentials::ClientCredentials(_)));
}

#[test]
fn a_bad_value_is_named_and_never_repeated() {
    let cases = [
        ("subdomain", json!(7)),
        ("subdomain", json!("s3cret/x")),
        ("start_date", json!("s3cret")),
        ("end_date", json!(5)),
        ("requests_per_minute", json!(0)),
        ("requests_per_minute", json!("s3cret")),
        ("concurrency", json!(0)),
        ("concurrency", json!(1.5)),
        ("lookback_hours", json!(-1)),
        ("lookback_hours", json!(1e9)),
        ("skip_unavailable_streams", json!("s3cret")),
        ("base_url", json!("s3cret")),
        ("credentials", json!("s3cret")),
        ("credentials", json!(null)),
        ("credentials", json!({ "credentials": "access_token" })),
        ("credentials", json!({ "credentials": "s3cret", "access_token": "x" })),
        ("credentials", json!({ "credentials": "access_token", "access_token": 7 })),
        ("credentials", json!({ "credentials": "access_token", "access_token": " s3cret s3cret" })),
        ("credentials", json!({ "credentials": "client_credentials", "client_secret": "s3cret" })),
        ("credentials", json!({ "credentials": "client_credentials", "client_id": "s3cret" })),
        ("credentials", json!({ "credentials": "oauth2.0", "client_id": "c", "refresh_token": "s3cret s3cret" })),
        ("credentials", json!({ "credentials": "oauth2.0", "refresh_token": "s3cret" })),
    ];
    for (name, value) in cases {
        let error = parse(&with(name, value.clone())).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), Kind::Config, "{name} {value}");
        assert!(text.contains(name), "{name} {value}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn an_end_before_the_start_is_refused_and_a_future_start_is_not() {
    let mut config = with("start_date", json!("2024-01-02"));
    config["end_date"] = json!("2024-01-02");
    assert!(parse(&config).unwrap_err().to_string().contains("end_date"));
    parse(&with("start_date", json!("2999-01-01T00:00:00Z"))).unwrap();
}

#[test]
fn what_is_no_json_object_is_refused_without_showing_its_content() {
    for text in ["", "s3cret", "[1]", "7", r#"{"access_token":"s3cret""#] {
        let error = read(text, &Environment::default()).unwrap_err();
        assert!(
            error.to_string().starts_with("The configuration is not") && !error.to_string().contains("s3cret"),
            "{error}"
        );
    }
}
