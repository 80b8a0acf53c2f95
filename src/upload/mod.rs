//! Deliveries: one task a destination, each with its own cursor, verdicts and back-off, so that
//! none blocks another.
//!
//! A sample leaves the spool when the destination took it (2xx), or when it was given up by the
//! rules of [`progress`]; both are counted, and whatever else comes back, it waits. At a stop the
//! task goes on until the spool is closed and empty, or the deadline of the stop is near.

mod client;
mod otlp;
mod progress;
mod proto;
mod retry_after;
mod standing;
mod verdict;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

pub use self::client::DestinationError;
use self::{
    client::{Client, Reply},
    otlp::Encoder,
    progress::{Attempt, Outcome, Progress, Wait},
    standing::Standing,
    verdict::{Answer, Verdict, judge},
};
use crate::{
    backoff::{self, Backoff},
    config::Destination,
    metrics::View,
    sample::{Sample, wall_millis},
    shutdown::Shutdown,
    spool::{Batch, Cursor},
    status::Status,
    telemetry::{DestinationTelemetry, DropReason},
    tls::Trusts,
};

/// How fast a destination is served.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// After the first of a batch has come, others may join it for this long: with many hosts, one
    /// request a second instead of one a sample.
    gather: Duration,
    /// Between requests that fail.
    backoff: Backoff,
    /// Between requests that only an operator can make succeed.
    hold: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(1),
            backoff: Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) },
            hold: Duration::from_secs(300),
        }
    }
}

/// What all uploads of a process share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The agent's only view of samples.
    pub view: Arc<View>,
    /// The loaded trust of the process.
    pub trusts: Arc<Trusts>,
    /// Where the state of the destinations is shown.
    pub status: Status,
    /// Start of the agent, in milliseconds since the Unix epoch: where its own counters begin.
    pub agent_started_at: i64,
}

/// Delivers to one destination.
#[derive(Debug)]
pub struct Upload {
    name: Arc<str>,
    cursor: Cursor,
    telemetry: DestinationTelemetry,
    client: Client,
    encoder: Arc<Encoder>,
    progress: Progress,
    standing: Standing,
    /// The last sample that was delivered.
    touchstone: Option<Arc<Sample>>,
    pace: Pace,
}

impl Upload {
    /// Everything that can be known to be wrong before the network is asked. Trusted certificates
    /// are read with the first request: if they cannot be used, deliveries are held and that is
    /// said.
    ///
    /// # Errors
    /// See [`DestinationError`].
    pub fn build(
        destination: &Destination,
        cursor: Cursor,
        telemetry: DestinationTelemetry,
        shared: &Shared,
    ) -> Result<Self, DestinationError> {
        let name = Arc::clone(&destination.name);
        Ok(Self {
            client: Client::new(destination, &shared.trusts)?,
            encoder: Arc::new(Encoder {
                view: Arc::clone(&shared.view),
                labels: destination.labels.clone(),
                agent_started_at: shared.agent_started_at,
            }),
            standing: Standing::new(Arc::clone(&name), shared.status.clone(), telemetry.clone()),
            name,
            cursor,
            telemetry,
            progress: Progress::new(),
            touchstone: None,
            pace: Pace::default(),
        })
    }

    /// Delivers until the spool is closed and empty, or the agent was asked to stop and its grace
    /// is over. Tells how many samples are left, which are counted and logged as lost.
    pub async fn run(mut self, stop: Shutdown) -> usize {
        tokio::select! {
            () = self.deliver(stop.clone()) => {}
            () = over(stop) => {}
        }
        let left = self.cursor.waiting();
        if left > 0 {
            self.telemetry.dropped(DropReason::Stopped, left);
            tracing::error!(
                destination = %self.name,
                samples = left,
                "the agent stops before these samples were delivered; they are lost"
            );
        }
        left
    }

    async fn deliver(&mut self, mut stop: Shutdown) {
        while let Some(batch) = self.gather(&mut stop).await {
            let wait = self.attempt(batch).await;
            if !self.rest(wait, &mut stop).await {
                return;
            }
        }
    }

    /// The next batch: at once when it is full or the agent stops.
    async fn gather(&mut self, stop: &mut Shutdown) -> Option<Batch> {
        let limit = match self.progress.attempt() {
            Attempt::Front(limit) => limit,
            Attempt::Touchstone => 1,
        };
        let batch = self.cursor.next_batch(limit).await?;
        if batch.samples().len() >= limit || stop.is_requested() {
            return Some(batch);
        }
        drop(batch);
        tokio::select! {
            () = tokio::time::sleep(self.pace.gather) => {}
            () = stop.requested() => {}
        }
        self.cursor.next_batch(limit).await
    }

