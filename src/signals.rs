//! How the program ends after a signal: it dies by that signal, so that an incomplete run is not taken for a complete
//! one.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;

/// The signal that Ctrl-C sends.
pub const INTERRUPT: i32 = 2;

/// Asks a run to end at a point from which the next run can continue; clones share the request.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Asks the run to end.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Returns once the run was asked to end.
    pub async fn asked(&self) {
        // The sender lives as long as this clone, so the wait ends only when the run was asked to end.
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

    /// Dies by a signal. The default action of a signal does not end the first process of a container, which exits with
    /// 128 plus the signal's number instead.
    pub fn die_by(signal: i32) -> ExitCode {
        if std::process::id() == 1 {
            // Exits at once, like a killed process: a thread may be blocked by a reader that does not read.
            signal_hook::low_level::exit(128 + signal);
        }
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
    }

    /// Dies as any filter does when its reader has gone.
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

    /// Exits with 128 plus the signal's number.
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

/// Dies by a signal, or exits with 128 plus its number if that is not possible.
pub fn die_by(signal: i32) -> ExitCode {
    system::die_by(signal)
}

/// Ends quietly, and without success, because nobody reads the output any more.
pub fn die_of_closed_output() -> ExitCode {
    system::die_of_closed_output()
}
