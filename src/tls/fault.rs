//! Why a handshake failed, and the words for it.

use std::{error::Error as StdError, io};

use rustls::{AlertDescription, CertificateError, Error as RustlsError};
use thiserror::Error;

use super::{
    NameError, Role, TrustError, Verification,
    certificate::date,
    report::Certificate,
    trust::Trust,
    verifier::{self, Seen},
};

/// Why a handshake failed. The words name the fact and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The trusted certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
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

    fn of_rustls(error: &RustlsError, seen: &Seen, context: &Context<'_>) -> Self {
        match error {
            RustlsError::InvalidCertificate(fault) => Self::Refused {
                verification: verifier::verification(error),
                words: refusal(fault, &seen.chain, context),
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

/// The words for a refused certificate.
fn refusal(fault: &CertificateError, chain: &[Certificate], context: &Context<'_>) -> String {
    let Some(leaf) = chain.first() else {
        return "the server's certificate cannot be read as X.509".to_owned();
    };
    let Certificate { subject, issuer, not_before, not_after, key, .. } = leaf;
    match fault {
        CertificateError::UnknownIssuer => unknown_issuer(leaf, chain.len(), context),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            wrong_name(leaf, context.peer)
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!(
            "the certificate chain of {subject} has expired: it was valid until {}, by the local \
             clock it is {}; renew it on the server",
            date(earliest_end(chain, *not_after)),
            now_of(fault),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => format!(
            "the certificate of {subject} is not valid before {}, by the local clock it is {}; \
             check the clock",
            date(*not_before),
            now_of(fault),
        ),
        CertificateError::Revoked => format!("the certificate of {subject} has been revoked"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!(
                "the certificate of {subject} is not for servers: its extended key usage lacks \
                 serverAuth; reissue it"
            )
        }
        CertificateError::BadSignature if key == "RSA 1024" || key == "RSA 512" => {
            format!("the key of {subject} is too short ({key}): at least RSA 2048 is required")
        }
        CertificateError::BadSignature => format!(
            "the signature of the certificate of {subject} does not fit its issuer {issuer}, or \
             was made with a key that is too short"
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => format!(
            "the certificate of {subject} is signed with {}, which is not accepted; reissue it \
             with SHA-256",
            leaf.signature_algorithm
        ),
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => format!(
                "the certificate of {subject} is a CA certificate (basicConstraints CA:TRUE), as \
                 openssl req -x509 makes them; reissue it as a server certificate"
            ),
            Some(webpki::Error::UnsupportedCertVersion) => format!(
                "the certificate of {subject} is of X.509 version 1; reissue it as version 3 \
                 (openssl x509 -req with -extfile)"
            ),
            Some(error) => format!("the certificate of {subject} is refused: {error}"),
            None => format!("the certificate of {subject} is refused: {}", other.0),
        },
        other => format!("the certificate of {subject} is refused: {other}"),
    }
}

fn unknown_issuer(leaf: &Certificate, length: usize, context: &Context<'_>) -> String {
    let trusted = Trust::words(&context.trust.source);
    let setting = context.role.trust_setting();
    let Certificate { subject, issuer, .. } = leaf;
    if issuer == subject {
        return format!(
            "the certificate of {subject} is self-signed and not signed by any CA in {trusted}; \
             set {setting} to a file with the CA that signs this server"
        );
    }
    let intermediate =
        if length == 1 { ", or the server does not send its intermediate certificate" } else { "" };
    format!(
        "the certificate of {subject} was issued by {issuer}, which is not signed by any CA in \
         {trusted}{intermediate}; set {setting} to a file with the right CA"
    )
}

fn wrong_name(leaf: &Certificate, peer: &str) -> String {
    match leaf.names.as_slice() {
        [] => format!(
            "the certificate of {} has no subject alternative name, the agent connects to {peer}; \
             reissue it with subjectAltName",
            leaf.subject
        ),
        names => format!(
            "the certificate is for {}; the agent connects to {peer}; use one of these names, or \
             reissue the certificate",
            names.join(", ")
        ),
    }
}

/// The end of the certificate of a chain that ends first: it is the expired one.
fn earliest_end(chain: &[Certificate], leaf: i64) -> i64 {
    chain.iter().map(|certificate| certificate.not_after).min().unwrap_or(leaf)
}

/// The clock that the verification was done by.
fn now_of(fault: &CertificateError) -> String {
    match fault {
        CertificateError::ExpiredContext { time, .. }
        | CertificateError::NotValidYetContext { time, .. } => {
            date(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
        }
        _ => "later".to_owned(),
    }
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
