//! The tasks of a running agent: all in one set, each stopped alone or all in the order of the
//! data.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, Id, JoinSet},
    time::{Instant, timeout_at},
};
use tracing::error;

use crate::{
    shutdown::{self, Shutdown, Trigger},
    spool::Spool,
};

/// Beyond the grace, for what is under way to come to its end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// The kinds of tasks, for the order of death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Poller,
    Upload,
    Exporter,
}

/// A task that should run on.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) kind: Kind,
    /// Of the host or destination.
    pub(super) name: Arc<str>,
    stop: Trigger,
    abort: AbortHandle,
}

/// All tasks. One that ends without having been taken off `running` ended by surprise.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    set: JoinSet<()>,
    running: HashMap<Id, Running>,
    /// Those that ended by surprise while another one was waited for.
    died: Vec<Running>,
}

impl Tasks {
    /// Starts a task; it is given the signal that will stop it.
    pub(super) fn spawn<F>(&mut self, kind: Kind, name: &Arc<str>, task: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = shutdown::channel();
        let abort = self.set.spawn(task(stopped));
        let running = Running { kind, name: Arc::clone(name), stop, abort: abort.clone() };
        self.running.insert(abort.id(), running);
    }

    /// Ends one task at once, and waits until it has ended: after this it writes nothing more.
    pub(super) async fn retire(&mut self, kind: Kind, name: &str) {
        let is_it = |running: &Running| running.kind == kind && *running.name == *name;
        let found = self.running.iter().find(|(_, running)| is_it(running)).map(|(id, _)| *id);
        let Some(running) = found.and_then(|id| self.running.remove(&id)) else { return };
        running.abort.abort();
        while let Some((id, ended)) = self.join().await {
            self.died.extend(ended);
            if id == running.abort.id() {
                return;
            }
        }
    }

    /// Waits for a task to end that should run on.
    ///
    /// # Cancel safety
    /// Cancel safe, as [`JoinSet::join_next_with_id`] is.
    pub(super) async fn unexpected_end(&mut self) -> Running {
        loop {
            if let Some(running) = self.died.pop() {
                return running;
            }
            match self.join().await {
                Some((_, ended)) => self.died.extend(ended),
                None => std::future::pending().await,
            }
        }
    }

    /// Stops everything: the pollers at once, then the spool is closed and the uploads have until
    /// `deadline`, then the exporter.
    pub(super) async fn stop(mut self, spool: &Spool, deadline: Instant) {
        for running in self.running.values().filter(|running| running.kind != Kind::Exporter) {
            running.stop.pull(deadline);
        }
        let last_moment = deadline + LAST_MOMENT;
        self.join_all(Kind::Poller, last_moment).await;
        spool.close();
        self.join_all(Kind::Upload, last_moment).await;
        let last_moment = Instant::now() + LAST_MOMENT;
        self.running.values().for_each(|running| running.stop.pull(last_moment));
        self.join_all(Kind::Exporter, last_moment).await;
    }

    async fn join_all(&mut self, kind: Kind, deadline: Instant) {
        let all = async {
            while self.running.values().any(|running| running.kind == kind) {
                if self.join().await.is_none() {
                    return;
                }
            }
        };
        if timeout_at(deadline, all).await.is_err() {
            error!(?kind, "tasks did not end in time and are given up");
        }
    }

    /// The next task that ends, and what it was if it should have run on; `None` when none is left.
    async fn join(&mut self) -> Option<(Id, Option<Running>)> {
        let id = match self.set.join_next_with_id().await? {
            Ok((id, ())) => id,
            // A panic has been written to standard error.
            Err(error) => error.id(),
        };
        Some((id, self.running.remove(&id)))
    }
}
