//! How a destination stands: its changes are logged once, shown in the status and the gauge.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    status::{DestinationState, Status},
    telemetry::{DestinationTelemetry, DropReason},
};

/// Losses of the same kind are told again after this, not for each batch.
const REPEAT: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Standing {
    name: Arc<str>,
    status: Status,
    telemetry: DestinationTelemetry,
    state: DestinationState,
    /// When it last worked, while it does not.
    troubled_since: Option<Instant>,
    losses: Notice,
    rejections: Notice,
}

impl Standing {
    pub(super) fn new(name: Arc<str>, status: Status, telemetry: DestinationTelemetry) -> Self {
        Self {
            name,
            status,
            telemetry,
            state: DestinationState::Waiting,
            troubled_since: None,
            losses: Notice::default(),
            rejections: Notice::default(),
        }
    }

    /// What was sent was taken.
    pub(super) fn delivering(&mut self) {
        let before = self.enter(DestinationState::Delivering);
        let troubled = self.troubled_since.take().map(|since| since.elapsed().as_secs());
        match (before, troubled) {
            (DestinationState::Waiting, None) => {
                tracing::info!(destination = %self.name, "samples are delivered");
            }
            (DestinationState::Retrying | DestinationState::Held, Some(seconds)) => tracing::info!(
                destination = %self.name,
                after_seconds = seconds,
                "samples are delivered again"
            ),
            _ => {}
        }
    }

    /// A request failed and is tried again; `words` say why.
    pub(super) fn retrying(&mut self, words: &str) {
        if self.trouble(DestinationState::Retrying) {
            tracing::warn!(
                destination = %self.name,
                "{words}; the samples wait, and it is tried again"
            );
        } else {
            tracing::debug!(destination = %self.name, "{words}");
        }
    }

    /// A request failed in a way that an operator must set right.
    pub(super) fn held(&mut self, words: &str, why: &str) {
        if self.trouble(DestinationState::Held) {
            tracing::warn!(
                destination = %self.name,
                "{words}: {why}; the samples wait, and it is tried again every few minutes"
            );
        } else {
            tracing::debug!(destination = %self.name, "{words}");
        }
    }

    /// Samples were given up.
    pub(super) fn dropped(&mut self, reason: DropReason, samples: usize, words: &str) {
        self.enter(DestinationState::Refusing);
        if let Some(samples) = self.losses.due(samples) {
            tracing::error!(
                destination = %self.name,
                reason = reason.name(),
                samples,
                "{words}; samples were dropped"
            );
        }
    }

    /// The destination left out data points of a request that it took.
    pub(super) fn rejected(&mut self, points: u64, words: &str) {
        if let Some(points) = self.rejections.due(usize::try_from(points).unwrap_or(usize::MAX)) {
            tracing::error!(
                destination = %self.name,
                points,
                "{words}; the destination left out data points of requests that it took"
            );
        }
    }

    /// Whether this is a change.
    fn trouble(&mut self, state: DestinationState) -> bool {
        self.troubled_since.get_or_insert_with(Instant::now);
        self.enter(state) != state
    }

    /// The state before.
    fn enter(&mut self, state: DestinationState) -> DestinationState {
        self.telemetry.set_held(state == DestinationState::Held);
        self.status.set_destination(&self.name, state);
        std::mem::replace(&mut self.state, state)
    }
}

/// Something that may happen with each request, and is told at most every [`REPEAT`].
#[derive(Debug, Default)]
struct Notice {
    told: Option<Instant>,
    untold: usize,
}

impl Notice {
    /// How many to tell of, if it is time to.
    fn due(&mut self, count: usize) -> Option<usize> {
        self.untold = self.untold.saturating_add(count);
        let now = Instant::now();
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < REPEAT) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Mutex};

    use super::*;
    use crate::telemetry::Telemetry;

    /// The log of what happens in `story`, one line an event.
    fn told(story: impl FnOnce(&mut Standing)) -> Vec<String> {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().expect("not poisoned").write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .finish();
        let status = Status::new([], ["mms".into()]);
        let telemetry = Telemetry::new("0", 0).destination("mms");
        let mut standing = Standing::new("mms".into(), status, telemetry);
        tracing::subscriber::with_default(log, || story(&mut standing));
        let bytes = lines.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("UTF-8").lines().map(|it| it.trim().to_owned()).collect()
    }

    #[test]
    fn changes_of_state_are_logged_once_and_nothing_else_is() {
        let lines = told(|standing| {
            for _ in 0..3 {
                standing.delivering();
            }
            for _ in 0..3 {
                standing.retrying("db answers 503");
            }
            for _ in 0..3 {
                standing.held("db answers 401", "check the key");
            }
            for _ in 0..3 {
                standing.delivering();
            }
        });
        assert_eq!(
            lines,
            [
                "INFO samples are delivered destination=mms",
                "WARN db answers 503; the samples wait, and it is tried again destination=mms",
                "WARN db answers 401: check the key; the samples wait, and it is tried again every \
                 few minutes destination=mms",
                "INFO samples are delivered again destination=mms after_seconds=0",
            ]
        );
    }

    #[test]
    fn losses_among_deliveries_are_errors_that_do_not_repeat_themselves() {
        let lines = told(|standing| {
            for _ in 0..5 {
                standing.dropped(DropReason::Refused, 2, "db answers 400");
                standing.delivering();
            }
        });
        let expected = "ERROR db answers 400; samples were dropped destination=mms \
                        reason=\"refused\" samples=2";
        assert_eq!(lines, [expected]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_with_each_request_is_told_once_in_ten_minutes_with_the_sum() {
        let mut notice = Notice::default();
        assert_eq!(notice.due(3), Some(3));
        assert_eq!(notice.due(4), None);
        tokio::time::advance(REPEAT).await;
        assert_eq!(notice.due(5), Some(9));
        assert_eq!(notice.due(1), None);
    }
}
