//! A line every few seconds, until the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use super::support::{
    agent::Agent,
    certificates::DAY,
    exposition::Exposition,
    receiver::Receiver,
    replica_set::{MEMBERS, ReplicaSet},
    trouble::{Outcome, Trouble},
    wait,
};

const BETWEEN_LINES: Duration = Duration::from_secs(3);

/// Watches the agent.
pub(crate) struct Watch<'a> {
    set: &'a ReplicaSet,
    receiver: &'a Receiver,
    interrupted: Arc<AtomicBool>,
}

impl<'a> Watch<'a> {
    /// From here on Ctrl-C and SIGTERM end the watch instead of the process.
    pub(crate) fn begin(set: &'a ReplicaSet, receiver: &'a Receiver) -> Outcome<Self> {
        Ok(Self { set, receiver, interrupted: interruption()? })
    }

    /// Prints lines until the time is over or a signal comes.
    ///
    /// Fails when not all hosts come up, when nothing is received, and when the agent ends.
    pub(crate) fn go_on(&self, agent: &mut Agent, duration: Option<Duration>) -> Outcome<()> {
        self.wait_until_it_works(agent)?;
        let end = duration.map(|duration| Instant::now() + duration);
        let is_over = |at: Instant| end.is_some_and(|end| at >= end);
        while !is_over(Instant::now()) && !self.is_interrupted() {
            self.print_line(agent)?;
            // Running into this deadline is the rule: it is time for the next line.
            let _ = wait::until("the end of the watch", BETWEEN_LINES, || {
                (is_over(Instant::now()) || self.is_interrupted()).then_some(())
            });
        }
        self.print_line(agent)
    }

    fn wait_until_it_works(&self, agent: &mut Agent) -> Outcome<()> {
        let waited = wait::until("all hosts are up and samples arrive", wait::PATIENCE, || {
            let works = agent.scrape().is_ok_and(|it| hosts_up(&it) == MEMBERS)
                && self.receiver.received().sample_count() > 0;
            (works || !agent.is_running() || self.is_interrupted()).then_some(())
        });
        waited.map_err(|trouble| {
            Trouble::new(
                format!("{trouble}\nthe agent says:\n{}", agent.log()),
                "read its lines above; if this machine is busy, try again when it is not",
            )
        })
    }

    fn print_line(&self, agent: &mut Agent) -> Outcome<()> {
        if !agent.is_running() {
            return Err(Trouble::new(
                format!("the agent ended and said:\n{}", agent.log()),
                "read its lines above",
            ));
        }
        let exposition = agent.scrape()?;
        let polled: f64 = values(&exposition, "mongodb_polls_total").sum();
        println!(
            "hosts up {}/{} · samples polled {polled} · samples received {} · certificates expire \
             in {} days",
            hosts_up(&exposition),
            self.set.hosts().len(),
            self.receiver.received().sample_count(),
            days_left(&exposition).map_or_else(|| "?".to_owned(), |days| format!("{days:.0}")),
        );
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

fn hosts_up(exposition: &Exposition) -> usize {
    values(exposition, "mongodb_up").filter(|up| *up > 0.5).count()
}

/// Days until the first of the servers' certificates expires.
fn days_left(exposition: &Exposition) -> Option<f64> {
    let expiries = exposition.matching(
        "mongodb_tls_certificate_not_after_timestamp_seconds",
        &[("certificate", "server")],
    );
    let first = expiries.into_iter().map(|(_, expiry)| expiry).min_by(f64::total_cmp)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(((first - now.as_secs_f64()) / DAY.as_secs_f64()).floor())
}

fn values(exposition: &Exposition, name: &str) -> impl Iterator<Item = f64> {
    exposition
        .matching(name, &[])
        .into_iter()
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .into_iter()
}

/// A flag that SIGINT and SIGTERM raise.
fn interruption() -> Outcome<Arc<AtomicBool>> {
    let raised = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&raised);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        flag.store(true, Ordering::Relaxed);
    });
    Ok(raised)
}
