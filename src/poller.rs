//! One task per host: it holds the session, polls on its own clock, and says what changed.

mod expiry;
mod tls_again;

use std::{
    mem::{Discriminant, discriminant},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

pub use self::expiry::Expiries;
use self::{expiry::Notice, tls_again::TlsAgain};
use crate::{
    backoff::{Backoff, dice},
    collect::{Change, Collection},
    config::Host,
    latest::Latest,
    net::{Error, HandshakeReport, Session, Target, Transport, Trusts},
    sample::{
        Clock, Failure, History, HostIdentity, Interner, Reading, Reason, Sample, wall_millis,
    },
    shutdown::Shutdown,
    spool::Spool,
    status::{HostState, Status},
    telemetry::Telemetry,
};

/// The first retry of a host that just failed comes after at most this long.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// First polls of neighbouring hosts begin at most this far apart, so that a small fleet is seen
/// at once and a large one does not dial all at the same moment.
const START_SPREAD: Duration = Duration::from_millis(100);

/// What all pollers write to, and share.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The last sample of each host.
    pub latest: Latest,
    /// The samples to be delivered.
    pub spool: Spool,
    /// Up or down, for readiness and the status page.
    pub status: Status,
    /// The agent's own counters.
    pub telemetry: Telemetry,
    /// What is trusted, and changes while sessions live.
    pub trusts: Arc<Trusts>,
    /// Which ends of certificates were said.
    pub expiries: Expiries,
    /// The schemas that hosts share.
    pub interner: Arc<Interner>,
}

/// Polls one host until a stop is requested.
#[derive(Debug)]
pub struct Poller {
    identity: Arc<HostIdentity>,
    target: Arc<Target>,
    interval: Duration,
    outputs: Outputs,
    session: Option<Session>,
    tls_again: TlsAgain,
    collection: Collection,
    clock: Clock,
    history: History,
    handshake: Option<Arc<HandshakeReport>>,
    /// So that it is said once, and not at each connect.
    taken_for_a_member: bool,
    health: Health,
}

/// Up or down, and what was said of it.
#[derive(Debug)]
enum Health {
    /// No poll has ended yet.
    Unknown,
    Up,
    Down {
        since: Instant,
        failures: u32,
        /// What was logged: each reason, and each of its kinds, is said once in an outage.
        told: Vec<(Reason, Discriminant<Error>)>,
    },
}

/// What woke the poller.
enum Event {
    Stop,
    Due,
    Closed(Error),
    /// A second connection was tried with TLS.
    TlsAgain(Result<Session, Error>),
    /// Something that is trusted, or no longer is, changed.
    Trust,
}

impl Poller {
    /// A poller for a configured host.
    pub fn new(host: &Host, target: Target, outputs: Outputs) -> Self {
        let identity = Arc::new(HostIdentity {
            name: Arc::clone(&host.name),
            address: host.address.clone(),
            tls: host.tls.is_some(),
            require_valid: host.tls.as_ref().is_some_and(|tls| tls.require_valid),
        });
        // `mongodb_up` stands for every host from the first scrape on.
        outputs.latest.put(Arc::new(unpolled(&identity)));
        Self {
            identity,
            tls_again: TlsAgain::new(host),
            target: Arc::new(target),
            interval: host.poll_interval,
            collection: Collection::new(Arc::clone(&outputs.interner), host.command_timeout),
            outputs,
            session: None,
            clock: Clock::new(Instant::now(), wall_millis()),
            history: History::default(),
            handshake: None,
            taken_for_a_member: false,
            health: Health::Unknown,
        }
    }

