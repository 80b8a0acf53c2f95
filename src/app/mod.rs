//! The only place where siblings meet: from a configuration to a running agent, and to its end.
//!
//! [`run`] builds and runs. After a successful build only the network can disappoint: the port is
//! bound, the state directory is held, what is trusted was looked at.

mod fleet;
mod parts;
mod reload;
mod renewal;
mod signals;
mod state_directory;
mod tasks;
mod trust;

use std::{io, net::SocketAddr, sync::Arc};

use rustix::process::{Resource, Rlimit, setrlimit};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    time::{Instant, MissedTickBehavior},
};
use tracing::{error, info, warn};

pub use self::{
    fleet::{Fleet, ForgetError, Forgotten, HostTls, Ssl, forget, look},
    trust::trust_problems,
};
use self::{
    parts::Parts,
    signals::{Request, Signals},
    state_directory::{StateDirectory, StateDirectoryError},
    tasks::{Kind, Running, Tasks},
    trust::few,
};
use crate::{
    config::{Config, Host},
    exporter,
    poller::Poller,
    status::Readiness,
    tls::NameError,
    upload::{DestinationError, Upload},
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
    forbid_core_dumps();
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

/// Passwords and keys are in memory, and a dump would put them on disk. Lowering a limit cannot
/// fail; if it does, the service unit has the same limit.
fn forbid_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _unit_has_it_too = setrlimit(Resource::Core, none);
}

/// An agent that is ready to run.
#[derive(Debug)]
pub struct App {
    config: Config,
    signals: Signals,
    listener: Option<TcpListener>,
    parts: Parts,
    pollers: Vec<Poller>,
    uploads: Vec<Upload>,
    _state_directory: StateDirectory,
}

/// What woke the main loop.
enum Event {
    Signal(Request),
    Died(Running),
    LookAtFiles,
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
        let parts = Parts::new(&config);
        trust::look(&config, &parts.trusts)?;
        announce(&config);
        parts.look_at_ratchet(&config);
        let uploads =
            config.destinations.iter().map(|it| parts.upload(it)).collect::<Result<_, _>>()?;
        let pollers =
            config.hosts.iter().map(|host| parts.poller(host)).collect::<Result<_, _>>()?;
        let _state_directory = state_directory;
        Ok(Self { config, signals, listener, parts, pollers, uploads, _state_directory })
    }

    /// Runs until a signal to stop or the death of a task, and then stops in the order of the
    /// data: the pollers first, then the uploads within the grace, the exporter last.
    pub async fn run(self) -> Outcome {
        let Self { mut config, mut signals, listener, parts, pollers, uploads, .. } = self;
        let mut tasks = Tasks::default();
        if let Some(listener) = listener {
            let sources = parts.sources.clone();
            let name = Arc::from("exporter");
            tasks.spawn(Kind::Exporter, &name, |stop| exporter::run(listener, sources, stop));
        }
        for (upload, destination) in uploads.into_iter().zip(&config.destinations) {
            start_upload(&mut tasks, &destination.name, upload);
        }
        let hosts = pollers.len();
        for (poller, host) in pollers.into_iter().zip(&config.hosts) {
            start_poller(&mut tasks, &host.name, poller, hosts);
        }
        parts.sources.status.set_readiness(Readiness::Ready);
        info!(version = env!("CARGO_PKG_VERSION"), hosts, "monitoring-agent is running");
        let mut looks = tokio::time::interval(renewal::PACE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outcome = loop {
            let event = tokio::select! {
                request = signals.next() => Event::Signal(request),
                task = tasks.unexpected_end() => Event::Died(task),
                _ = looks.tick() => Event::LookAtFiles,
            };
            match event {
                Event::Signal(Request::Stop(signal)) => {
                    info!(signal, "asked to stop");
                    break Outcome::Stopped;
                }
                Event::Signal(Request::Reload) => {
                    renewal::look(&parts).await;
                    reload::reload(&mut config, &parts, &mut tasks).await;
                }
                Event::LookAtFiles => renewal::look(&parts).await,
                Event::Died(task) => {
                    let (kind, name) = (task.kind, &*task.name);
                    error!(?kind, name, "a task ended that should have run on");
                    break Outcome::TaskDied;
                }
            }
        };
        parts.sources.status.set_readiness(Readiness::Stopping);
        let deadline = Instant::now() + config.stop_grace;
        tokio::select! {
            () = tasks.stop(&parts.spool, deadline) => info!("stopped"),
            signal = signals.stop() => warn!(signal, "asked again, stopped at once"),
        }
        outcome
    }
}

fn start_poller(tasks: &mut Tasks, name: &Arc<str>, poller: Poller, hosts: usize) {
    tasks.spawn(Kind::Poller, name, |stop| Box::new(poller).run(hosts, stop));
}

fn start_upload(tasks: &mut Tasks, name: &Arc<str>, upload: Upload) {
    tasks.spawn(Kind::Upload, name, |stop| async move {
        let _left_is_counted_and_logged = upload.run(stop).await;
    });
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let refused = |what| StartError::Listen { address, what };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    info!(%address, "listening");
    Ok(listener)
}

/// Says at once, and loudly, what weakens the watch.
fn announce(config: &Config) {
    let plaintext: Vec<_> = names(config, |host| host.tls.is_none());
    if !plaintext.is_empty() {
        warn!(hosts = few(&plaintext), "these hosts are watched without TLS (ssl = false)");
    }
    announce_preferring(config);
    if config.listen.is_none() && config.destinations.is_empty() {
        warn!(
            "nobody gets to see the samples: prometheusListenAddress is off, and no management \
             server is configured"
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

fn announce_preferring(config: &Config) {
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
}

fn names(config: &Config, which: impl Fn(&Host) -> bool) -> Vec<String> {
    config.hosts.iter().filter(|host| which(host)).map(|host| host.name.to_string()).collect()
}
