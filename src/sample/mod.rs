//! The one value that travels: what a poll of one host brought back, or why it brought nothing.
//!
//! Pollers make samples; the exporter, the spool and the uploaders read them. Numbers are kept as
//! columns under a schema that all hosts with the same set of leaves share ([`columns`],
//! [`schema`]): about 17 kB for a 6.0 server's 2,000 numbers, and no names.

mod clock;
mod columns;
mod failure;
mod packed;
mod schema;
mod walk;

use std::{sync::Arc, time::Duration};

pub use self::{
    clock::{Clock, wall_millis},
    columns::{Columns, Number},
    failure::{Failure, Reason},
    schema::{Interner, Schema},
};
use crate::{
    config::Address,
    mongo::TlsMode,
    net::{HandshakeReport, Transport},
};

/// What one poll of one host brought back.
#[derive(Debug)]
pub struct Sample {
    /// Whom it is about.
    pub host: Arc<HostIdentity>,
    /// When the poll began, in milliseconds since the Unix epoch, never going backwards for a host.
    pub taken_at: i64,
    /// How long the poll took, a connect and login included.
    pub took: Duration,
    /// The replies, or why there are none.
    pub outcome: Result<Reading, Failure>,
    /// Everything counted for this host since the agent started, this poll included.
    pub history: History,
    /// What the last TLS handshake showed, also when it failed; `None` for a plaintext host, and
    /// before any certificate was seen.
    pub handshake: Option<Arc<HandshakeReport>>,
}

/// Who a sample is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostIdentity {
    /// The value of the label `host`.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// Whether the configuration asks for TLS.
    pub tls: bool,
    /// Whether the configuration asks for a valid certificate.
    pub require_valid: bool,
}

/// The replies of a host that is up: hello was answered, and login succeeded where one is configured.
#[derive(Debug)]
pub struct Reading {
    /// How the connection is protected, as it is and not as it is configured.
    pub transport: Transport,
    /// Start of this incarnation of the server, in milliseconds since the Unix epoch; pinned, so
    /// that it does not flap by a millisecond between replies. `None` until serverStatus told it.
    pub server_started_at: Option<i64>,
    /// One slot for each collector, in the order of [`Collector::ALL`]; `None` where it does not
    /// apply to this kind of node or has not run yet.
    pub collected: [Option<Collected>; Collector::ALL.len()],
}

impl Reading {
    /// What one collector brought back.
    pub fn collected(&self, collector: Collector) -> Option<&Collected> {
        self.collected.get(collector as usize)?.as_ref()
    }

    /// The columns of one collector, if its last run succeeded.
    pub fn columns(&self, collector: Collector) -> Option<&Columns> {
        self.collected(collector)?.outcome.as_deref().ok()
    }

    /// How the server states that it uses TLS, by the newer parameter if it has both.
    pub fn tls_mode(&self) -> Option<TlsMode> {
        let stated = self.columns(Collector::GetParameter)?;
        TlsMode::of(stated.text("tlsMode").or_else(|| stated.text("sslMode"))?)
    }
}

/// One command's reply.
#[derive(Clone, Debug)]
pub struct Collected {
    /// When the command was sent, in milliseconds since the Unix epoch.
    pub taken_at: i64,
    /// From request to decoded reply.
    pub took: Duration,
    /// The reply, or why there is none. Shared, because slow collectors' replies are used by many
    /// polls.
    pub outcome: Result<Arc<Columns>, Failure>,
}

/// The commands whose replies a reading holds. The order is the order of [`Reading::collected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collector {
    /// `serverStatus`, at each poll.
    ServerStatus,
    /// `hello` (`isMaster` on servers before 4.4.2), at each poll.
    Hello,
    /// `replSetGetStatus`, at each poll of a replica-set member.
    ReplSetGetStatus,
    /// `buildInfo`, once a connection.
    BuildInfo,
    /// `getParameter` for how the server itself says it uses TLS (`tlsMode`, `sslMode`), every
    /// minute.
    GetParameter,
}

impl Collector {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [
        Self::ServerStatus,
        Self::Hello,
        Self::ReplSetGetStatus,
        Self::BuildInfo,
        Self::GetParameter,
    ];

    /// The value of the label `collector`, and the name of the command.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerStatus => "serverStatus",
            Self::Hello => "hello",
            Self::ReplSetGetStatus => "replSetGetStatus",
            Self::BuildInfo => "buildInfo",
            Self::GetParameter => "getParameter",
        }
    }
}

/// What was counted for one host since the agent started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Polls begun and ended, successful or not.
    pub polls: u64,
    /// Polls that failed, by reason, in the order of [`Reason::ALL`].
    pub failures: [u64; Reason::ALL.len()],
    /// Connections that were opened up to a successful hello (and login).
    pub connections: u64,
}