    /// Polls until a stop is requested; a poll that is under way then is given up. `hosts` is how
    /// many there are in all, for spreading the first polls.
    // Boxed: an async function holds its arguments twice, and this one is 1.3 kB.
    pub async fn run(mut self: Box<Self>, hosts: usize, mut stop: Shutdown) {
        let hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
        let spread = START_SPREAD.saturating_mul(hosts).min(self.interval);
        let mut next = Instant::now() + spread.mul_f64(dice());
        let mut trust = self.outputs.trusts.changes();
        loop {
            let event = tokio::select! {
                () = stop.requested() => Event::Stop,
                error = closed(self.session.as_mut()) => Event::Closed(error),
                outcome = self.tls_again.outcome(&self.target) => Event::TlsAgain(outcome),
                Ok(()) = trust.changed() => Event::Trust,
                () = sleep_until(next) => Event::Due,
            };
            match event {
                Event::Stop => return,
                Event::Closed(error) => {
                    debug!(host = %self.identity.name, %error, "connection ended between polls");
                    self.lose_session();
                    // Look soon whether it is a restart or an outage; not all at the same moment.
                    next = next.min(Instant::now() + FIRST_RETRY.mul_f64(dice()));
                }
                Event::TlsAgain(Ok(session)) => self.hold(session),
                Event::TlsAgain(Err(error)) => self.tls_again.failed(&error),
                Event::Trust => {
                    if self.is_distrusted() {
                        next = Instant::now();
                    }
                }
                Event::Due => {
                    let started = Instant::now();
                    tokio::select! {
                        () = stop.requested() => return,
                        () = self.poll() => {}
                    }
                    next = self.next_poll(started, next);
                }
            }
        }
    }

    /// When to poll again: on the beat while the host is up, and with growing delays, never longer
    /// than the beat, while it is down.
    fn next_poll(&self, started: Instant, due: Instant) -> Instant {
        let now = Instant::now();
        if let Health::Down { failures, .. } = self.health {
            let backoff = Backoff { min: FIRST_RETRY.min(self.interval), max: self.interval };
            return (started + backoff.delay(failures, dice())).max(now);
        }
        let next = due + self.interval;
        if next > now { next } else { now + self.interval.mul_f64(dice()) }
    }

    async fn poll(&mut self) {
        let taken_at = self.stamp();
        let start = Instant::now();
        let outcome = self.ask().await;
        self.history.polls += 1;
        let kind = outcome.as_ref().err().map(discriminant);
        let outcome = match outcome {
            Ok(reading) => Ok(reading),
            Err(error) => {
                self.lose_session();
                let failure = Failure::from(&error);
                if let Some(count) = self.history.failures.get_mut(failure.reason as usize) {
                    *count += 1;
                }
                Err(failure)
            }
        };
        self.tell(outcome.as_ref().err().zip(kind));
        self.tell_expiries(taken_at / 1_000);
        self.publish(taken_at, start.elapsed(), outcome);
    }

    async fn ask(&mut self) -> Result<Reading, Error> {
        if self.session.is_none() {
            // Boxed: a dial is rare, and its 3 kB would be part of every host's task for ever.
            let opened = Box::pin(Session::open(&self.target)).await;
            match opened {
                Ok(session) => self.hold(session),
                Err(error) => {
                    // Also a refused certificate is reported, and an accepted one where login failed.
                    self.handshake = self.target.report();
                    return Err(error);
                }
            }
        }
        let Some(session) = self.session.as_mut() else {
            unreachable!("a session was opened above");
        };
        let clock = &mut self.clock;
        let stamp = || clock.stamp(Instant::now(), wall_millis());
        let (reading, changes) = self.collection.run(session, stamp).await?;
        for change in changes {
            self.tell_change(&change);
        }
        Ok(reading)
    }

    /// From now on this is the session; one that was there is closed.
    fn hold(&mut self, session: Session) {
        self.history.connections += 1;
        self.collection.reconnected(&session);
        self.tls_again.connected(&session);
        self.handshake = session.report().cloned();
        let taken_for_a_member = self.target.is_taken_for_a_member(&session);
        if taken_for_a_member && !self.taken_for_a_member {
            warn!(
                host = %self.identity.name,
                "the client certificate has the O, OU and DC of the server's own: MongoDB takes \
                 its holder for a member of the cluster, with all rights; give the agent another"
            );
        }
        self.taken_for_a_member = taken_for_a_member;
        self.session = Some(session);
    }

    /// Judges the open session by what is trusted now, and closes it if it fails; whether another
    /// one can be opened is the next poll's to say.
    fn is_distrusted(&mut self) -> bool {
        let judged = self.session.as_ref().map(|session| self.target.judge_again(session));
        let Some(Err(error)) = judged else {
            let renewed = self.handshake.as_ref().map(|report| self.target.renewed(report));
            self.handshake = renewed.map(Arc::new);
            return false;
        };
        warn!(host = %self.identity.name, %error, "the open connection is no longer trusted and is closed");
        self.lose_session();
        true
    }

