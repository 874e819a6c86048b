//! How a signal ends a command: new tokens are stored, stdout is completed, the dataset is released, and a message says
//! how to go on.

use std::io::IsTerminal as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Context;
use crate::cli::Command;
use crate::client::Client;
use crate::dataset::Dataset;
use crate::progress::Screen;
use crate::signals::{self, INTERRUPT, Stop};
use crate::stdout::Stdout;

/// How long a stopped run waits for its reader to take the pending lines, and then for its dataset to close.
const PARTING: Duration = Duration::from_secs(5);

/// How long a stopped run waits for new tokens to be stored.
const SETTLING: Duration = Duration::from_secs(30);

/// What is needed to end a command after a signal.
pub(super) struct Ending {
    stdout: Stdout,
    screen: Screen,
    stop: Stop,
    held: Arc<OnceLock<Arc<Dataset>>>,
    client: Arc<OnceLock<Client>>,
    /// The message for an interrupt at a terminal: what the command leaves, and how to go on from there.
    left: Option<String>,
    is_dump: bool,
}

impl Ending {
    /// The ending of a command.
    pub(super) fn of(command: &Command, context: &Context) -> Self {
        let left = match command {
            Command::Read(args) => Some(match &args.state {
                Some(path) if args.update_state => {
                    let path = path.display();
                    format!(
                        "Interrupted: {path} keeps how far the lines went that are out. Run the same command again to go on from there."
                    )
                }
                _ => "Interrupted: hand over the states among the lines that are out by `--state` to go on from there."
                    .to_owned(),
            }),
            Command::Dump(_) => Some("Interrupted before anything was written. Run the same command again.".to_owned()),
            _ => None,
        };
        Self {
            stdout: context.stdout.clone(),
            screen: context.screen.clone(),
            stop: context.stop.clone(),
            held: Arc::clone(&context.held),
            client: Arc::clone(&context.client),
            left,
            is_dump: matches!(command, Command::Dump(_)),
        }
    }

    /// Waits until new tokens are stored. The last refresh token was spent on them, so they must not be lost.
    pub(super) async fn tokens_stored(&self) {
        if let Some(client) = self.client.get() {
            let _ = tokio::time::timeout(SETTLING, client.tokens_stored()).await;
        }
    }

    /// Ends a command after a signal. On Ctrl-C at a terminal, a dump first keeps what it has read; a second Ctrl-C
    /// skips that.
    pub(super) async fn by(&self, signal: i32, mut command: Pin<Box<impl Future<Output = ExitCode>>>) -> ExitCode {
        let at_terminal = signal == INTERRUPT && std::io::stderr().is_terminal();
        let keeps = self.is_dump && self.held.get().is_some();
        let mut by = signal;
        if at_terminal && keeps {
            self.screen.line("Stopping: what was read is being kept. Ctrl-C again ends at once, without it.");
            self.stop.ask();
            tokio::select! {
                _ = &mut command => {}
                again = signals::received() => by = again,
            }
        }
        // The command may hold resources that an orderly end needs.
        drop(command);
        self.screen.clear();
        tokio::select! {
            () = self.parted() => {}
            again = signals::received(), if at_terminal => by = again,
        }
        if let Some(left) = self.left.as_ref().filter(|_| at_terminal && !keeps) {
            self.screen.line(left);
        }
        signals::die_by(by)
    }

    /// Returns when new tokens are stored, stdout is closed and the dataset is released.
    async fn parted(&self) {
        self.tokens_stored().await;
        // Streams that are still being read must not begin a line that the end would cut off.
        self.stdout.close_within(PARTING).await;
        if let Some(dataset) = self.held.get() {
            // Releasing the lease spares the next run from waiting until it expires. If this fails, the next run waits.
            let _ = tokio::time::timeout(PARTING, dataset.close()).await;
        }
    }
}
