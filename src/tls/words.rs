//! The words for a refused certificate: the fact, and the way out.

use webpki::Error;

use super::{certificate::date, fault::Context, judge::Refusal, report::Certificate, trust::Trust};

/// Why a certificate was refused. `chain` is what was presented, as far as it could be read.
pub(super) fn refusal(refusal: &Refusal, chain: &[Certificate], context: &Context<'_>) -> String {
    let (error, leaf) = match (refusal, chain.first()) {
        (Refusal::Path(error), Some(leaf)) => (error, leaf),
        (Refusal::KeyNotProven, Some(leaf)) => return key_not_proven(leaf),
        _ => return "the server's certificate cannot be read as X.509".to_owned(),
    };
    let Certificate { subject, issuer, .. } = leaf;
    match error {
        Error::UnknownIssuer => unknown_issuer(leaf, chain.len(), context),
        Error::CertNotValidForName(_) => wrong_name(leaf, context.peer),
        Error::NameConstraintViolation => format!(
            "the certificate of {subject} is for a name that its issuer {issuer} may not sign for \
             (name constraints); reissue it"
        ),
        Error::CertExpired { time, .. } => format!(
            "the certificate chain of {subject} has expired: it was valid until {}, by the local \
             clock it is {}; renew it on the server",
            date(earliest_end(chain, leaf.not_after)),
            moment(time.as_secs()),
        ),
        Error::CertNotValidYet { time, .. } => format!(
            "the certificate chain of {subject} is not valid before {}, by the local clock it is \
             {}; check the clock",
            date(latest_start(chain, leaf.not_before)),
            moment(time.as_secs()),
        ),
        Error::CertRevoked => format!(
            "the certificate of {subject} has been revoked by {issuer}, says the revocation list; \
             replace it on the server"
        ),
        Error::UnknownRevocationStatus => format!(
            "no revocation list in the configured file is of {issuer}, which issued the certificate \
             of {subject}; add its list to sslTrustedServerCrls"
        ),
        Error::CrlExpired { time, next_update } => format!(
            "the revocation list of {issuer} ended on {}, by the local clock it is {}; put a new \
             one in place",
            moment(next_update.as_secs()),
            moment(time.as_secs()),
        ),
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => format!(
            "the certificate of {subject} is not for servers: its extended key usage lacks \
             serverAuth; reissue it"
        ),
        Error::CaUsedAsEndEntity => format!(
            "the certificate of {subject} is a CA certificate (basicConstraints CA:TRUE), as \
             openssl req -x509 makes them; reissue it as a server certificate, or list it itself \
             in {}",
            context.role.trust_setting(),
        ),
        Error::UnsupportedCertVersion => format!(
            "the certificate of {subject} is of X.509 version 1; reissue it as version 3 (openssl \
             x509 -req with -extfile), or list it itself in {}",
            context.role.trust_setting(),
        ),
        other => signature(other, leaf, chain),
    }
}

fn key_not_proven(leaf: &Certificate) -> String {
    let Certificate { subject, key, .. } = leaf;
    if is_short(key) {
        return format!(
            "the key of {subject} is too short ({key}): at least RSA 2048 is required; reissue the \
             certificate with a longer key"
        );
    }
    format!(
        "the server did not prove that it holds the key of the certificate of {subject}: it may be \
         another one with a copy of the certificate, or it signs in a way that is not accepted"
    )
}

/// Faults of keys and signatures, which webpki names by what it could not do.
fn signature(error: &Error, leaf: &Certificate, chain: &[Certificate]) -> String {
    let Certificate { subject, issuer, signature_algorithm, .. } = leaf;
    match error {
        Error::InvalidSignatureForPublicKey => {
            let short = chain.iter().find(|certificate| is_short(&certificate.key));
            match short {
                Some(short) => format!(
                    "the key of {} is too short ({}): at least RSA 2048 is required; reissue the \
                     certificate with a longer key",
                    short.subject, short.key
                ),
                None => format!(
                    "the signature of the certificate of {subject} does not fit its issuer \
                     {issuer}, or was made with a key that is too short (RSA 2048 is required)"
                ),
            }
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            let weak = chain.iter().map(|certificate| &*certificate.signature_algorithm);
            let weak = weak.into_iter().find(|name| name.to_ascii_lowercase().contains("sha1"));
            format!(
                "the certificate of {subject} is signed with {}, which is not accepted; reissue it \
                 with SHA-256",
                weak.unwrap_or(signature_algorithm)
            )
        }
        other => format!("the certificate of {subject} is refused: {other}"),
    }
}

fn is_short(key: &str) -> bool {
    let bits = key.strip_prefix("RSA ").and_then(|bits| bits.parse::<u32>().ok());
    bits.is_some_and(|bits| bits < 2_048)
}

fn unknown_issuer(leaf: &Certificate, length: usize, context: &Context<'_>) -> String {
    let trusted = Trust::words(&context.trust.source);
    let setting = context.role.trust_setting();
    let Certificate { subject, issuer, .. } = leaf;
    if issuer == subject {
        return format!(
            "the certificate of {subject} is self-signed and not among those in {trusted}; set \
             {setting} to a file with this certificate, or with the CA that signs this server"
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

/// The start of the certificate of a chain that begins last.
fn latest_start(chain: &[Certificate], leaf: i64) -> i64 {
    chain.iter().map(|certificate| certificate.not_before).max().unwrap_or(leaf)
}

fn moment(seconds: u64) -> String {
    date(i64::try_from(seconds).unwrap_or(i64::MAX))
}
