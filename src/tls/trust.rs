//! Whom the agent trusts: the certificates of one file, or of the system's store.

use std::path::{Path, PathBuf};

use rustls::pki_types::{CertificateDer, TrustAnchor};
use thiserror::Error;

use super::pem::{self, PemError};
use crate::config::TrustSource;

/// Why a trust source cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrustError {
    /// The file could not be read.
    #[error("cannot read the trusted certificates in {}: {what}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        what: String,
    },
    /// The file is not what it should be.
    #[error("cannot use the trusted certificates in {}: {what}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: PemError,
    },
    /// The system trusts nobody.
    #[error(
        "the system's trust store is empty: install it (Debian: apt-get install ca-certificates), \
         or set {setting} to a file of CA certificates"
    )]
    EmptySystemStore {
        /// The key that would name a file instead.
        setting: &'static str,
    },
}

/// Trusted certificates, ready for verifying.
#[derive(Debug)]
pub struct Trust {
    pub(super) source: TrustSource,
    /// One for each of the certificates.
    anchors: Vec<TrustAnchor<'static>>,
    certificates: Vec<CertificateDer<'static>>,
    /// Whether a leaf may be trusted by being one of the certificates: in a file of the operator's
    /// choice it may, in the system's store there are only authorities.
    exact: bool,
}

impl Trust {
    /// Reads the certificates of a source. A file must hold at least one, and only good ones; of
    /// the system's store those that cannot be read are left out, as every TLS library does.
    ///
    /// # Errors
    /// See [`TrustError`]; an empty system store is not an error here, as hosts without validation
    /// do not need it.
    pub fn load(source: &TrustSource) -> Result<Self, TrustError> {
        match source {
            TrustSource::System => Ok(Self::of_system()),
            TrustSource::File(file) => Self::of_file(file),
        }
    }

    fn of_system() -> Self {
        let mut trust = Self::empty(TrustSource::System, false);
        for certificate in rustls_native_certs::load_native_certs().certs {
            let _unreadable_ones_are_left_out = trust.add(certificate);
        }
        trust
    }

    fn of_file(file: &Path) -> Result<Self, TrustError> {
        let unusable = |what| TrustError::Unusable { file: file.to_owned(), what };
        let unreadable = |what| TrustError::Unreadable { file: file.to_owned(), what };
        let mut trust = Self::empty(TrustSource::File(file.to_owned()), true);
        let content = pem::read_file(file).map_err(unreadable)?;
        for block in pem::certificates(&content).map_err(unusable)? {
            trust.add(CertificateDer::from(block.der)).ok_or_else(|| {
                unusable(PemError::Damaged {
                    number: block.number,
                    line: block.line,
                    what: "it is not an X.509 certificate",
                })
            })?;
        }
        Ok(trust)
    }

    fn empty(source: TrustSource, exact: bool) -> Self {
        Self { source, anchors: Vec::new(), certificates: Vec::new(), exact }
    }

    fn add(&mut self, certificate: CertificateDer<'static>) -> Option<()> {
        let anchor = webpki::anchor_from_trusted_cert(&certificate).ok()?.to_owned();
        self.anchors.push(anchor);
        self.certificates.push(certificate);
        Some(())
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The certificate that an anchor was made from.
    pub(super) fn certificate(&self, anchor: &TrustAnchor<'_>) -> Option<&CertificateDer<'static>> {
        let is_it = |known: &TrustAnchor<'_>| {
            known.subject == anchor.subject
                && known.subject_public_key_info == anchor.subject_public_key_info
        };
        self.certificates.get(self.anchors.iter().position(is_it)?)
    }

    /// The certificate of the file that is this leaf, byte for byte.
    pub(super) fn listed(&self, leaf: &CertificateDer<'_>) -> Option<&CertificateDer<'static>> {
        let mut certificates = self.certificates.iter().filter(|_| self.exact);
        certificates.find(|certificate| certificate.as_ref() == leaf.as_ref())
    }

    /// The source in words.
    pub(super) fn words(source: &TrustSource) -> String {
        match source {
            TrustSource::System => "the system's trust store".to_owned(),
            TrustSource::File(file) => file.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_a_directory_are_named_with_the_reason() {
        let refused = |file: &str| {
            Trust::load(&TrustSource::File(file.into())).expect_err("no file").to_string()
        };
        assert_eq!(
            refused("/nowhere/ca.pem"),
            "cannot read the trusted certificates in /nowhere/ca.pem: No such file or directory (os error 2)"
        );
        assert_eq!(refused("/"), "cannot read the trusted certificates in /: it is a directory");
    }
}
