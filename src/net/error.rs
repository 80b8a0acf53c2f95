//! Why a conversation with a server failed, by who is at fault, in words with the way out.

use std::{io, time::Duration};

use thiserror::Error;

use crate::{
    config::Address,
    mongo::{ReplyError, scram::ScramError},
    ratchet::RatchetError,
    tls::{CipherSuite, Fault, TlsVersion},
    wire::WireError,
};

/// A failed dial, login or command.
#[derive(Debug, Error)]
pub enum Error {
    /// The name has no address.
    #[error("the host name {host} cannot be resolved ({what}): check its spelling and DNS")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        what: String,
    },
    /// No address could be connected to.
    #[error("cannot connect to {address}: {what}")]
    Connect {
        /// The host.
        address: Address,
        /// What happened at each of its addresses.
        what: String,
    },
    /// The handshake failed.
    #[error("TLS with {address}: {fault}")]
    Tls {
        /// The host.
        address: Address,
        /// Why, and the way out.
        fault: Fault,
    },
    /// The handshake failed, and the server answers a plaintext hello on the same port.
    #[error(
        "{0} does not use TLS on this port: set ssl = false for it, or enable net.tls.mode on the \
         server"
    )]
    Plaintext(Address),
    /// The server hangs up on our handshake, and would have gone on with what we do not speak.
    #[error(
        "{address} speaks only {version} with {cipher}: TLS 1.2 with ECDHE and AEAD, or TLS 1.3, \
         is required; MongoDB before 3.6.14 / 4.0.3 lacks ECDHE: update it, or put a stunnel in \
         front of it (the recipe is in docs/tls.md)"
    )]
    TlsTooOld {
        /// The host.
        address: Address,
        /// The version that it chose.
        version: TlsVersion,
        /// The cipher that it chose.
        cipher: CipherSuite,
    },
    /// The server hangs up on our handshake, and chooses what we speak when it is offered more.
    #[error(
        "{address} closed the connection in the TLS handshake, but answers a wider offer with \
         {version} and {cipher}: if this stays, it wants a key exchange group or signature \
         algorithm that the agent does not have, else it was starting or takes no more connections"
    )]
    TlsChoosy {
        /// The host.
        address: Address,
        /// The version that it chose.
        version: TlsVersion,
        /// The cipher that it chose.
        cipher: CipherSuite,
    },
    /// The server hangs up on every hello, with and without TLS.
    #[error(
        "{0} accepts TCP but answers nothing, neither to TLS nor to plaintext: it has too many \
         connections, is shutting down, or a proxy stands in between"
    )]
    Unanswering(Address),
    /// `ssl = prefer`: the server does not use TLS, and did before.
    #[error(
        "{0} has spoken TLS before and does not now: ssl = prefer never goes back to plaintext, as \
         somebody in between could cause this; if TLS was really switched off there, run \
         monitoring-agent tls --forget {0}"
    )]
    TlsLost(Address),
    /// `ssl = prefer`: the server does not use TLS, and nobody can tell whether it did before.
    #[error(
        "{address} does not use TLS on this port, and is not watched without because it cannot be \
         told whether it ever did: {fault}"
    )]
    Ratchet {
        /// The host.
        address: Address,
        /// What is wrong with the file.
        fault: RatchetError,
    },
    /// The server hung up before its first reply, over TLS.
    #[error(
        "{0} closed the connection right after the TLS handshake: it requires a client \
         certificate; its log says more (SSLHandshakeFailed, or \"no SSL certificate provided\")"
    )]
    ClosedAfterHandshake(Address),
    /// The server hung up before its first reply, without TLS.
    #[error(
        "{0} closed the connection before its first reply: it most likely requires TLS \
         (net.tls.mode = requireTLS); set ssl = true for it"
    )]
    ClosedBeforeReply(Address),
    /// A deadline passed.
    #[error("{address} did not finish {stage} within {:.1} s", .after.as_secs_f64())]
    Timeout {
        /// The host.
        address: Address,
        /// What was going on.
        stage: Stage,
        /// How long was waited.
        after: Duration,
    },
    /// The connection ended, or broke, while it was in use.
    #[error("the connection to {address} ended: {what}")]
    Closed {
        /// The host.
        address: Address,
        /// What the operating system says.
        what: String,
    },
    /// The peer broke the wire protocol.
    #[error("{address} does not speak the MongoDB wire protocol properly: {fault}")]
    Wire {
        /// The host.
        address: Address,
        /// What was wrong.
        fault: WireError,
    },
    /// The server refused the credentials.
    #[error(
        "{address} refused the user \"{username}\" of database \"{database}\" ({what}): check \
         username, password and authSource"
    )]
    Credentials {
        /// The host.
        address: Address,
        /// Who wanted to log in.
        username: String,
        /// Where the user was looked for.
        database: String,
        /// The server's words.
        what: String,
    },
    /// The login broke off for another reason than the credentials.
    #[error("login at {address} failed: {fault}")]
    Scram {
        /// The host.
        address: Address,
        /// What was wrong.
        fault: ScramError,
    },
    /// The server answered a command with an error.
    #[error("{address}: {fault}")]
    Reply {
        /// The host.
        address: Address,
        /// What it said.
        fault: ReplyError,
    },
}

/// The parts of a conversation that have deadlines of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Asking the resolver for addresses.
    Resolve,
    /// TCP.
    Connect,
    /// TLS.
    Handshake,
    /// The first message and its reply.
    Greeting,
    /// SCRAM.
    Login,
    /// A command and its reply.
    Command,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name resolution",
            Self::Connect => "the TCP connect",
            Self::Handshake => "the TLS handshake",
            Self::Greeting => "the first reply",
            Self::Login => "the login",
            Self::Command => "a command",
        })
    }
}

impl Error {
    /// Whether the connection can go on to be used: the server answered, if only with a no.
    pub fn leaves_connection_usable(&self) -> bool {
        matches!(self, Self::Reply { fault: ReplyError::Server(_), .. })
    }

    pub(super) fn closed(address: &Address, error: &io::Error) -> Self {
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "the server, or something in between, reset it".to_owned()
            }
            _ => error.to_string(),
        };
        Self::Closed { address: address.clone(), what }
    }
}
