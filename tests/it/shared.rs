//! What many tests use and none changes. It ends with the process (support/guard.rs).

use std::{io::IsTerminal, path::Path, sync::OnceLock};

use crate::support::{
    mongod::{Mongod, Progress},
    replica_set::ReplicaSet,
    server::Server,
};

/// The newest version that is installed here.
pub(crate) const NEWEST: &str = "6.0.27";

/// The real binary.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_monitoring-agent"))
}

/// A real mongod of a version.
pub(crate) fn mongod(version: &str) -> Mongod {
    // Whoever runs the tests for the first time sees what they wait for.
    let watched = std::io::stdout().is_terminal();
    let progress = if watched { Progress::Shown } else { Progress::Silent };
    Mongod::installed(version, progress).expect("mongod can be installed")
}

/// A replica set of the newest version with TLS and users.
pub(crate) fn replica_set() -> &'static ReplicaSet {
    static SET: OnceLock<ReplicaSet> = OnceLock::new();
    SET.get_or_init(|| ReplicaSet::start(&mongod(NEWEST)).expect("a replica set starts"))
}

/// A server of the newest version without TLS and without users.
pub(crate) fn plain_server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&mongod(NEWEST), &[]).expect("a server starts"))
}
