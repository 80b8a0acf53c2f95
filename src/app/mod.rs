//! The only place where siblings meet: from a configuration to a running agent, and to its end.
//!
//! [`run`] builds and runs. After a successful build only the network can disappoint: the port is
//! bound, the state directory is held, what is trusted was looked at.

mod state_directory;
mod tasks;

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{error, info, warn};

use self::{
    state_directory::{StateDirectory, StateDirectoryError},
    tasks::{End, Tasks},
};
use crate::{
    cli::Exit,
    config::{self, Config, Host},
    exporter::Exporter,
    latest::Latest,
    metrics::View,
    net::{Target, Trusts},
    poller::{Outputs, Poller},
    sample::{Interner, wall_millis},
    spool::{Limits, Spool},
    status::{Readiness, Status},
    telemetry::Telemetry,
    tls::TrustError,
    upload::Uploader,
};

/// Threads for polling, rendering and sending. One poll costs half a millisecond, so that two
/// serve thousands of hosts; a second one keeps scrapes quick while the first is busy.
const WORKERS: usize = 2;

/// Threads for name resolution and key derivation, which block.
const BLOCKING_THREADS: usize = 64;

/// Why the agent could not be built.
#[derive(Debug, Error)]
enum StartError {
    #[error("the runtime cannot be started: {0}")]
    Runtime(std::io::Error),
    #[error(transparent)]
    StateDirectory(#[from] StateDirectoryError),
    #[error(
        "cannot listen on prometheusListenAddress {address}: {what}: choose a free address, or set \
         it to off"
    )]
    Listen { address: SocketAddr, what: std::io::Error },
    #[error("host {host}: {what}")]
    Host { host: Arc<str>, what: String },
    #[error("destination {destination}: {what}")]
    Destination { destination: Arc<str>, what: String },
}

/// Builds the agent and runs it until it is asked to stop, or a task dies.
pub fn run(config: Config) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build();
    let exit = match runtime.map_err(StartError::Runtime) {
        Ok(runtime) => {
            let exit = runtime.block_on(async {
                match App::build(config).await {
                    Ok(app) => Ok(app.run().await),
                    Err(error) => Err(error),
                }
            });
            // A look-up that is stuck in the resolver must not hold up the end.
            runtime.shutdown_background();
            exit
        }
        Err(error) => Err(error),
    };
    exit.unwrap_or_else(|error| {
        error!("could not start: {error}");
        Exit::CannotStart
    })
}

/// What is wrong with the trusted certificates that a configuration names, one line each, with the
/// hosts and destinations that rely on them.
pub fn trust_problems(config: &Config) -> Vec<String> {
    let trusts = Arc::new(Trusts::default());
    let mut users: HashMap<String, Vec<String>> = HashMap::new();
    let hosts = config.hosts.iter().map(|host| (format!("host {}", host.name), host_trust(host, &trusts)));
    let destinations = config.destinations.iter().map(|destination| {
        let trust = Uploader::check(destination, &trusts);
        (format!("destination {}", destination.name), trust)
    });
    for (user, trust) in hosts.chain(destinations) {
        if let Err(problem) = trust {
            users.entry(problem).or_default().push(user);
        }
    }
    let mut lines: Vec<_> =
        users.into_iter().map(|(problem, users)| format!("{problem} ({})", few(&users))).collect();
    lines.sort();
    lines
}

fn host_trust(host: &Host, trusts: &Arc<Trusts>) -> Result<(), String> {
    let target = Target::new(host, trusts).map_err(|error| error.to_string())?;
    target.load_trust().map_err(|error| error.to_string())
}

/// The first names of a list, and how many more there are.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
