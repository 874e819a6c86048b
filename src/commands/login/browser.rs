//! Opens an address in the browser of whoever sits here.

use std::io;
use std::process::{Command, Stdio};

use url::Url;

/// What of the environment is none of a browser's business.
const SECRETS: [&str; 2] = ["ZENDESK_CHAT_CLIENT_SECRET", "ZENDESK_CHAT_ACCESS_TOKEN"];

/// Hands an address to the system, and does not wait for what it does with it; `secret` is another variable that is not for it.
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
    // It ends when it likes; until then nobody waits for it.
    std::thread::spawn(move || child.wait());
    Ok(())
}
