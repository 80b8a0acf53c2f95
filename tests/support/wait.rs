//! Waiting for a condition, with a deadline, instead of sleeping and hoping.

use std::{thread, time::Duration};

use tokio::time::Instant;

use super::trouble::{Outcome, Trouble};

/// Long enough for a loaded machine with two cores to start a server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` until it answers, at most for `limit`.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> Outcome<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe() {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(Trouble::new(
                format!("waited {} s in vain: {what}", limit.as_secs()),
                "if this machine is busy, try again when it is not",
            ));
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at a condition; nothing else runs"
)]
fn pause() {
    thread::sleep(PAUSE);
}
