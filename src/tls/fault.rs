//! Why a handshake failed, and the words for it.

use std::{error::Error as StdError, io};

use rustls::{AlertDescription, Error as RustlsError};
use thiserror::Error;

use super::{
    CrlError, IdentityError, NameError, Role, TrustError, Verification, judge::Refusal,
    report::Certificate, trust::Trust, verifier::Seen, words,
};

/// Why a handshake failed. The words name the fact and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The trusted certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The revocation lists cannot be used.
    #[error(transparent)]
    Crl(#[from] CrlError),
    /// The client certificate cannot be used.
    #[error("cannot use the client certificate: {0}")]
    Identity(IdentityError),
    /// The configured host is no name that a certificate can be for.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The peer's certificate was refused.
    #[error("{words}")]
    Refused {
        /// Why, as a closed set.
        verification: Verification,
        /// Why, and the way out.
        words: String,
    },
    /// The peer ended the connection in the handshake without a word.
    #[error(
        "the server closed the connection in the TLS handshake without an alert: it does not use \
         TLS on this port, speaks only versions or ciphers older than TLS 1.2 with ECDHE, or takes \
         no more connections"
    )]
    Closed,
    /// The peer sent a TLS alert.
    #[error("{0}")]
    Alert(String),
    /// What the peer answers is not TLS.
    #[error("the server's answer is not TLS: {}", not_tls(*.0))]
    NotTls(Role),
    /// Anything else the peer did wrong.
    #[error("the TLS handshake failed: {0}")]
    Peer(String),
}

/// What the words for a fault need to know.
pub(super) struct Context<'a> {
    /// Whom the certificate was judged against.
    pub(super) trust: &'a Trust,
    /// Which keys the way out lies in.
    pub(super) role: Role,
    /// The name that the agent connects to.
    pub(super) peer: &'a str,
}

// Not derived, as that would make it the source too, whose words the message has already.
impl From<IdentityError> for Fault {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

impl Fault {
    /// The fault behind an error of the handshake.
    pub(super) fn of(error: &io::Error, seen: &Seen, context: &Context<'_>) -> Self {
        if let Some(fault) = rustls_error(error) {
            return Self::of_rustls(fault, seen, context);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Peer(error.to_string()),
        }
    }

    /// The fault of TLS behind an error of an HTTPS client; `None` when something else failed.
    pub(super) fn among(
        error: &(dyn StdError + 'static),
        seen: &Seen,
        context: &Context<'_>,
    ) -> Option<Self> {
        std::iter::successors(Some(error), |&error| error.source())
            .filter_map(|error| rustls_error(error.downcast_ref::<io::Error>()?))
            .map(|error| Self::of_rustls(error, seen, context))
            .next()
    }

    /// A refused certificate, in words.
    pub(super) fn refused(refusal: &Refusal, chain: &[Certificate], context: &Context<'_>) -> Self {
        Self::Refused {
            verification: refusal.verification(),
            words: words::refusal(refusal, chain, context),
        }
    }

    fn of_rustls(error: &RustlsError, seen: &Seen, context: &Context<'_>) -> Self {
        match error {
            RustlsError::InvalidCertificate(_) => match &seen.verdict {
                Some(Err(refusal)) => Self::refused(refusal, &seen.chain, context),
                // The certificate was accepted, and the handshake's signature is not its key's.
                _ => Self::Peer(format!(
                    "the server does not hold the key of its certificate: {error}"
                )),
            },
            RustlsError::AlertReceived(alert) => Self::Alert(alert_words(*alert)),
            RustlsError::InvalidMessage(_) => Self::NotTls(context.role),
            RustlsError::PeerIncompatible(_) => {
                Self::Peer(format!("{error}; TLS 1.2 with ECDHE, or TLS 1.3, is required"))
            }
            other => Self::Peer(other.to_string()),
        }
    }
}

/// The way out where something else than TLS answers.
fn not_tls(role: Role) -> &'static str {
    match role {
        Role::Mongo => {
            "it does not use TLS on this port (set ssl = false for it, or enable net.tls.mode), or \
             another service listens there"
        }
        Role::ManagementServer => {
            "another service, or plain http, listens on this port; check mmsBaseUrl"
        }
    }
}

/// The rustls error inside an I/O error, however deep it was wrapped.
fn rustls_error(error: &io::Error) -> Option<&RustlsError> {
    let inner = error.get_ref()?;
    if let Some(found) = inner.downcast_ref::<RustlsError>() {
        return Some(found);
    }
    rustls_error(inner.downcast_ref::<io::Error>()?)
}

fn alert_words(alert: AlertDescription) -> String {
    let way_out = match alert {
        AlertDescription::ProtocolVersion => {
            "the server speaks only TLS versions before 1.2: update it, or its \
             net.tls.disabledProtocols"
        }
        AlertDescription::HandshakeFailure => {
            "no cipher in common: TLS 1.2 with ECDHE and AEAD, or TLS 1.3, is required; MongoDB \
             before 3.6.14 / 4.0.3 lacks ECDHE"
        }
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA => "the server requires a client certificate",
        AlertDescription::UnrecognisedName => "the server does not know this host name",
        _ => return format!("the server refused the TLS handshake with the alert {alert:?}"),
    };
    format!("the server refused the TLS handshake ({alert:?}): {way_out}")
}
