//! Revocation lists from a file.

use std::path::{Path, PathBuf};

use thiserror::Error;
use webpki::{
    CertRevocationList, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::{prelude::FromDer, revocation_list::CertificateRevocationList};

use super::pem::{self, PemError};

/// Why a file of revocation lists cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CrlError {
    /// The file could not be read.
    #[error("cannot read the revocation lists in {}: {what}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        what: String,
    },
    /// The file is not what it should be.
    #[error("cannot use the revocation lists in {}: {what}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: PemError,
    },
}

/// Revocation lists, ready for verifying.
#[derive(Debug)]
pub struct Crls {
    lists: Vec<CertRevocationList<'static>>,
    known: Vec<KnownList>,
}

/// What a list says, for certificates that are trusted without their issuer.
#[derive(Debug)]
struct KnownList {
    issuer: Vec<u8>,
    next_update: Option<i64>,
    serials: Vec<Vec<u8>>,
}

/// What the lists say of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// A list of its issuer names it.
    Revoked,
    /// The list of its issuer ended at this time, in seconds since the Unix epoch.
    Expired(i64),
    /// No list of its issuer names it.
    No,
}

impl Crls {
    /// Reads a file, which must hold at least one list, and only good ones.
    ///
    /// # Errors
    /// See [`CrlError`].
    pub fn load(file: &Path) -> Result<Self, CrlError> {
        let content = pem::read_file(file)
            .map_err(|what| CrlError::Unreadable { file: file.to_owned(), what })?;
        Self::parse(&content).map_err(|what| CrlError::Unusable { file: file.to_owned(), what })
    }

    fn parse(content: &[u8]) -> Result<Self, PemError> {
        let (mut lists, mut known) = (Vec::new(), Vec::new());
        for block in pem::revocation_lists(content)? {
            let damaged =
                |what| PemError::DamagedList { number: block.number, line: block.line, what };
            let list = OwnedCertRevocationList::from_der(&block.der).map_err(|error| {
                damaged(match error {
                    webpki::Error::UnsupportedCrlVersion => {
                        "it is of version 1: make it with a crlnumber (openssl ca -gencrl, with \
                         crlnumber in the CA's configuration)"
                    }
                    webpki::Error::UnsupportedDeltaCrl | webpki::Error::UnsupportedIndirectCrl => {
                        "delta and indirect lists are not supported"
                    }
                    _ => "it is not a revocation list in X.509 form",
                })
            })?;
            lists.push(CertRevocationList::Owned(list));
            known.extend(KnownList::read(&block.der));
        }
        Ok(Self { lists, known })
    }

    /// When the first of the lists must be renewed, in seconds since the Unix epoch.
    pub fn next_update(&self) -> Option<i64> {
        self.known.iter().filter_map(|list| list.next_update).min()
    }

    /// Runs `with` with the rules that mongod has: the list of the certificate's own issuer must be
    /// there and in force; those of intermediates are not looked at.
    pub(super) fn apply<T>(&self, with: impl FnOnce(Option<RevocationOptions<'_>>) -> T) -> T {
        let lists: Vec<_> = self.lists.iter().collect();
        let options = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::EndEntity)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        with(options)
    }

    /// What the lists say of a certificate that is trusted without its issuer.
    pub(super) fn listed(&self, issuer: &[u8], serial: &[u8], now: i64) -> Listed {
        let of_issuer = || self.known.iter().filter(|list| list.issuer == issuer);
        if of_issuer().any(|list| list.serials.iter().any(|listed| listed == serial)) {
            return Listed::Revoked;
        }
        let ends = of_issuer().filter_map(|list| list.next_update);
        match ends.max() {
            Some(end) if end < now => Listed::Expired(end),
            _ => Listed::No,
        }
    }
}

impl KnownList {
    fn read(der: &[u8]) -> Option<Self> {
        let (_, list) = CertificateRevocationList::from_der(der).ok()?;
        Some(Self {
            issuer: list.issuer().as_raw().to_vec(),
            next_update: list.next_update().map(|time| time.timestamp()),
            serials: list
                .iter_revoked_certificates()
                .map(|revoked| revoked.raw_serial().to_vec())
                .collect(),
        })
    }
}
