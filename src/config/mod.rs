//! From the text of `monitoring-agent.config` to values that cannot be nonsense.
//!
//! What was written (lines and strings) lives in `reader`; what is meant lives here. Nothing
//! downstream sees a raw string, and loading does no work beyond reading the file and the secret
//! files it names: no port is bound, no certificate is read.
//!
//! ```text
//! search ─► private_file ─► reader ─► settings ─► interpret ──► Config
//!  path      bytes, if       lines     entries     hosts ◄─ section ◄─ uri
//!            nobody else     with      that the    login, encryption, identity
//!            sees them       numbers   table knows destination
//! ```
//! A section and its URI may both speak of one thing; `said` holds them to one answer.
//! Everything that is wrong on the way is collected in `problem`, so that one start says it all.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;

use crate::{mongo::scram::Mechanism, secret::Secret};

mod address;
mod base_url;
mod credentials;
mod destination;
mod encryption;
mod hosts;
mod identity;
mod interpret;
mod keys;
mod listing;
mod load;
mod login;
mod nearest;
mod permissions;
pub(crate) mod private_file;
mod problem;
mod reader;
mod said;
mod search;
mod section;
mod settings;
mod uri;
mod value;

pub(crate) use private_file::{PrivateFileError, read_key, read_public};

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
    /// The section's NAME, `host:port`, or NAME/`host:port` where a section has a URI with several
    /// members: the value of the label `host`.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// `None` is plaintext, which only an explicit setting brings about.
    pub tls: Option<TlsPolicy>,
    /// `ssl = prefer`: plaintext too, while the server has provably no TLS, and never again once
    /// it had. `None` unless asked for; never there without `tls`.
    pub prefer: Option<Prefer>,
    /// `None` connects without logging in.
    pub login: Option<Login>,
    /// Time between the starts of two polls.
    pub poll_interval: Duration,
    /// Limit of one command, from request to the last byte of the reply.
    pub command_timeout: Duration,
    /// Limit of a whole connect: name resolution, TCP, TLS, hello and login together.
    pub dial_timeout: Duration,
}

/// The terms of `ssl = prefer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefer {
    /// Whether to log in, by SCRAM only, while the connection is plaintext.
    pub scram_without_tls: bool,
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

/// How a peer's certificate is judged, and what is shown to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPolicy {
    /// Whom to trust.
    pub trust: TrustSource,
    /// A PEM file of revocation lists for the peer's own certificate; `None` looks at none.
    pub crls: Option<PathBuf>,
    /// `false` connects whatever the verification says; it is still run and reported.
    pub require_valid: bool,
    /// `false` accepts a certificate for another name, if all else is right.
    pub require_name: bool,
    /// The agent's own certificate; `None` shows none.
    pub identity: Option<ClientIdentity>,
}

impl TlsPolicy {
    /// A policy without revocation lists and client certificate, which requires the right name.
    pub fn new(trust: TrustSource, require_valid: bool) -> Self {
        Self { trust, crls: None, require_valid, require_name: true, identity: None }
    }
}

/// Where the agent's own certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// A PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// A PEM file with the private key: the same one, unless a connection string names two.
    pub key: PathBuf,
    /// What the key is encrypted with.
    pub password: Option<Secret>,
}

/// By the files alone: a password is not spread into hashes.
impl std::hash::Hash for ClientIdentity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.certificate.hash(state);
        self.key.hash(state);
    }
}

/// Where the trusted certificates come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TrustSource {
    /// The operating system's trust store.
    System,
    /// Only the certificates of this PEM file.
    File(PathBuf),
}

/// How the agent logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// With a name and a password, by SCRAM.
    Scram(ScramLogin),
    /// With the client certificate (MONGODB-X509, on `$external`).
    Certificate {
        /// The user's name where one is configured; `None` leaves it to the server, which takes
        /// the certificate's subject.
        username: Option<String>,
    },
}

impl Login {
    /// A login by the best SCRAM mechanism that the server offers.
    pub fn scram(username: &str, password: Secret, auth_source: &str) -> Self {
        Self::Scram(ScramLogin {
            username: username.to_owned(),
            password,
            auth_source: auth_source.to_owned(),
            mechanism: None,
        })
    }
}

/// A SCRAM user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramLogin {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Secret,
    /// The database that the user was created on.
    pub auth_source: String,
    /// The only mechanism to use; `None` takes the best that the server offers.
    pub mechanism: Option<Mechanism>,
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
