//! One host watched by the library alone: for settings and moments that a file cannot name.

use std::{path::Path, sync::Arc, time::Duration};

use monitoring_agent::{
    config::{Address, Host, Login, Prefer, TlsPolicy, TrustSource},
    latest::Latest,
    net::{Target, Transport, Trusts},
    poller::{Outputs, Poller},
    ratchet::Ratchet,
    sample::{Interner, Reason, Sample},
    secret::Secret,
    shutdown::{self, Trigger},
    spool::{Limits, Spool},
    status::Status,
    telemetry::Telemetry,
};
use tokio::runtime::Runtime;

use super::{
    client::User,
    trouble::{Outcome, Trouble},
    wait,
};

/// A fast pace over TLS at a port of this machine, for which the certificates of tests are.
pub(crate) fn encrypted(port: u16, authority: &Path, user: Option<User<'_>>) -> Host {
    Host {
        name: format!("localhost:{port}").into(),
        address: Address { host: "localhost".to_owned(), port },
        tls: Some(TlsPolicy::new(TrustSource::File(authority.to_owned()), true)),
        prefer: None,
        login: user
            .map(|user| Login::scram(user.name, Secret::new(user.password.to_owned()), "admin")),
        poll_interval: Duration::from_millis(300),
        command_timeout: Duration::from_secs(10),
        dial_timeout: Duration::from_secs(20),
    }
}

/// The same with `ssl = prefer`.
pub(crate) fn preferring(
    port: u16,
    authority: &Path,
    user: Option<User<'_>>,
    scram_without_tls: bool,
) -> Host {
    Host { prefer: Some(Prefer { scram_without_tls }), ..encrypted(port, authority, user) }
}

/// A host that is watched until this is dropped.
pub(crate) struct Watch {
    name: Arc<str>,
    latest: Latest,
    /// Dropped first: the poller stops, and then its threads.
    _trigger: Trigger,
    _runtime: Runtime,
}

impl Watch {
    /// Watches with the marks of this state directory.
    pub(crate) fn start(host: &Host, state: &Path) -> Outcome<Self> {
        let ratchet = Arc::new(Ratchet::of(state));
        let target = Target::new(host, &Arc::new(Trusts::default()))
            .map_err(|fault| Trouble::new(fault.to_string(), "name another host"))?
            .with_ratchet(host, &ratchet);
        let outputs = Outputs {
            latest: Latest::default(),
            spool: Spool::new(Limits::default()),
            status: Status::new([Arc::clone(&host.name)], []),
            telemetry: Telemetry::new("test", 0),
            trusts: Arc::default(),
            interner: Arc::new(Interner::default()),
        };
        let latest = outputs.latest.clone();
        let poller = Box::new(Poller::new(host, target, outputs));
        let (trigger, stop) = shutdown::channel();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(poller.run(1, stop));
        Ok(Self { name: Arc::clone(&host.name), latest, _trigger: trigger, _runtime: runtime })
    }

    /// The last sample.
    pub(crate) fn sample(&self) -> Arc<Sample> {
        self.latest.all().pop().expect("there is a sample from the start on")
    }

    /// Waits for a sample that the probe is content with, from a poll that begins after now.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut(&Sample) -> Option<T>,
    ) -> Outcome<T> {
        let before = self.sample().history.polls;
        wait::until(what, limit, || {
            let sample = self.sample();
            (sample.history.polls > before).then(|| probe(&sample)).flatten()
        })
        .map_err(|trouble| {
            let last = self.sample();
            let outcome = match &last.outcome {
                Ok(reading) => format!("up over {}", reading.transport.name()),
                Err(failure) => failure.words.clone(),
            };
            Trouble::new(
                format!("{trouble}\nthe last sample of {}: {outcome}", self.name),
                "read it",
            )
        })
    }

    /// Waits until the host is up over this transport.
    pub(crate) fn up(&self, transport: Transport) -> Outcome<Arc<Sample>> {
        self.until(&format!("up over {}", transport.name()), wait::PATIENCE, |sample| {
            let reading = sample.outcome.as_ref().ok()?;
            (reading.transport == transport).then(|| self.sample())
        })
    }

    /// Waits until the host is down for a reason in these words; each poll meanwhile must fail.
    pub(crate) fn down(&self, words: &[&str]) -> Outcome<()> {
        self.until(&format!("down with {words:?}"), wait::PATIENCE, |sample| {
            let failure = sample.outcome.as_ref().err()?;
            words.iter().all(|word| failure.words.contains(word)).then_some(())
        })
    }

    /// Lets some more polls happen, and tells how many failed so far for other reasons than these.
    pub(crate) fn failures_besides(&self, more_polls: u64, reasons: &[Reason]) -> Outcome<u64> {
        let goal = self.sample().history.polls + more_polls;
        self.until("more polls", wait::PATIENCE, |sample| {
            (sample.history.polls >= goal).then_some(())
        })?;
        let sample = self.sample();
        let counted = Reason::ALL.into_iter().zip(sample.history.failures);
        Ok(counted.filter(|(reason, _)| !reasons.contains(reason)).map(|(_, count)| count).sum())
    }
}
