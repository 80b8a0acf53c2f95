//! From the text of `monitoring-agent.config` to values that cannot be nonsense.
//!
//! What was written (lines and strings) lives in `reader`; what is meant lives here. Nothing
//! downstream sees a raw string, and loading does no work beyond reading the file and the secret
//! files it names: no port is bound, no certificate is read.
//!
//! ```text
//! search ─► private_file ─► reader ─► settings ─► interpret ─► Config
//!  path      bytes, if       lines     entries     hosts, login,
//!            nobody else     with      that the    destination
//!            sees them       numbers   table knows
//! ```
//! Everything that is wrong on the way is collected in `problem`, so that one start says it all.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;

use crate::secret::Secret;

mod address;
mod base_url;
mod credentials;
mod destination;
mod hosts;
mod interpret;
mod keys;
mod listing;
mod load;
mod nearest;
mod permissions;
mod private_file;
mod problem;
mod reader;
mod search;
mod settings;
mod value;

pub use listing::settings_table;
pub use load::{Loaded, load, parse};
pub use problem::{Problem, Problems};
pub use search::{Found, NotFound, find};

/// A whole, valid configuration. It is immutable: a reload replaces it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file this was read from.
    pub file: PathBuf,
    /// The servers to watch, at least one, in the order of the file, with distinct names.
    pub hosts: Vec<Host>,
    /// Where `/metrics` is served; `None` when `prometheusListenAddress = off`.
    pub listen: Option<SocketAddr>,
    /// Where samples are sent; empty when no management server is configured.
    pub destinations: Vec<Destination>,
    /// What must outlive a restart is kept here.
    pub state_directory: PathBuf,
    /// How long deliveries may go on after the agent was asked to stop.
    pub stop_grace: Duration,
    /// The least severe level that is logged.
    pub log_level: LogLevel,
}

/// One MongoDB server to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The section's NAME, or `host:port`: the value of the label `host`.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// `None` is plaintext, which only an explicit setting brings about.
    pub tls: Option<TlsPolicy>,
    /// `None` connects without logging in.
    pub login: Option<Login>,
    /// Time between the starts of two polls.
    pub poll_interval: Duration,
    /// Limit of one command, from request to the last byte of the reply.
    pub command_timeout: Duration,
    /// Limit of a whole connect: name resolution, TCP, TLS, hello and login together.
    pub dial_timeout: Duration,
}

/// A host name or IP address with a port. Displayed as `host:port`, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How a peer's certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// Whom to trust.
    pub trust: TrustSource,
    /// `false` connects whatever the verification says; it is still run and reported.
    pub require_valid: bool,
}

/// Where the trusted certificates come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TrustSource {
    /// The operating system's trust store.
    System,
    /// Only the certificates of this PEM file.
    File(PathBuf),
}

/// A SCRAM user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Secret,
    /// The database that the user was created on.
    pub auth_source: String,
}

/// A management server that samples are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `mms`, or the section's NAME.
    pub name: Arc<str>,
    /// The whole URL that batches are posted to; http or https, without user information.
    pub url: String,
    /// User of HTTP Basic authentication (mmsGroupId).
    pub username: String,
    /// Password of HTTP Basic authentication (mmsApiKey).
    pub password: Secret,
    /// How its certificate is judged when the URL is https.
    pub tls: TlsPolicy,
    /// Added to everything that is sent there.
    pub labels: Vec<(String, String)>,
}

/// The levels of `logLevel`, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogLevel {
    /// Data was lost, or the agent ends.
    Error,
    /// The agent coped.
    Warn,
    /// Changes of state, and the echo of an operator's action.
    Info,
    /// For whoever looks for a fault.
    Debug,
}
