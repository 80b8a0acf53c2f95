//! What all pollers and uploads of a process share, and how one of them is made.

use std::sync::Arc;

use super::{StartError, trust::few};
use crate::{
    config::{Config, Destination, Host},
    exporter::Sources,
    latest::Latest,
    metrics::View,
    net::{Target, Trusts},
    poller::{Outputs, Poller},
    ratchet::Ratchet,
    sample::{Interner, wall_millis},
    spool::{Limits, Spool},
    status::Status,
    telemetry::Telemetry,
    upload::{self, Upload},
};

/// The shared parts; they outlive every configuration.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) sources: Sources,
    pub(super) spool: Spool,
    pub(super) trusts: Arc<Trusts>,
    ratchet: Arc<Ratchet>,
    interner: Arc<Interner>,
    /// Where the agent's own counters begin, in milliseconds since the Unix epoch.
    agent_started_at: i64,
}

impl Parts {
    pub(super) fn new(config: &Config) -> Self {
        let agent_started_at = wall_millis();
        let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), agent_started_at);
        let parts = Self {
            sources: Sources {
                latest: Latest::default(),
                view: Arc::new(View::new()),
                telemetry,
                status: Status::new([], []),
            },
            spool: Spool::new(Limits::default()),
            trusts: Arc::default(),
            ratchet: Arc::new(Ratchet::of(&config.state_directory)),
            interner: Arc::default(),
            agent_started_at,
        };
        parts.name(config);
        parts
    }

    /// Takes the names of a configuration's hosts and destinations.
    pub(super) fn name(&self, config: &Config) {
        let Sources { telemetry, status, .. } = &self.sources;
        telemetry.set_hosts(config.hosts.len());
        status.set_hosts(config.hosts.iter().map(|host| Arc::clone(&host.name)));
        status.set_destinations(config.destinations.iter().map(|it| Arc::clone(&it.name)));
    }

    /// The memory of `ssl = prefer`. One that cannot be read is said at once where it matters.
    pub(super) fn look_at_ratchet(&self, config: &Config) {
        let preferring = config.hosts.iter().filter(|host| host.prefer.is_some());
        let preferring: Vec<_> = preferring.map(|host| host.name.to_string()).collect();
        if let (false, Err(fault)) = (preferring.is_empty(), self.ratchet.marks()) {
            tracing::error!(
                hosts = few(&preferring),
                "ssl = prefer: it cannot be told which hosts have spoken TLS, so none of these is \
                 watched without: {fault}"
            );
        }
    }

    pub(super) fn poller(&self, host: &Host) -> Result<Poller, StartError> {
        let target = Target::new(host, &self.trusts)
            .map_err(|fault| StartError::Host { host: Arc::clone(&host.name), fault })?
            .with_ratchet(host, &self.ratchet);
        let outputs = Outputs {
            latest: self.sources.latest.clone(),
            spool: self.spool.clone(),
            status: self.sources.status.clone(),
            telemetry: self.sources.telemetry.clone(),
            trusts: Arc::clone(&self.trusts),
            interner: Arc::clone(&self.interner),
        };
        Ok(Poller::new(host, target, outputs))
    }

    pub(super) fn upload(&self, destination: &Destination) -> Result<Upload, StartError> {
        let shared = upload::Shared {
            view: Arc::clone(&self.sources.view),
            trusts: Arc::clone(&self.trusts),
            status: self.sources.status.clone(),
            agent_started_at: self.agent_started_at,
        };
        let telemetry = self.sources.telemetry.destination(&destination.name);
        let cursor = self.spool.cursor(Arc::clone(&destination.name), telemetry.clone());
        Upload::build(destination, cursor, telemetry, &shared).map_err(|fault| {
            StartError::Destination { destination: Arc::clone(&destination.name), fault }
        })
    }
}
