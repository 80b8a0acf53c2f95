//! The agent's own certificate: from PEM files in every form that tools write to what a handshake
//! presents.
//!
//! ```text
//! key ── stranger    what else lies in place of a PEM file
//!     ── pbes2       ENCRYPTED PRIVATE KEY        ┐
//!     ── dek_info    Proc-Type: 4,ENCRYPTED       ┴ cipher
//!     ── kind        what the decrypted bytes are
//! chain              the key's certificate first, then its issuers
//! ```
//! Whatever held the key in the clear is overwritten before it is freed.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::key::{BlockError, KeyError, Place};
use super::{
    name::same_organisation,
    pem::{self, PemError},
    report::Certificate,
};
use crate::config::{self, ClientIdentity};

mod chain;
mod cipher;
mod dek_info;
mod fields;
mod key;
mod kind;
mod pbes2;
mod stranger;

#[cfg(test)]
mod tests;

/// A key with its chain has about 10 KiB; a whole CA bundle beside it still fits.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why the agent's own certificate cannot be used. Nothing of the key or its password is in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The file system says no, or the file is open to others.
    #[error("cannot read the client certificate in {}: {what}", file.display())]
    Unreadable {
        /// The file with the key, or with the certificate.
        file: PathBuf,
        /// What is wrong, and the way out.
        what: String,
    },
    /// The private key is not usable.
    #[error("cannot use the private key of the client certificate in {}: {what}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: KeyError,
    },
    /// The file with the key should hold the certificate too.
    #[error(
        "{} holds a private key but no certificate (no line -----BEGIN CERTIFICATE-----): append the \
         certificate that was issued for the key, and its intermediate certificates",
        file.display()
    )]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// The certificates are not usable.
    #[error("cannot use the client certificate in {}: {what}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: PemError,
    },
    /// All is readable, but nothing belongs together.
    #[error(
        "no certificate in {} is for the private key in {} ({key_place}): found {found}; put the \
         certificate there that was issued for this key",
        file.display(), key_file.display()
    )]
    Mismatch {
        /// The file with the certificates.
        file: PathBuf,
        /// The subjects of the certificates that are there.
        found: String,
        /// The file with the key.
        key_file: PathBuf,
        /// Where in it the key is.
        key_place: Place,
    },
    /// A server would not take so many.
    #[error(
        "{} holds more than {limit} certificates that lead from the client certificate to its root: \
         leave only one of each",
        file.display()
    )]
    ChainTooLong {
        /// The file.
        file: PathBuf,
        /// How many are sent at most.
        limit: usize,
    },
}

/// The agent's own certificate chain and key, ready for handshakes.
pub struct Identity {
    certified: Arc<CertifiedKey>,
    certificate: Certificate,
}

impl Identity {
    /// Reads the files, decrypts the key, finds its certificate among those of the file, and puts the
    /// issuers behind it, whatever their order. A password for a key that is not encrypted is not
    /// used.
    ///
    /// Decrypting takes up to some seconds, by the cost that the key was encrypted with: call it where
    /// blocking is allowed (`spawn_blocking`).
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn load(files: &ClientIdentity) -> Result<Self, IdentityError> {
        let content =
            config::read_key(&files.key, MAX_FILE_BYTES).map_err(unreadable(&files.key))?;
        let key = key::read(&content, files.password.as_ref())
            .map_err(|what| IdentityError::Key { file: files.key.clone(), what })?;
        let file = &files.certificate;
        let members = if *file == files.key {
            certificates(file, &content).map_err(|error| match error {
                IdentityError::Certificate { file, what: PemError::NoCertificate } => {
                    IdentityError::NoCertificate { file }
                }
                error => error,
            })?
        } else {
            let content = config::read_public(file, MAX_FILE_BYTES).map_err(unreadable(file))?;
            // A key in it is not the one that is used, and a secret nevertheless.
            certificates(file, &Zeroizing::new(content))?
        };
        let Some(leaf) = chain::leaf(&members, &*key.signing) else {
            return Err(IdentityError::Mismatch {
                file: file.clone(),
                found: chain::subjects(&members),
                key_file: files.key.clone(),
                key_place: key.place,
            });
        };
        let certificate = leaf.readable.clone();
        let chain = chain::from(leaf, &members).ok_or_else(|| IdentityError::ChainTooLong {
            file: file.clone(),
            limit: chain::MAX_CERTIFICATES,
        })?;
        Ok(Self { certified: Arc::new(CertifiedKey::new(chain, key.signing)), certificate })
    }

    /// The certificate that servers are shown.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether a server with this certificate (DER) takes the agent for a member of its own cluster,
    /// who logs in by MONGODB-X509 as `__system`: see [`same_organisation`].
    pub fn is_member_of_the_cluster_of(&self, server: &[u8]) -> bool {
        self.certified.end_entity_cert().is_ok_and(|own| same_organisation(own, server))
    }
}

/// Shows the certificate to every server that asks for one, whichever CAs it names: it is configured
/// for this server, and the server's refusal says more than its absence.
impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("subject", &self.certificate.subject)
            .field("fingerprint", &self.certificate.fingerprint)
            .finish_non_exhaustive()
    }
}

fn unreadable(file: &Path) -> impl FnOnce(config::PrivateFileError) -> IdentityError {
    let file = file.to_owned();
    |error| IdentityError::Unreadable { file, what: error.to_string() }
}

fn certificates(file: &Path, content: &[u8]) -> Result<Vec<chain::Member>, IdentityError> {
    let unusable = |what| IdentityError::Certificate { file: file.to_owned(), what };
    let blocks = pem::certificates(content).map_err(unusable)?;
    blocks.into_iter().map(|block| chain::Member::read(block).map_err(unusable)).collect()
}
