//! Why something could not be had: a closed reason for labels, and words for people.

use crate::{
    mongo::{ErrorKind, ReplyError, ServerError},
    net,
    tls::Fault,
    wire::WireError,
};

/// Why a poll, or one of its commands, brought nothing back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For counters and decisions.
    pub reason: Reason,
    /// One sentence that names the host, the fact, and the way out. Never holds a secret.
    pub words: String,
}

/// The closed set of reasons of `mongodb_poll_failures_total{reason}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The host name could not be resolved.
    Resolve,
    /// TCP: refused, unreachable, no answer.
    Connect,
    /// The TLS handshake failed, for another reason than the server's certificate.
    Tls,
    /// The server's certificate was refused.
    Certificate,
    /// A deadline passed.
    Timeout,
    /// The server refused the credentials.
    Authentication,
    /// The server refuses the command to this user.
    Permission,
    /// What came back is not the wire protocol of MongoDB, or breaks a limit.
    Protocol,
    /// The connection ended while a reply was awaited.
    Closed,
    /// The server answered with another error.
    Server,
}

impl Reason {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 10] = [
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::Certificate,
        Self::Timeout,
        Self::Authentication,
        Self::Permission,
        Self::Protocol,
        Self::Closed,
        Self::Server,
    ];

    /// The value of the label `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::Timeout => "timeout",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Server => "server",
        }
    }
}

impl From<&net::Error> for Failure {
    fn from(error: &net::Error) -> Self {
        let reason = reason(error);
        let words = match reason {
            Reason::Permission => format!(
                "{error}; grant the user the role clusterMonitor on admin; it is asked again within \
                 the hour, and at a restart of the agent"
            ),
            _ => error.to_string(),
        };
        Self { reason, words }
    }
}

impl From<&WireError> for Failure {
    fn from(error: &WireError) -> Self {
        Self { reason: Reason::Protocol, words: format!("the reply cannot be read: {error}") }
    }
}

fn reason(error: &net::Error) -> Reason {
    match error {
        net::Error::Resolve { .. } => Reason::Resolve,
        net::Error::Connect { .. } => Reason::Connect,
        net::Error::Tls { fault: Fault::Refused { .. }, .. } => Reason::Certificate,
        net::Error::Tls { .. }
        | net::Error::Plaintext(_)
        | net::Error::TlsTooOld { .. }
        | net::Error::TlsChoosy { .. }
        | net::Error::Unanswering(_)
        | net::Error::TlsLost(_)
        | net::Error::Ratchet { .. }
        | net::Error::ClosedAfterHandshake(_)
        | net::Error::ClosedBeforeReply(_) => Reason::Tls,
        net::Error::Timeout { .. } => Reason::Timeout,
        net::Error::Closed { .. } => Reason::Closed,
        net::Error::Wire { .. } => Reason::Protocol,
        net::Error::Credentials { .. } | net::Error::Scram { .. } => Reason::Authentication,
        net::Error::Reply { fault: ReplyError::Malformed, .. } => Reason::Protocol,
        net::Error::Reply { fault: ReplyError::Server(fault), .. } => server_reason(fault),
    }
}

fn server_reason(fault: &ServerError) -> Reason {
    match fault.kind() {
        ErrorKind::Authentication => Reason::Authentication,
        ErrorKind::Permission => Reason::Permission,
        ErrorKind::Timeout => Reason::Timeout,
        ErrorKind::UnknownCommand
        | ErrorKind::NoReplicaSet
        | ErrorKind::NoSuchOption
        | ErrorKind::Other => Reason::Server,
    }
}
