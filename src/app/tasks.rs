//! The tasks of a running agent: all in one set, stopped in the order of the data.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tracing::error;

use crate::{
    shutdown::{self, Shutdown, Trigger},
    spool::Spool,
};

/// Beyond the grace, for what is under way to come to its end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Why the agent ends.
pub(super) enum Ended {
    /// By a signal of this name.
    Asked(&'static str),
    /// By the end of a task of this kind.
    Unasked(&'static str),
}

/// The kinds of tasks, for the order of death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Poller,
    Upload,
    Exporter,
}

/// All tasks, and the triggers that stop them.
pub(super) struct Tasks {
    set: JoinSet<Kind>,
    /// How many of the first two kinds run.
    running: [usize; 2],
    producers: (Trigger, Shutdown),
    exporter: (Trigger, Shutdown),
}

impl Tasks {
    pub(super) fn new() -> Self {
        Self {
            set: JoinSet::new(),
            running: [0; 2],
            producers: shutdown::channel(),
            exporter: shutdown::channel(),
        }
    }

    pub(super) fn spawn_poller<F>(&mut self, task: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(Kind::Poller, task(self.producers.1.clone()));
    }

    pub(super) fn spawn_upload<F>(&mut self, task: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(Kind::Upload, task(self.producers.1.clone()));
    }

    pub(super) fn spawn_exporter<F>(&mut self, task: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(Kind::Exporter, task(self.exporter.1.clone()));
    }

    fn spawn(&mut self, kind: Kind, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = self.running.get_mut(kind as usize) {
            *running += 1;
        }
        self.set.spawn(async move {
            task.await;
            kind
        });
    }

    /// Waits for a task to end; none should, unless it is asked to.
    ///
    /// # Cancel safety
    /// Cancel safe, as [`JoinSet::join_next`] is.
    pub(super) async fn unexpected_end(&mut self) -> &'static str {
        match self.join().await {
            Some(Kind::Poller) => "poller",
            Some(Kind::Upload) => "upload",
            Some(Kind::Exporter) => "exporter",
            // A panic has been written to standard error.
            None => "unknown",
        }
    }

    /// Stops everything: the pollers at once, then the spool is closed and the uploads have until
    /// `deadline`, then the exporter.
    pub(super) async fn stop(mut self, spool: &Spool, deadline: Instant) {
        self.producers.0.pull(deadline);
        let last_moment = deadline + LAST_MOMENT;
        self.join_all(Kind::Poller, last_moment).await;
        spool.close();
        self.join_all(Kind::Upload, last_moment).await;
        let last_moment = Instant::now() + LAST_MOMENT;
        self.exporter.0.pull(last_moment);
        while let Ok(Some(_)) = timeout_at(last_moment, self.set.join_next()).await {}
    }

    async fn join_all(&mut self, kind: Kind, deadline: Instant) {
        let all = async {
            while self.running.get(kind as usize).is_some_and(|&running| running > 0) {
                if self.join().await.is_none() {
                    break;
                }
            }
        };
        if timeout_at(deadline, all).await.is_err() {
            error!(?kind, "tasks did not end in time and are given up");
        }
    }

    /// The next task that ends; `None` when it panicked, or none is left.
    async fn join(&mut self) -> Option<Kind> {
        let kind = self.set.join_next().await?.ok()?;
        if let Some(running) = self.running.get_mut(kind as usize) {
            *running = running.saturating_sub(1);
        }
        Some(kind)
    }
}
