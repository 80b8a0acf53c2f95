//! The rules by which a server's certificate is accepted or refused. Pure: the time is an argument.
//!
//! ```text
//! leaf listed in the trusted file ─ yes ─► exact match: its dates, its use, no list names it
//!        │ no
//!        ▼
//! a chain to a trusted CA (dates, use, constraints, signatures, the list of the leaf's issuer)
//!        │
//!        ▼
//! the name: subject alternative names, else, where there is no such extension, the common name
//! ```

use std::sync::Arc;

use rustls::{
    CertificateError,
    pki_types::{CertificateDer, DnsName, ServerName, SignatureVerificationAlgorithm, UnixTime},
};
use webpki::{EndEntityCert, Error, KeyUsage, RevocationOptions};
use x509_parser::{
    certificate::X509Certificate,
    extensions::ParsedExtension,
    prelude::{FromDer, X509Version},
};

use super::{
    Trust,
    crls::{Crls, Listed},
    report::{Acceptance, NameRule, Rule, Verification},
};

/// An accepted certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) why: Acceptance,
    /// The trusted certificate that decided.
    pub(super) anchor: CertificateDer<'static>,
}

/// Why a certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A rule of X.509, as webpki names it.
    Path(Error),
    /// The server presented nothing that can be read as a certificate.
    Unreadable,
    /// The server did not prove that it holds the certificate's key: anybody can present a copy.
    KeyNotProven,
}

impl Refusal {
    /// The refusal as a closed set.
    pub(super) fn verification(&self) -> Verification {
        let error = match self {
            Self::Path(error) => error,
            Self::Unreadable => return Verification::Invalid,
            Self::KeyNotProven => return Verification::KeyNotProven,
        };
        match error {
            Error::UnknownIssuer => Verification::UnknownIssuer,
            Error::CertNotValidForName(_) | Error::NameConstraintViolation => {
                Verification::WrongName
            }
            Error::CertExpired { .. } => Verification::Expired,
            Error::CertNotValidYet { .. } => Verification::NotYetValid,
            Error::CertRevoked => Verification::Revoked,
            Error::UnknownRevocationStatus | Error::CrlExpired { .. } => {
                Verification::RevocationUnknown
            }
            Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
                Verification::WrongPurpose
            }
            _ => Verification::Invalid,
        }
    }

    /// The error that tells rustls which alert to send.
    pub(super) fn alert(&self) -> rustls::Error {
        match self.verification() {
            Verification::UnknownIssuer => CertificateError::UnknownIssuer,
            Verification::WrongName => CertificateError::NotValidForName,
            Verification::Expired => CertificateError::Expired,
            Verification::NotYetValid => CertificateError::NotValidYet,
            Verification::Revoked => CertificateError::Revoked,
            Verification::RevocationUnknown => CertificateError::UnknownRevocationStatus,
            Verification::WrongPurpose => CertificateError::InvalidPurpose,
            _ => CertificateError::ApplicationVerificationFailure,
        }
        .into()
    }
}

/// What certificates of one peer are judged by.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) trust: Arc<Trust>,
    pub(super) crls: Option<Arc<Crls>>,
    pub(super) require_name: bool,
    pub(super) algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

impl Judge {
    /// Judges what a server presented, its own certificate first.
    pub(super) fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<Accepted, Refusal> {
        let (leaf, intermediates) = chain.split_first().ok_or(Refusal::Unreadable)?;
        let listed = self.trust.listed(leaf);
        let (rule, anchor) = match listed {
            Some(listed) => {
                self.listed_leaf(leaf, now)?;
                (Rule::ExactMatch, listed)
            }
            None => (Rule::Chain, self.chain(leaf, intermediates, now)?),
        };
        let constrained = chain.iter().any(has_name_constraints) || has_name_constraints(anchor);
        let name = self.name(leaf, name, constrained)?;
        Ok(Accepted { why: Acceptance { rule, name }, anchor: anchor.clone() })
    }

