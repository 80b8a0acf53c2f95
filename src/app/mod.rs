//! The only place where siblings meet: from a configuration to a running agent, and to its end.
//!
//! [`run`] builds and runs. After a successful build only the network can disappoint: the port is
//! bound, the state directory is held, what is trusted was looked at.

mod fleet;
mod signals;
mod state_directory;
mod tasks;
mod trust;

use std::{io, net::SocketAddr, sync::Arc};

use thiserror::Error;
use tokio::{net::TcpListener, time::Instant};
use tracing::{error, info, warn};

pub use self::{
    fleet::{Fleet, ForgetError, Forgotten, HostTls, Ssl, forget, look},
    trust::trust_problems,
};
use self::{
    signals::Signals,
    state_directory::{StateDirectory, StateDirectoryError},
    tasks::{Ended, Tasks},
    trust::few,
};
use crate::{
    config::{Config, Destination, Host},
    exporter::{self, Sources},
    latest::Latest,
    metrics::View,
    net::{Target, Trusts},
    poller::{Outputs, Poller},
    ratchet::Ratchet,
    sample::{Interner, wall_millis},
    spool::{Limits, Spool},
    status::{Readiness, Status},
    telemetry::Telemetry,
    tls::NameError,
    upload::{self, DestinationError, Upload},
};

/// Threads for polling, rendering and sending. One poll costs half a millisecond, so that two
/// serve thousands of hosts; a second one keeps scrapes quick while the first is busy.
const WORKERS: usize = 2;

/// Threads for name resolution and key derivation, which block.
const BLOCKING_THREADS: usize = 64;

/// Why the agent could not be built.
#[derive(Debug, Error)]
pub enum StartError {
    /// The operating system gives no threads or no signals.
    #[error("the operating system refuses what the agent needs: {0}")]
    System(#[from] io::Error),
    /// The state directory cannot be had.
    #[error(transparent)]
    StateDirectory(#[from] StateDirectoryError),
    /// The port cannot be had.
    #[error(
        "cannot listen on prometheusListenAddress {address} ({what}): choose another address, or \
         set it to off"
    )]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the operating system says.
        what: io::Error,
    },
    /// A host's name is none.
    #[error("host {host}: {fault}")]
    Host {
        /// The host.
        host: Arc<str>,
        /// What is wrong with it.
        fault: NameError,
    },
    /// A destination's URL is none.
    #[error("destination {destination}: {fault}")]
    Destination {
        /// The destination.
        destination: Arc<str>,
        /// What is wrong with it.
        fault: DestinationError,
    },
    /// Nobody is trusted.
    #[error("{0}")]
    Trust(String),
}

/// How a run of the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was asked to stop, and did.
    Stopped,
    /// A task ended that should have run on.
    TaskDied,
}

/// Builds the agent and runs it until it is asked to stop, or a task dies.
///
/// # Errors
/// See [`StartError`].
pub fn run(config: Config) -> Result<Outcome, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let app = App::build(config).await?;
        Ok(app.run().await)
    });
    // A look-up that is stuck in the resolver must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// An agent that is ready to run.
#[derive(Debug)]
pub struct App {
    config: Config,
    signals: Signals,
    listener: Option<TcpListener>,
    sources: Sources,
    spool: Spool,
    pollers: Vec<Poller>,
    uploads: Vec<Upload>,
    _state_directory: StateDirectory,
}

impl App {
    /// Takes everything that the agent needs from its machine, and says what it is about to do.
    ///
    /// # Errors
    /// See [`StartError`]. A file of trusted certificates that cannot be used is none: the hosts
    /// that rely on it are down until it can, and the others are not affected.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        let signals = Signals::listen()?;
        let state_directory = StateDirectory::open(&config.state_directory)?;
        let listener = match config.listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let trusts = Arc::new(Trusts::default());
        trust::look(&config, &trusts)?;
        announce(&config);
        let sources = sources(&config);
        let spool = Spool::new(Limits::default());
        let uploads = uploads(&config, &sources, &spool, &trusts)?;
        let ratchet = Arc::new(ratchet(&config));
        let pollers = pollers(&config, &sources, &spool, &trusts, &ratchet)?;
        let _state_directory = state_directory;
        Ok(Self { config, signals, listener, sources, spool, pollers, uploads, _state_directory })
    }

    /// Runs until a signal or the death of a task, and then stops in the order of the data: the
    /// pollers first, then the uploads within the grace, the exporter last.
    pub async fn run(self) -> Outcome {
        let Self { config, mut signals, listener, sources, spool, pollers, uploads, .. } = self;
        let status = sources.status.clone();
        let mut tasks = Tasks::new();
        if let Some(listener) = listener {
            tasks.spawn_exporter(|stop| exporter::run(listener, sources, stop));
        }
        for upload in uploads {
            tasks.spawn_upload(|stop| async move {
                let _left_is_counted_and_logged = upload.run(stop).await;
            });
        }
        let hosts = pollers.len();
        for poller in pollers {
            tasks.spawn_poller(|stop| Box::new(poller).run(hosts, stop));
        }
        status.set_readiness(Readiness::Ready);
        info!(version = env!("CARGO_PKG_VERSION"), hosts, "monitoring-agent is running");
        let ended = tokio::select! {
            signal = signals.stop(&config.file) => Ended::Asked(signal),
            task = tasks.unexpected_end() => Ended::Unasked(task),
        };
        status.set_readiness(Readiness::Stopping);
        match &ended {
            Ended::Asked(signal) => info!(signal, "asked to stop"),
            Ended::Unasked(task) => error!(task, "a task ended that should have run on"),
        }
        let deadline = Instant::now() + config.stop_grace;
        tokio::select! {
            () = tasks.stop(&spool, deadline) => info!("stopped"),
            signal = signals.stop(&config.file) => warn!(signal, "asked again, stopped at once"),
        }
        if matches!(ended, Ended::Asked(_)) { Outcome::Stopped } else { Outcome::TaskDied }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let refused = |what| StartError::Listen { address, what };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    info!(%address, "listening");
    Ok(listener)
}