    fn lose_session(&mut self) {
        self.session = None;
        self.tls_again.disconnected();
    }

    fn publish(&self, taken_at: i64, took: Duration, outcome: Result<Reading, Failure>) {
        let sample = Arc::new(Sample {
            host: Arc::clone(&self.identity),
            taken_at,
            took,
            outcome,
            history: self.history.clone(),
            handshake: self.handshake.clone(),
        });
        self.outputs.spool.append(&sample);
        self.outputs.latest.put(sample);
    }

    fn stamp(&mut self) -> i64 {
        let (now, wall) = (Instant::now(), wall_millis());
        let ahead = u64::try_from(self.clock.ahead_millis(now, wall)).unwrap_or(0);
        self.outputs.telemetry.set_clock_offset(Duration::from_millis(ahead));
        self.clock.stamp(now, wall)
    }

    /// Says a change of state once: up to down, down to up, and each new reason while down.
    fn tell(&mut self, failure: Option<(&Failure, Discriminant<Error>)>) {
        let host = &*self.identity.name;
        match (&mut self.health, failure) {
            (Health::Up, None) => {}
            (Health::Unknown, None) => {
                self.health = Health::Up;
                let session = self.session.as_ref().map(Session::transport);
                info!(host, tls = session == Some(Transport::Tls), "host is up");
            }
            (Health::Down { since, .. }, None) => {
                let down_seconds = since.elapsed().as_secs();
                self.health = Health::Up;
                info!(host, down_seconds, "host is up again");
            }
            (Health::Down { failures, told, .. }, Some((failure, kind))) => {
                *failures = failures.saturating_add(1);
                if !told.contains(&(failure.reason, kind)) {
                    told.push((failure.reason, kind));
                    warn!(
                        host,
                        reason = failure.reason.name(),
                        "host is still down: {}",
                        failure.words
                    );
                }
            }
            (Health::Unknown | Health::Up, Some((failure, kind))) => {
                let (since, told) = (Instant::now(), vec![(failure.reason, kind)]);
                self.health = Health::Down { since, failures: 1, told };
                warn!(host, reason = failure.reason.name(), "host is down: {}", failure.words);
            }
        }
        let state = if failure.is_none() { HostState::Up } else { HostState::Down };
        self.outputs.status.set_host(host, state);
    }

    /// Says which certificates end soon, once at 30, 7 and 1 days before. `now` is in seconds since
    /// the Unix epoch.
    fn tell_expiries(&self, now: i64) {
        let Some(report) = &self.handshake else { return };
        let host = &*self.identity.name;
        for Notice { what, subject, days } in self.outputs.expiries.due(host, report, now) {
            if what == "crl" {
                warn!(
                    host,
                    days, "a revocation list for this host ends soon: put a new one in place"
                );
            } else {
                warn!(host, certificate = what, subject, days, "a certificate ends soon: renew it");
            }
        }
    }

    fn tell_change(&self, change: &Change) {
        let host = &*self.identity.name;
        match change {
            Change::Failed(collector, failure) => {
                let (collector, reason) = (collector.name(), failure.reason.name());
                warn!(host, collector, reason, "collector fails: {}", failure.words);
            }
            Change::Recovered(collector) => {
                info!(host, collector = collector.name(), "collector works again");
            }
        }
    }
}

/// What is known of a host before its first poll. It is shown, and never delivered.
fn unpolled(identity: &Arc<HostIdentity>) -> Sample {
    Sample {
        host: Arc::clone(identity),
        taken_at: wall_millis(),
        took: Duration::ZERO,
        outcome: Err(Failure {
            reason: Reason::Connect,
            words: "the first poll has not ended yet".to_owned(),
        }),
        history: History::default(),
        handshake: None,
    }
}

/// Waits until the session is lost; for ever when there is none.
///
/// # Cancel safety
/// Cancel safe, as [`Session::closed`] is.
async fn closed(session: Option<&mut Session>) -> Error {
    match session {
        Some(session) => session.closed().await,
        None => std::future::pending().await,
    }
}