    /// Dates, use and revocation of a certificate that is trusted by itself.
    fn listed_leaf(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Refusal> {
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| Refusal::Unreadable)?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let time = |seconds: i64| {
            let seconds = u64::try_from(seconds).unwrap_or(0);
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
        };
        let validity = leaf.validity();
        let (not_before, not_after) =
            (validity.not_before.timestamp(), validity.not_after.timestamp());
        if seconds < not_before {
            let not_before = time(not_before);
            return Err(Refusal::Path(Error::CertNotValidYet { time: now, not_before }));
        }
        if seconds > not_after {
            let not_after = time(not_after);
            return Err(Refusal::Path(Error::CertExpired { time: now, not_after }));
        }
        if !is_for_servers(&leaf) {
            return Err(Refusal::Path(Error::EmptyEkuExtension));
        }
        let Some(crls) = &self.crls else { return Ok(()) };
        match crls.listed(leaf.issuer().as_raw(), leaf.raw_serial(), seconds) {
            Listed::No => Ok(()),
            Listed::Revoked => Err(Refusal::Path(Error::CertRevoked)),
            Listed::Expired(end) => {
                Err(Refusal::Path(Error::CrlExpired { time: now, next_update: time(end) }))
            }
        }
    }

    /// The trusted certificate that a chain leads to.
    fn chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<&CertificateDer<'static>, Refusal> {
        let leaf = EndEntityCert::try_from(leaf).map_err(Refusal::Path)?;
        let anchors = self.trust.anchors();
        let verify = |revocation: Option<RevocationOptions<'_>>| {
            let usage = KeyUsage::server_auth();
            let path = leaf.verify_for_usage(
                self.algorithms,
                anchors,
                intermediates,
                now,
                usage,
                revocation,
                None,
            );
            path.map(|path| self.trust.certificate(path.anchor()))
        };
        let found = match &self.crls {
            Some(crls) => crls.apply(verify),
            None => verify(None),
        };
        found.map_err(Refusal::Path)?.ok_or(Refusal::Path(Error::UnknownIssuer))
    }

    fn name(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        constrained: bool,
    ) -> Result<NameRule, Refusal> {
        let by_names = match EndEntityCert::try_from(leaf) {
            Ok(leaf) => leaf.verify_is_valid_for_subject_name(name),
            // Only a listed leaf comes here unread, a version 1 for example: it has no extensions.
            Err(error) => Err(error),
        };
        let Err(error) = by_names else { return Ok(NameRule::AlternativeName) };
        if let ServerName::DnsName(name) = name
            && !constrained
            && common_name_is(leaf, name)
        {
            return Ok(NameRule::CommonName);
        }
        if self.require_name { Err(Refusal::Path(error)) } else { Ok(NameRule::NotRequired) }
    }
}

/// Extended key usage: none means any use (RFC 5280 section 4.2.1.12).
fn is_for_servers(leaf: &X509Certificate<'_>) -> bool {
    match leaf.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.server_auth || usage.value.any,
        Err(_) => false,
    }
}

/// OpenSSL looks at no common name below such a certificate either. What cannot be read counts.
fn has_name_constraints(der: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return true };
    certificate.extensions().iter().any(|extension| {
        matches!(extension.parsed_extension(), ParsedExtension::NameConstraints(_))
            || extension.oid == x509_parser::oid_registry::OID_X509_EXT_NAME_CONSTRAINTS
    })
}

/// Whether a certificate without any subject alternative name has this common name, or a
/// wildcard for it in its left-most label. Of several common names the last, most specific one
/// counts.
fn common_name_is(leaf: &CertificateDer<'_>, name: &DnsName<'_>) -> bool {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else { return false };
    let has_names = leaf
        .extensions()
        .iter()
        .any(|extension| extension.oid == x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME);
    if has_names && leaf.version() == X509Version::V3 {
        return false;
    }
    let common_name = leaf.subject().iter_common_name().last();
    common_name.and_then(|name| name.as_str().ok()).is_some_and(|pattern| {
        matches(pattern, name.as_ref().strip_suffix('.').unwrap_or(name.as_ref()))
    })
}

/// A name against a common name; `*.` in front stands for exactly one label, and at least two must
/// follow it.
fn matches(pattern: &str, name: &str) -> bool {
    if DnsName::try_from_str(pattern.strip_prefix("*.").unwrap_or(pattern)).is_err() {
        return false;
    }
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            let rest = name.split_once('.').map(|(_, rest)| rest);
            parent.contains('.') && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(parent))
        }
        None => pattern.eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_matches_whole_or_by_one_wildcard_label() {
        let cases = [
            ("db1.example", "db1.example", true),
            ("DB1.Example", "db1.example", true),
            ("db1.example", "db2.example", false),
            ("*.db.example", "a.db.example", true),
            ("*.db.example", "a.b.db.example", false),
            ("*.db.example", "db.example", false),
            ("*.example", "a.example", false),
            ("*", "a", false),
            ("a*.db.example", "ab.db.example", false),
            ("*.*.example", "a.b.example", false),
            ("db1.example evil", "db1.example evil", false),
            ("", "", false),
            ("localhost", "localhost", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