    /// One request, and what follows from it.
    async fn attempt(&mut self, mut batch: Batch) -> Wait {
        let touchstone = match self.progress.attempt() {
            Attempt::Touchstone => self.touchstone.clone(),
            Attempt::Front(_) => None,
        };
        let samples = match &touchstone {
            Some(sample) => vec![Arc::clone(sample)],
            None => batch.samples().to_vec(),
        };
        let Some((sent, reply)) = self.send(samples).await else {
            // There is nothing to tell of these samples, so that they count as told.
            self.take(batch);
            return Wait::No;
        };
        if touchstone.is_none() {
            batch.truncate(sent);
        }
        let verdict = judge(&reply.answer);
        self.telemetry.judged(verdict.class());
        let known = self.touchstone.is_some();
        let (outcome, wait) = self.progress.learn(&verdict, sent, known, Instant::now());
        self.settle(batch, outcome, &verdict, &reply.words);
        wait
    }

    /// Sends as many of the samples as fit; `None` when they have no points.
    async fn send(&mut self, samples: Vec<Arc<Sample>>) -> Option<(usize, Reply)> {
        let sent = samples.len();
        let encoder = Arc::clone(&self.encoder);
        // Up to 100 ms of pure work: not on the threads that polls run on.
        let encoded = tokio::task::spawn_blocking(move || encoder.body(&samples)).await;
        let failed = |what: String| {
            let words = format!("the request could not be made: {what}");
            Some((sent, Reply { answer: Answer::Silence, words }))
        };
        match encoded {
            Ok(Ok(Some(body))) => Some((body.samples, self.client.post(body.gzip).await)),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => failed(error.to_string()),
            Err(error) => failed(error.to_string()),
        }
    }

    /// Lets go of the samples that are done with, counts, and says what changed.
    fn settle(&mut self, batch: Batch, outcome: Outcome, verdict: &Verdict, words: &str) {
        match outcome {
            Outcome::Delivered => self.take(batch),
            Outcome::Dropped(reason) => {
                let samples = batch.samples().len();
                self.telemetry.dropped(reason, samples);
                self.cursor.advance(batch);
                self.standing.dropped(reason, samples, words);
            }
            Outcome::Kept => drop(batch),
        }
        match (outcome, verdict) {
            (Outcome::Delivered, Verdict::Delivered { rejected }) => {
                self.standing.delivering();
                if *rejected > 0 {
                    self.telemetry.points_rejected(*rejected);
                    self.standing.rejected(*rejected, words);
                }
            }
            (Outcome::Kept, Verdict::Hold { why }) => self.standing.held(words, why),
            (Outcome::Kept, Verdict::Retry { .. }) => self.standing.retrying(words),
            _ => tracing::debug!(destination = %self.name, ?verdict, "{words}"),
        }
    }

    /// The destination has these samples.
    fn take(&mut self, batch: Batch) {
        self.touchstone = batch.samples().last().cloned();
        self.telemetry.delivered(batch.samples().len(), wall_millis());
        self.cursor.advance(batch);
    }

    /// Waits as told; `false` when there is no point in another request before the agent ends.
    async fn rest(&mut self, wait: Wait, stop: &mut Shutdown) -> bool {
        let (delay, not_before) = match wait {
            Wait::No => return true,
            Wait::Backoff(failures, not_before) => {
                let not_before = not_before.unwrap_or(Duration::ZERO);
                let delay = self.pace.backoff.delay(failures, backoff::dice());
                (delay.max(not_before), not_before)
            }
            Wait::Hold => (self.pace.hold, Duration::ZERO),
        };
        let now = Instant::now();
        if let Some(deadline) = stop.deadline() {
            let until = now + delay;
            let hopeless = wait == Wait::Hold || until >= deadline;
            if !hopeless {
                tokio::time::sleep_until(until).await;
            }
            return !hopeless;
        }
        tokio::select! {
            () = tokio::time::sleep_until(now + delay) => true,
            () = stop.requested() => {
                // Once more, now that there will be no later; but not before the server's time.
                self.progress.hurry();
                let hopeful = stop.deadline().is_some_and(|deadline| now + not_before < deadline);
                if hopeful {
                    tokio::time::sleep_until(now + not_before).await;
                }
                hopeful
            }
        }
    }
}

/// Returns when the agent was asked to stop and the grace is over.
async fn over(mut stop: Shutdown) {
    stop.requested().await;
    if let Some(deadline) = stop.deadline() {
        tokio::time::sleep_until(deadline).await;
    }
}

#[cfg(test)]
mod tests;
