//! The signals that a service manager sends.

use std::{io, path::Path};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::config;

/// SIGTERM and SIGINT stop the agent, SIGHUP has it look at its configuration.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From here on none of the three ends the process by itself.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop, and tells its name. At SIGHUP the configuration is read, and
    /// what is wrong with it is said; it takes effect at the next start.
    ///
    /// # Cancel safety
    /// Cancel safe: a signal that was not yet returned is kept.
    pub(super) async fn stop(&mut self, file: &Path) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => look_at(file).await,
            }
        }
    }
}

async fn look_at(file: &Path) {
    let path = file.to_owned();
    match tokio::task::spawn_blocking(move || config::load(&path)).await {
        Ok(Ok(loaded)) => {
            for warning in &loaded.warnings {
                warn!("{warning}");
            }
            info!(file = %file.display(), "SIGHUP: the configuration is valid; restart to apply it");
        }
        Ok(Err(problems)) => {
            error!(
                file = %file.display(),
                "SIGHUP: the configuration is refused, the running one stays:\n{problems}"
            );
        }
        Err(error) => error!(%error, "SIGHUP: the configuration could not be read"),
    }
}
