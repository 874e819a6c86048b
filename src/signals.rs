//! How the program ends when it is told to: by the signal itself, so that nobody takes half a job for a whole one.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;

/// The signal that Ctrl-C sends.
pub const INTERRUPT: i32 = 2;

/// Asks a run to end where it can be gone on with; clones share it.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Asks for it.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Returns once it was asked for.
    pub async fn asked(&self) {
        // It lasts as long as this clone does, so that only what was asked for ends the wait.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}

#[cfg(unix)]
mod system {
    use std::process::ExitCode;

    use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};
    use tokio::signal::unix::{SignalKind, signal};

    /// Returns the number of the first signal that asks the program to end.
    pub async fn received() -> i32 {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => SIGTERM,
            _ = interrupt.recv() => SIGINT,
        }
    }

    /// Dies by a signal. The first process of a container is spared by its default action; it exits with 128 and the number.
    pub fn die_by(signal: i32) -> ExitCode {
        if std::process::id() == 1 {
            // At once, like one that is killed: a thread may be writing to somebody who does not read.
            signal_hook::low_level::exit(128 + signal);
        }
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
    }

    /// Dies as any filter does whose reader has gone.
    pub fn die_of_closed_output() -> ExitCode {
        die_by(SIGPIPE)
    }
}

#[cfg(not(unix))]
mod system {
    use std::process::ExitCode;

    /// Returns when the program is interrupted.
    pub async fn received() -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        super::INTERRUPT
    }

    /// Ends with 128 and the number of the signal.
    pub fn die_by(signal: i32) -> ExitCode {
        ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
    }

    /// Ends quietly and without success.
    pub fn die_of_closed_output() -> ExitCode {
        ExitCode::FAILURE
    }
}

/// Returns the number of the first signal that asks the program to end.
pub async fn received() -> i32 {
    system::received().await
}

/// Dies by a signal, or ends with 128 and its number where it cannot.
pub fn die_by(signal: i32) -> ExitCode {
    system::die_by(signal)
}

/// Ends quietly, and without success, because nobody reads the output any more.
pub fn die_of_closed_output() -> ExitCode {
    system::die_of_closed_output()
}
