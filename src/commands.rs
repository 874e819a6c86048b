//! The commands, one file each, and the frame around them: parse, log, run, report.

use std::fs;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use clap::Parser;
use tracing::Level;

use crate::cli::{Cli, Command};
use crate::client::Client;
use crate::clock::Clock;
use crate::config::Environment;
use crate::dataset::Dataset;
use crate::error::{Error, Kind};
use crate::logging::{self, Destination};
use crate::progress::Screen;
use crate::protocol;
use crate::secrets::Secrets;
use crate::signals::{self, Stop};
use crate::sink::airbyte::state_file;
use crate::stdout::Stdout;

mod account;
mod check;
mod completions;
mod discover;
pub mod dump;
mod ending;
mod forecast;
mod inspect;
mod login;
mod man;
mod read;
pub mod sandbox;
mod spec;
mod views;

use account::{Account, TokenPlaces};
use ending::Ending;

/// The exit code for a wrong command line, whether the parser or a command finds the mistake: a retry would fail again.
const WRONG_COMMAND_LINE: u8 = 2;

/// The shared context of every command.
struct Context {
    clock: Clock,
    environment: Environment,
    stdout: Stdout,
    screen: Screen,
    /// Ends a run early.
    stop: Stop,
    /// Whether a person is waiting for the result.
    attended: bool,
    secrets: Secrets,
    /// The dataset whose lease this run holds.
    held: Arc<OnceLock<Arc<Dataset>>>,
    /// The client of the run, which may be renewing its token.
    client: Arc<OnceLock<Client>>,
}

/// Parses the command line and runs its command.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // If stdout or stderr is closed, the message cannot be shown anywhere.
            let _ = message.print();
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(WRONG_COMMAND_LINE));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return complain(
                &Error::new(Kind::Internal, "The program cannot start its threads").because(error),
                &Secrets::default(),
            );
        }
    };
    let context = Context {
        clock: Clock::system(),
        environment: Environment::of_process(),
        stdout: Stdout::onto(std::io::stdout()),
        screen: Screen::of_stderr(matches!(&cli.command, Command::Dump(args) if !args.quiet)),
        stop: Stop::default(),
        attended: matches!(cli.command, Command::Check(_) | Command::Login(_)) || std::io::stderr().is_terminal(),
        secrets: Secrets::default(),
        held: Arc::default(),
        client: Arc::default(),
    };
    let code = runtime.block_on(supervise(cli.command, context));
    // Tasks that are still running are abandoned: nobody needs their results.
    runtime.shutdown_background();
    code
}

/// Runs a command until it ends, a signal comes, or stdout can no longer be written.
async fn supervise(command: Command, context: Context) -> ExitCode {
    let (output, secrets) = (context.stdout.clone(), context.secrets.clone());
    let ending = Ending::of(&command, &context);
    let mut command = Box::pin(run(command, context));
    tokio::select! {
        // Signals come first (`biased`), so their handlers are installed before the command starts. The first process
        // of a container would never see an earlier signal.
        biased;
        signal = signals::received() => ending.by(signal, command).await,
        code = &mut command => {
            ending.tokens_stored().await;
            code
        }
        error = output.broke() => {
            ending.tokens_stored().await;
            report_broken(&error, &secrets)
        }
    }
}

async fn run(command: Command, context: Context) -> ExitCode {
    let protocol = matches!(command, Command::Spec(_) | Command::Check(_) | Command::Discover(_) | Command::Read(_));
    if protocol {
        state_file::end_torn_line();
    }
    let destination = if protocol {
        Destination::Protocol(context.stdout.clone())
    } else {
        Destination::Stderr(context.screen.clone())
    };
    logging::install(destination, context.secrets.clone(), level(&command));
    let (output, secrets, clock) = (context.stdout.clone(), context.secrets.clone(), context.clock.clone());
    let result = match command {
        Command::Spec(_) => spec::run(&context).await,
        Command::Check(args) => check::run(&args, &context).await,
        Command::Discover(args) => discover::run(&args, &context).await,
        Command::Read(args) => read::run(&args, &context).await,
        Command::Dump(args) => dump::run(&args, &context).await,
        Command::Inspect(args) => inspect::run(&args, &context).await,
        Command::Views(args) => views::run(&args, &context).await,
        Command::Login(args) => login::run(&args, &context).await,
        Command::Sandbox(args) => sandbox::run(args, context.clock.clone(), std::io::stdout()).await,
        Command::Completions(args) => completions::run(&args, &context).await,
        Command::Man(args) => man::run(args, &context).await,
    };
    let result = match (result, output.drained().await) {
        (Ok(()), Err(broken)) => return report_broken(&broken, &secrets),
        (result, _) => result,
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    if matches!(error.kind(), Kind::OutputClosed | Kind::Output) {
        return report_broken(&error, &secrets);
    }
    if protocol {
        output.note(protocol::failure(&error, |text| secrets.hide(text), None, clock.now().timestamp_millis()));
        let _ = output.drained().await;
    }
    complain(&error, &secrets)
}

/// The log level of a command.
fn level(command: &Command) -> Level {
    let debug = match command {
        Command::Spec(args) => args.log.debug,
        Command::Check(args) | Command::Discover(args) => args.log.debug,
        Command::Read(args) => args.account.log.debug,
        Command::Dump(args) if args.quiet => return Level::WARN,
        Command::Dump(args) => args.debug,
        Command::Login(args) => args.debug,
        Command::Inspect(_) | Command::Views(_) | Command::Sandbox(_) | Command::Completions(_) | Command::Man(_) => {
            false
        }
    };
    let debug = debug || std::env::var("LOG_LEVEL").is_ok_and(|level| level.eq_ignore_ascii_case("debug"));
    if debug { Level::DEBUG } else { Level::INFO }
}

/// If the reader of stdout has gone, ends quietly, as any filter does. Otherwise prints the error on stderr.
fn report_broken(error: &Error, secrets: &Secrets) -> ExitCode {
    if error.kind() == Kind::OutputClosed {
        return signals::die_of_closed_output();
    }
    complain(error, secrets)
}

fn complain(error: &Error, secrets: &Secrets) -> ExitCode {
    use std::io::Write as _;
    // If stderr cannot be written, there is nowhere left to report that.
    let _ = writeln!(std::io::stderr(), "{}", secrets.hide(&error.sentence()));
    if error.kind() == Kind::Flags { ExitCode::from(WRONG_COMMAND_LINE) } else { ExitCode::FAILURE }
}

impl Context {
    /// Remembers the dataset, so that its lease is released if a signal ends the run.
    fn hold(&self, dataset: &Arc<Dataset>) {
        // A run writes to one dataset only.
        let _ = self.held.set(Arc::clone(dataset));
    }
}

fn read_file(path: &Path, kind: Kind, what: &str) -> Result<String, Error> {
    fs::read_to_string(path)
        .map_err(|error| Error::new(kind, format!("The {what} {} cannot be read", path.display())).because(error))
}