fn sources(config: &Config) -> Sources {
    let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"), wall_millis());
    telemetry.set_hosts(config.hosts.len());
    let hosts = config.hosts.iter().map(|host| Arc::clone(&host.name));
    let destinations = config.destinations.iter().map(|destination| Arc::clone(&destination.name));
    Sources {
        latest: Latest::default(),
        view: Arc::new(View::new()),
        telemetry,
        status: Status::new(hosts, destinations),
    }
}

fn uploads(
    config: &Config,
    sources: &Sources,
    spool: &Spool,
    trusts: &Arc<Trusts>,
) -> Result<Vec<Upload>, StartError> {
    let shared = upload::Shared {
        view: Arc::clone(&sources.view),
        trusts: Arc::clone(trusts),
        status: sources.status.clone(),
        agent_started_at: wall_millis(),
    };
    let build = |destination: &Destination| {
        let telemetry = sources.telemetry.destination(&destination.name);
        let cursor = spool.cursor(Arc::clone(&destination.name), telemetry.clone());
        Upload::build(destination, cursor, telemetry, &shared).map_err(|fault| {
            StartError::Destination { destination: Arc::clone(&destination.name), fault }
        })
    };
    config.destinations.iter().map(build).collect()
}

fn pollers(
    config: &Config,
    sources: &Sources,
    spool: &Spool,
    trusts: &Arc<Trusts>,
    ratchet: &Arc<Ratchet>,
) -> Result<Vec<Poller>, StartError> {
    let outputs = Outputs {
        latest: sources.latest.clone(),
        spool: spool.clone(),
        status: sources.status.clone(),
        telemetry: sources.telemetry.clone(),
        interner: Arc::new(Interner::default()),
    };
    let build = |host: &Host| {
        let target = Target::new(host, trusts)
            .map_err(|fault| StartError::Host { host: Arc::clone(&host.name), fault })?
            .with_ratchet(host, ratchet);
        Ok(Poller::new(host, target, outputs.clone()))
    };
    config.hosts.iter().map(build).collect()
}

/// The memory of `ssl = prefer`. One that cannot be read is said at once where it matters.
fn ratchet(config: &Config) -> Ratchet {
    let ratchet = Ratchet::of(&config.state_directory);
    let preferring = names(config, |host| host.prefer.is_some());
    if let (false, Err(fault)) = (preferring.is_empty(), ratchet.marks()) {
        error!(
            hosts = few(&preferring),
            "ssl = prefer: it cannot be told which hosts have spoken TLS, so none of these is \
             watched without: {fault}"
        );
    }
    ratchet
}

/// Says at once, and loudly, what weakens the watch.
fn announce(config: &Config) {
    let plaintext: Vec<_> = names(config, |host| host.tls.is_none());
    if !plaintext.is_empty() {
        warn!(hosts = few(&plaintext), "these hosts are watched without TLS (ssl = false)");
    }
    let preferring = names(config, |host| host.prefer.is_some());
    if !preferring.is_empty() {
        warn!(
            hosts = few(&preferring),
            "these hosts are watched without TLS until they have it for the first time \
             (ssl = prefer)"
        );
    }
    let logging_in = names(config, |host| {
        host.prefer.is_some_and(|terms| terms.scram_without_tls) && host.login.is_some()
    });
    if !logging_in.is_empty() {
        warn!(
            hosts = few(&logging_in),
            "until then the agent logs in to these hosts without TLS (scramWithoutTls = true): \
             whoever listens can try passwords against what they hear"
        );
    }
    let unverified: Vec<_> =
        names(config, |host| host.tls.as_ref().is_some_and(|tls| !tls.require_valid));
    if !unverified.is_empty() {
        warn!(
            hosts = few(&unverified),
            "the certificates of these hosts are not required to be valid \
             (sslRequireValidServerCertificates = false): anybody can pose as them"
        );
    }
    for destination in config.destinations.iter().filter(|it| !it.tls.require_valid) {
        warn!(
            destination = %destination.name,
            "the certificate of this destination is not required to be valid \
             (sslRequireValidMMSServerCertificates = false): anybody can pose as it"
        );
    }
}

fn names(config: &Config, which: impl Fn(&Host) -> bool) -> Vec<String> {
    config.hosts.iter().filter(|host| which(host)).map(|host| host.name.to_string()).collect()
}
