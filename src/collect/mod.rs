//! The collectors: which command, how often, on which kind of node.
//!
//! | collector | command | pace | runs on | role |
//! | --- | --- | --- | --- | --- |
//! | hello | hello, isMaster | every poll | all | none |
//! | serverStatus | serverStatus | every poll | all | clusterMonitor |
//! | replSetGetStatus | replSetGetStatus | every poll | members, arbiters | clusterMonitor |
//! | buildInfo | buildInfo | once a connection | all | none |
//! | getParameter | getParameter tlsMode, sslMode | every minute, and after a connect | all | clusterMonitor |
//!
//! A command that the user may not run is not repeated into the server's log: it is asked again an
//! hour later. One command that fails costs its own columns; one that ends the connection ends the
//! poll.

mod incarnation;

use std::{sync::Arc, time::Duration};

use bson::RawDocumentBuf;
use tokio::time::Instant;

use self::incarnation::Incarnation;
use crate::{
    mongo::{ErrorKind, NodeKind, ReplyError, command},
    net::{Error, Session},
    sample::{Collected, Collector, Columns, Failure, Interner, Reading, Reason, Schema},
};

/// After a refusal for want of a role, the command is asked again this much later.
const REFUSED_PAUSE: Duration = Duration::from_secs(3_600);

/// How a server uses TLS changes in a rolling upgrade, mostly with a restart.
const TLS_MODE_PACE: Duration = Duration::from_secs(60);

/// What is remembered of one host between its polls.
#[derive(Debug)]
pub struct Collection {
    interner: Arc<Interner>,
    command_timeout: Duration,
    slots: [Slot; Collector::ALL.len()],
    incarnation: Incarnation,
    /// Whether a user was logged in on the last connection.
    logged_in: bool,
}

/// What is remembered of one collector of one host.
#[derive(Debug, Default)]
struct Slot {
    schema: Option<Arc<Schema>>,
    last: Option<Collected>,
    asked_at: Option<Instant>,
    refused_at: Option<Instant>,
}

/// A change of a collector's outcome, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It worked before, or is new, and fails now.
    Failed(Collector, Failure),
    /// It failed before, and works now.
    Recovered(Collector),
}

impl Collection {
    /// Nothing collected yet. `interner` is shared by all hosts.
    pub fn new(interner: Arc<Interner>, command_timeout: Duration) -> Self {
        Self {
            interner,
            command_timeout,
            slots: Default::default(),
            incarnation: Incarnation::default(),
            logged_in: false,
        }
    }

    /// Forgets what is asked once a connection; and what was refused, if now somebody is logged in
    /// or nobody any more.
    pub fn reconnected(&mut self, session: &Session) {
        for once in [Collector::BuildInfo, Collector::GetParameter] {
            if let Some(slot) = self.slots.get_mut(once as usize) {
                slot.asked_at = None;
            }
        }
        if self.logged_in != session.is_logged_in() {
            self.logged_in = session.is_logged_in();
            self.slots.iter_mut().for_each(|slot| slot.refused_at = None);
        }
    }

    /// Asks everything that is due. `stamp` turns a moment into a sample's time.
    ///
    /// # Errors
    /// What ended the session; the commands that the server merely refused are in the reading.
    ///
    /// # Cancel safety
    /// Dropping the future makes the session unusable; nothing of the collection is lost.
    pub async fn run(
        &mut self,
        session: &mut Session,
        mut stamp: impl FnMut() -> i64,
    ) -> Result<(Reading, Vec<Change>), Error> {
        let mut changes = Vec::new();
        for collector in Collector::ALL {
            if self.is_due(collector, session.hello().kind) {
                let taken_at = stamp();
                let collected = self.ask(collector, session, taken_at).await?;
                changes.extend(self.keep(collector, collected));
            }
        }
        let collected = self.slots.each_ref().map(|slot| slot.last.clone());
        let status = collected.get(Collector::ServerStatus as usize).and_then(Option::as_ref);
        let server_started_at = self.incarnation.started_at(status);
        let transport = session.transport();
        Ok((Reading { transport, server_started_at, collected }, changes))
    }

    fn is_due(&self, collector: Collector, kind: NodeKind) -> bool {
        let Some(slot) = self.slots.get(collector as usize) else { return false };
        if slot.refused_at.is_some_and(|refused| refused.elapsed() < REFUSED_PAUSE) {
            return false;
        }
        match collector {
            Collector::ServerStatus | Collector::Hello => true,
            Collector::ReplSetGetStatus => matches!(kind, NodeKind::Member | NodeKind::Arbiter),
            Collector::BuildInfo => {
                let failed = || slot.last.as_ref().is_none_or(|last| last.outcome.is_err());
                slot.asked_at.is_none() || failed()
            }
            Collector::GetParameter => {
                slot.asked_at.is_none_or(|asked| asked.elapsed() >= TLS_MODE_PACE)
            }
        }
    }

    /// Runs one command. `None` when it does not apply to this server.
    async fn ask(
        &self,
        collector: Collector,
        session: &mut Session,
        taken_at: i64,
    ) -> Result<Option<Collected>, Error> {
        let start = Instant::now();
        let command = self.command(collector, session);
        let outcome = match session.command("admin", command).await {
            Ok(reply) => {
                let last = self.slots.get(collector as usize).and_then(|slot| slot.schema.as_ref());
                let columns = Columns::read(reply.bytes(), last, &self.interner);
                columns.map(Arc::new).map_err(|error| Failure::from(&error))
            }
            Err(error) if does_not_apply(collector, &error) => return Ok(None),
            Err(error) if error.leaves_connection_usable() => Err(Failure::from(&error)),
            Err(error) => return Err(error),
        };
        Ok(Some(Collected { taken_at, took: start.elapsed(), outcome }))
    }

    fn command(&self, collector: Collector, session: &Session) -> RawDocumentBuf {
        match collector {
            Collector::Hello => command::hello(session.hello().knows_hello, self.command_timeout),
            Collector::GetParameter => command::tls_mode(self.command_timeout),
            other => command::plain(other.name(), self.command_timeout),
        }
    }

    fn keep(&mut self, collector: Collector, collected: Option<Collected>) -> Option<Change> {
        let slot = self.slots.get_mut(collector as usize)?;
        let failure = collected.as_ref().and_then(|now| now.outcome.as_ref().err()).cloned();
        let before = slot.last.as_ref().and_then(|last| last.outcome.as_ref().err());
        let change = match (before, &failure) {
            (Some(_), None) => Some(Change::Recovered(collector)),
            (before, Some(now)) if before.is_none_or(|before| before.reason != now.reason) => {
                Some(Change::Failed(collector, now.clone()))
            }
            _ => None,
        };
        slot.refused_at = match &failure {
            Some(failure) if failure.reason == Reason::Permission => Some(Instant::now()),
            _ => None,
        };
        if let Some(Ok(columns)) = collected.as_ref().map(|now| &now.outcome) {
            slot.schema = Some(Arc::clone(columns.schema()));
        }
        slot.last = collected;
        slot.asked_at = Some(Instant::now());
        change
    }
}

/// What is no failure: a member that is not initiated yet, or a server started without `replSet`,
/// has no status of a set; one that was built without TLS has no parameter for it.
fn does_not_apply(collector: Collector, error: &Error) -> bool {
    match error {
        Error::Reply { fault: ReplyError::Server(fault), .. } => match collector {
            Collector::GetParameter => fault.kind() == ErrorKind::NoSuchOption,
            _ => fault.kind() == ErrorKind::NoReplicaSet,
        },
        _ => false,
    }
}
