//! The command `sandbox`: a made-up Zendesk Chat account on loopback, for users who have no other at hand.

use std::future::pending;
use std::io::Write;

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::cli::SandboxArgs;
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::sandbox::options::{DEFAULT_TOKEN, PUBLIC_CLIENT};
use crate::sandbox::{Account, Options, Sandbox};

/// The credentials of the embedded account.
pub fn embedded_credentials() -> Value {
    json!({ "credentials": "access_token", "access_token": DEFAULT_TOKEN })
}

/// The options of the embedded account, which a command with `--sandbox` starts in its own process.
pub fn embedded(clock: Clock) -> Options {
    Options { clock, ..Options::default() }
}

/// A configuration with which every command reads a running sandbox.
pub fn config(sandbox: &Sandbox, credentials: &Value) -> Value {
    json!({
        "subdomain": "sandbox",
        "credentials": credentials,
        "start_date": Account::opening().to_rfc3339_opts(SecondsFormat::Secs, true),
        "base_url": sandbox.url(),
    })
}

/// Prints how to use the account, then serves it until the future is dropped.
pub async fn run(args: SandboxArgs, clock: Clock, mut out: impl Write) -> Result<(), Error> {
    let sign_in = args.sign_in.clone();
    let options = args.options(clock);
    let chats = options.holdings.chats;
    let port = options.port;
    let sandbox = Sandbox::start(options).await.map_err(|error| {
        Error::new(Kind::Port, format!("The sandbox cannot listen on port {port} of 127.0.0.1")).because(error)
    })?;
    let (url, seed, config) =
        (sandbox.url(), sandbox.account().seed(), config(&sandbox, &sign_in.credentials(&sandbox)));
    let greeting = format!(
        "A Zendesk Chat account (seed {seed}, {chats} chats a year) answers at {url}\n\
         {config}\n\
         Save the line above as config.json, then: source-zendesk-chat read --config config.json\n\
         Or sign in: source-zendesk-chat login --subdomain sandbox --base-url {url} --client-id {PUBLIC_CLIENT}\n"
    );
    let written = out.write_all(greeting.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Error::new(Kind::Output, "The sandbox cannot print its address").because(error))?;
    drop(out);
    pending().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn options(arguments: &[&str]) -> Options {
        SandboxArgs::of(arguments).options(Clock::system())
    }

    #[test]
    fn without_arguments_it_is_the_embedded_account() {
        assert_eq!(format!("{:?}", options(&[]).holdings), format!("{:?}", embedded(Clock::system()).holdings));
        assert_eq!(format!("{:?}", options(&[]).behaviour), format!("{:?}", embedded(Clock::system()).behaviour));
    }

    #[tokio::test(start_paused = true)]
    async fn it_prints_a_configuration_that_can_be_pasted() {
        let args = SandboxArgs::of(&["--token=mine"]);
        let mut out = Vec::new();
        tokio::select! {
            result = run(args, Clock::system(), &mut out) => panic!("{result:?}"),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let printed = String::from_utf8(out).unwrap();
        let lines: Vec<_> = printed.lines().collect();
        let config: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert!(lines[0].ends_with(config["base_url"].as_str().unwrap()));
        assert_eq!(config["credentials"]["access_token"], "mine");
        assert_eq!(config["start_date"], "2025-01-01T00:00:00Z");
    }
}
