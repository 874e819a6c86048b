//! The command line: its help pages and flags, and `spec` and `discover`, which need nothing else.

use clap::CommandFactory;
use serde_json::json;
use source_zendesk_chat::cli::Cli;

use crate::binary::{Ended, Place, assert_ended, assert_page, names};

fn place() -> Place {
    Place::open(|_| {})
}

#[test]
fn the_first_page_of_help() {
    assert_page!(place().run("--help"), @"
    exit 0
    Moves a Zendesk Chat account's data, completely and incrementally, into Parquet files or to any Airbyte-protocol destination

    Usage: source-zendesk-chat <COMMAND>

    Commands:
      spec         Print the specification of the configuration
      check        Say whether a configuration works, and which streams it can read
      discover     Print every stream with its schema, without asking the account
      read         Print the streams' records, and states from which a later run goes on
      dump         Write the streams into a dataset of Parquet files, which later runs go on from
      inspect      Say what a dataset holds, and whether all of it is there
      views        Print DuckDB views over a dataset for where it lies now, as `views.sql` holds them for where it was written
      login        Sign in to an account with a browser, and write the configuration
      sandbox      Serve a made-up Zendesk Chat account on this machine, to try things out
      completions  Print what a shell needs to complete commands and flags
      man          Print a page of the manual: of the program, or of one of its commands
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Exit codes:
      0      All is done, or `check` has come to a verdict
      1      Something failed; the last line on standard error says why
      2      The command line is wrong
      128+n  Ended by the signal n, such as 143 by SIGTERM

    Environment:
      ZENDESK_CHAT_ACCESS_TOKEN   Access token; wins over the configuration
      ZENDESK_CHAT_CLIENT_SECRET  Secret of the API client; wins over the configuration
      ZENDESK_CHAT_SUBDOMAIN      The account, where the configuration names none
      LOG_LEVEL                   `debug` logs every request
      NO_COLOR                    Any value leaves colours out
    ");
}

#[test]
fn the_help_of_spec() {
    assert_page!(place().run("spec --help"), @r"
    exit 0
    Print the specification of the configuration

    Usage: source-zendesk-chat spec [OPTIONS]

    Options:
          --debug  Log every request as well; `LOG_LEVEL=debug` does the same
      -h, --help   Print help
    ");
}

#[test]
fn the_help_of_check() {
    assert_page!(place().run("check --help"), @"
    exit 0
    Say whether a configuration works, and which streams it can read

    Usage: source-zendesk-chat check [OPTIONS] <--config <FILE>|--sandbox>

    Options:
          --config <FILE>     Configuration, a JSON file; `spec` prints what it may hold
          --sandbox           Use the built-in, made-up account instead of a real one
          --no-config-update  Leave the configuration file as it is when the access token is renewed
          --debug             Log every request as well; `LOG_LEVEL=debug` does the same
      -h, --help              Print help
    ");
}

#[test]
fn the_help_of_discover() {
    assert_page!(place().run("discover --help"), @"
    exit 0
    Print every stream with its schema, without asking the account

    Usage: source-zendesk-chat discover [OPTIONS] <--config <FILE>|--sandbox>

    Options:
          --config <FILE>     Configuration, a JSON file; `spec` prints what it may hold
          --sandbox           Use the built-in, made-up account instead of a real one
          --no-config-update  Leave the configuration file as it is when the access token is renewed
          --debug             Log every request as well; `LOG_LEVEL=debug` does the same
      -h, --help              Print help
    ");
}

#[test]
fn the_help_of_read() {
    assert_page!(place().run("read --help"), @"
    exit 0
    Print the streams' records, and states from which a later run goes on

    Usage: source-zendesk-chat read [OPTIONS] <--config <FILE>|--sandbox>

    Options:
          --config <FILE>     Configuration, a JSON file; `spec` prints what it may hold
          --sandbox           Use the built-in, made-up account instead of a real one
          --no-config-update  Leave the configuration file as it is when the access token is renewed
          --debug             Log every request as well; `LOG_LEVEL=debug` does the same
          --catalog <FILE>    Configured catalog that names the streams [default: every stream, from its state where that misses no change]
          --streams <NAMES>   Streams, with commas between them [default: all]
          --state <FILE>      State of an earlier run to go on from; a file that does not exist yet means from the start
          --update-state      Write each new state into the state file, once the records before it are printed
          --dry-run           Only say what would be read, with about how many requests, and why
      -h, --help              Print help
    ");
}

#[test]
fn the_help_of_login() {
    assert_page!(place().run("login --help"), @"
    exit 0
    Sign in to an account with a browser, and write the configuration

    Usage: source-zendesk-chat login [OPTIONS]

    Options:
          --subdomain <NAME>
              The account: `acme` of acme.zendesk.com

          --client-id <ID>
              The API client that was registered with the account

          --client-secret-env <VAR>
              Environment variable that holds the client's secret [default: `ZENDESK_CHAT_CLIENT_SECRET`, or it is asked for on the terminal]

          --flow <FLOW>
              The way in

              Possible values:
              - code:               The browser brings a code, which is exchanged: what it brings renews itself
              - implicit:           The browser brings the token itself: no client secret is needed, and nothing renews it
              - client-credentials: The client signs in by itself, without a browser: it must be confidential
              
              [default: code]

          --port <PORT>
              Port of localhost to which the browser comes back: that of the redirect URL of the API client
              
              [default: 8080]

          --scope <SCOPE>
              What the token is to open
              
              [default: read]

          --config-out <FILE>
              Configuration that is written
              
              [default: config.json]

          --overwrite
              Put the new credentials into a configuration that exists, and leave the rest of it as it is

          --no-browser
              Only print the address, and open no browser

          --print-token
              Print the access token on stdout

          --status
              Show what a configuration signs in with, and whether it works

          --config <FILE>
              Configuration that `--status` shows
              
              [default: config.json]

          --debug
              Log every request as well; `LOG_LEVEL=debug` does the same

      -h, --help
              Print help (see a summary with '-h')
    ");
}

#[test]
fn the_help_of_sandbox() {
    assert_page!(place().run("sandbox -h"), @"
    exit 0
    Serve a made-up Zendesk Chat account on this machine, to try things out

    Usage: source-zendesk-chat sandbox [OPTIONS]

    Options:
          --port <PORT>
              Port on 127.0.0.1; 0 takes any free one [default: 0]
          --seed <SEED>
              Everything the account holds is a function of this number [default: 1]
          --chats <CHATS>
              Chats in the account's first year, 2025, and in every year since [default: 3000]
          --spans <SPANS>
              Spans of the agents' time line in a year [default: three a chat]
          --agents <AGENTS>
              Agents when the account opened; one more joins every thirty days [default: 250]
          --bans <BANS>
              Bans when the account opened; one more comes every day [default: 2000]
          --token <TOKEN>
              Access token that is accepted at any time [default: sandbox-token]
          --credentials <CREDENTIALS>
              Credentials in the configuration that is printed [default: access-token] [possible values: access-token, pair, client-credentials]
          --token-life <SECONDS>
              Seconds that each other access token lives
          --token-requests <N>
              Requests that each other access token opens
          --tell-life <TELL_LIFE>
              When a token's response says how long it lives [default: when-asked] [possible values: always, when-asked, never]
          --refresh-tokens <REFRESH_TOKENS>
              Refresh tokens that come with access tokens [default: single-use] [possible values: single-use, lasting, none]
          --code-life <SECONDS>
              Seconds within which a code must be exchanged [default: 120]
          --no-pkce
              Pass over code challenges, as a service does that knows nothing of them
          --rate <RATE>
              Requests allowed in any minute; 0 for no limit [default: 200]
          --no-retry-after
              Leave `Retry-After` out when there were too many requests
          --latency-ms <LATENCY_MS>
              Milliseconds that each request waits before it is answered [default: 0]
          --gzip
              Compress answers for those who accept it
          --page-cap <PAGE_CAP>
              Most records a page of an export holds, whatever limit is asked for
          --crowded
              Let nine of ten chats come in a tenth of each year, instead of evenly
          --ties <TIES>
              Chats that were all edited in one second [default: 0]
          --ties-at <RFC 3339>
              The second of that edit; the chats are the last ones before it [default: 2025-07-01T12:00:00Z]
          --trickle <RFC 3339>
              From this moment on each request for a page of an export finds one new record
          --late-percent <LATE_PERCENT>
              Of a hundred records so many are seen up to 299 seconds late [default: 0]
          --growing-spans
              Show spans of the time line from their start, growing, instead of at their end
          --inclusive
              Send the record at the position asked for again, even if its id was given
          --exclusive
              Leave out the record at the position asked for, even without an id and in the time line
          --timeline-by-end
              Order `agent_timeline` by the ends of its spans instead of their starts
          --chat-ids <CHAT_IDS>
              Which ids the envelopes of chats, conversions and department events have [default: told] [possible values: told, untold, full-pages]
          --null-next-page
              Name no `next_page` where nothing is known behind a page
          --page-days <DAYS>
              Let a page of an export go over so many days at most; one without records leads on
          --foreign-times
              Give the end of a page in another unit than requests use
          --timeline-ids
              Give ids in the envelope of `agent_timeline`
          --no-event-ids
              Give no ids in the envelope of `agent_events`
          --five-minute-rule <FIVE_MINUTE_RULE>
              Where a `start_time` of less than five minutes ago is refused [default: always] [possible values: always, first, off]
          --bans-per-array
              Let each array of bans hold up to `limit`, instead of both together
          --omit-empty-bans
              Leave an empty array of bans out
          --next-page-base <URL>
              What `next_page` begins with, such as `https://www.zopim.com` [default: the sandbox itself]
          --forbid <PATH>
              Answer 403 on this path, such as `account` or `incremental/agent_events`; may be repeated
          --fault-share <N>
              One request in so many meets a fault that passes, such as a 503 or a connection that breaks
          --fault-seed <SEED>
              Which requests meet which fault is a function of this number [default: 1]
      -h, --help
              Print help (see more with '--help')
    ");
}

#[test]
fn every_flag_is_completed_and_stands_in_the_manual() {
    let place = place();
    let printed = |arguments: &str| {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments}: {}", ended.stderr);
        // In a manual page, a hyphen within a line is escaped.
        ended.stdout.replace("\\-", "-")
    };
    let scripts = ["bash", "elvish", "fish", "powershell", "zsh"].map(|shell| printed(&format!("completions {shell}")));
    let whole = printed("man");
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let page = printed(&format!("man {name}"));
        assert!(whole.contains(&format!("source-zendesk-chat-{name}(1)")), "{name}");
        for flag in command.get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{flag}")), "{name} --{flag}");
            let completed =
                |script: &String| script.contains(&format!("--{flag}")) || script.contains(&format!("-l {flag} "));
            assert!(scripts.iter().all(completed), "{name} --{flag}");
        }
    }
    assert!(!printed("man spec").contains("--manifest-path"), "what is hidden is hidden");
}

#[test]
fn the_version() {
    assert_page!(place().run("--version"), @r"
    exit 0
    source-zendesk-chat VERSION
    ");
}

#[test]
fn a_wrong_command_line_leaves_stdout_alone() {
    let place = place();
    let mut told = Vec::new();
    for arguments in [
        "",
        "--debug spec",
        "spec --nonsense",
        "check",
        "read --config config.json --sandbox",
        "read --config",
        "read --config config.json --update-state",
        "nonsense",
    ] {
        let Ended { code, stdout, stderr } = place.run(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments}");
        let first: Vec<&str> = stderr.split("\n\n").next().unwrap().lines().map(str::trim).collect();
        told.push(format!("{arguments:?}: {}", first.join(" ")));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    "": Moves a Zendesk Chat account's data, completely and incrementally, into Parquet files or to any Airbyte-protocol destination
    "--debug spec": error: unexpected argument '--debug' found
    "spec --nonsense": error: unexpected argument '--nonsense' found
    "check": error: the following required arguments were not provided: <--config <FILE>|--sandbox>
    "read --config config.json --sandbox": error: the argument '--config <FILE>' cannot be used with '--sandbox'
    "read --config": error: a value is required for '--config <FILE>' but none was supplied
    "read --config config.json --update-state": error: the following required arguments were not provided: --state <FILE>
    "nonsense": error: unrecognized subcommand 'nonsense'
    "#);
}

#[test]
fn flags_may_be_written_as_argparse_takes_them() {
    let place = place();
    place.choose("full_refresh", &["accounts"]);
    for arguments in [
        "read --config config.json --catalog catalog.json",
        "read --config=config.json --catalog=catalog.json",
        "read --conf config.json --cat catalog.json",
        "read --debug --catalog catalog.json --state nothing.json --config config.json",
        "read --manifest-path m.yaml --components-path c.py --catalog catalog.json --config config.json",
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments}: {}", ended.told());
        assert_eq!(ended.messages().iter().filter(|message| message["type"] == "RECORD").count(), 1, "{arguments}");
    }
}

#[test]
fn spec_is_one_message() {
    let ended = place().run("spec --debug --manifest-path m.yaml");
    assert_ended!(ended, @r"
    exit 0
    SPEC
    ");
    let specification = &ended.messages()[0]["spec"]["connectionSpecification"];
    assert_eq!(specification["required"], json!(["subdomain"]));
    for name in ["subdomain", "credentials", "start_date", "end_date", "requests_per_minute", "concurrency"] {
        assert!(specification["properties"][name]["title"].is_string(), "{name}");
    }
}

#[test]
fn discover_needs_no_network() {
    let place = place();
    place.configure(&json!({ "base_url": "https://sandbox.invalid" }));
    for arguments in ["discover --config config.json", "discover --sandbox"] {
        let ended = place.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments}");
        let messages = ended.messages();
        let streams: Vec<&str> =
            messages[0]["catalog"]["streams"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
        assert_eq!((messages.len(), streams), (1, names()), "{arguments}");
    }
    assert!(place.sandbox.requests().is_empty());
}

#[test]
fn a_misspelt_property_is_warned_of_with_the_one_that_was_meant() {
    let place = place();
    place.configure(&json!({
        "startdate": "the value",
        "_platform": true,
        "credentials": { "credentials": "access_token", "access_token": "oDk3-5Rz", "acces_token": "the value" },
        "wholly\u{7}else": "the value",
    }));
    let told: Vec<String> = place
        .run("discover --config config.json")
        .messages()
        .iter()
        .filter_map(|message| message["log"]["message"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(
        told,
        [
            "the configuration's `startdate` is not a property that is known; did you mean `start_date`?",
            "the configuration's `whollyelse` is not a property that is known",
            "the configuration's `credentials.acces_token` is not a property that is known; did you mean `access_token`?",
        ]
    );
}

#[test]
fn discover_refuses_a_configuration_that_no_other_command_would_take() {
    let place = place();
    place.configure(&json!({ "subdomain": "a.b" }));
    assert_ended!(place.run("discover --config config.json"), @r"
    exit 1
    config_error `subdomain` is not the first part of an address like acme.zendesk.com: write `acme`. Correct the configuration and run again; `spec` prints every property.
    stderr: `subdomain` is not the first part of an address like acme.zendesk.com: write `acme`. Correct the configuration and run again; `spec` prints every property.
    ");
}
