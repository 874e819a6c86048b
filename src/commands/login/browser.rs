//! Opens an address in the user's browser.

use std::io;
use std::process::{Command, Stdio};

use url::Url;

/// Environment variables that are not passed to the browser.
const SECRETS: [&str; 2] = ["ZENDESK_CHAT_CLIENT_SECRET", "ZENDESK_CHAT_ACCESS_TOKEN"];

/// Opens an address with the system's default program, without waiting for it. `secret` names one more environment
/// variable to withhold.
pub fn open(url: &Url, secret: Option<&str>) -> io::Result<()> {
    let (program, arguments): (_, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(url.as_str());
    for secret in secret.into_iter().chain(SECRETS) {
        command.env_remove(secret);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // A thread of its own waits for the program, so that it leaves no zombie process.
    std::thread::spawn(move || child.wait());
    Ok(())
}
