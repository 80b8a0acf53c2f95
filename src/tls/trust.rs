//! Whom the agent trusts: the certificates of one file, or of the system's store.

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{RootCertStore, pki_types::CertificateDer};
use thiserror::Error;

use super::{
    certificate,
    pem::{self, PemError},
    report::Certificate,
};
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
    pub(super) roots: Arc<RootCertStore>,
    /// The certificates by their raw subject, for naming the one that a chain led to.
    by_subject: HashMap<Vec<u8>, CertificateDer<'static>>,
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
        let mut trust = Self::empty(TrustSource::System);
        let mut roots = RootCertStore::empty();
        for der in rustls_native_certs::load_native_certs().certs {
            if roots.add(der.clone()).is_ok() {
                trust.remember(der);
            }
        }
        trust.roots = Arc::new(roots);
        trust
    }

    fn of_file(file: &Path) -> Result<Self, TrustError> {
        let unusable = |what| TrustError::Unusable { file: file.to_owned(), what };
        let mut trust = Self::empty(TrustSource::File(file.to_owned()));
        let mut roots = RootCertStore::empty();
        for block in pem::certificates(&read(file)?).map_err(unusable)? {
            let der = CertificateDer::from(block.der);
            roots.add(der.clone()).map_err(|_| {
                unusable(PemError::Damaged {
                    number: block.number,
                    line: block.line,
                    what: "it is not an X.509 certificate",
                })
            })?;
            trust.remember(der);
        }
        trust.roots = Arc::new(roots);
        Ok(trust)
    }

    fn empty(source: TrustSource) -> Self {
        Self { source, roots: Arc::new(RootCertStore::empty()), by_subject: HashMap::new() }
    }

    fn remember(&mut self, der: CertificateDer<'static>) {
        if let Some((subject, _)) = certificate::raw_names(&der) {
            self.by_subject.insert(subject, der);
        }
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The trusted certificate that a verified chain leads to: the issuer of the first of its
    /// certificates that was issued by a trusted one.
    pub(super) fn anchor(&self, chain: &[CertificateDer<'_>]) -> Option<Certificate> {
        chain.iter().find_map(|der| {
            let (_, issuer) = certificate::raw_names(der)?;
            certificate::read(self.by_subject.get(&issuer)?)
        })
    }

    /// The source in words.
    pub(super) fn words(source: &TrustSource) -> String {
        match source {
            TrustSource::System => "the system's trust store".to_owned(),
            TrustSource::File(file) => file.display().to_string(),
        }
    }
}

/// Reads a whole file, up to the limit.
fn read(file: &Path) -> Result<Vec<u8>, TrustError> {
    let unreadable = |what: String| TrustError::Unreadable { file: file.to_owned(), what };
    let mut content = Vec::new();
    File::open(file)
        .and_then(|open| open.take(pem::MAX_FILE_BYTES + 1).read_to_end(&mut content))
        .map_err(|error| unreadable(error.to_string()))?;
    if content.len() as u64 > pem::MAX_FILE_BYTES {
        return Err(unreadable(format!("it is larger than {} bytes", pem::MAX_FILE_BYTES)));
    }
    Ok(content)
}

/// The trust of every source in use, each loaded once and shared by all hosts and destinations.
#[derive(Debug, Default)]
pub struct Trusts {
    loaded: Mutex<HashMap<TrustSource, Arc<Trust>>>,
}

impl Trusts {
    /// The trust of a source. What could not be loaded is tried again at the next call, so that a
    /// file put in place later is found without a restart.
    ///
    /// # Errors
    /// See [`Trust::load`].
    pub fn load(&self, source: &TrustSource) -> Result<Arc<Trust>, TrustError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trust) = loaded.get(source) {
            return Ok(Arc::clone(trust));
        }
        let trust = Arc::new(Trust::load(source)?);
        loaded.insert(source.clone(), Arc::clone(&trust));
        Ok(trust)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_a_directory_are_named_with_the_reason() {
        let trusts = Trusts::default();
        let missing =
            trusts.load(&TrustSource::File("/nowhere/ca.pem".into())).expect_err("missing");
        assert_eq!(
            missing.to_string(),
            "cannot read the trusted certificates in /nowhere/ca.pem: No such file or directory (os error 2)"
        );
        let folder = trusts.load(&TrustSource::File("/".into())).expect_err("a directory");
        assert_eq!(
            folder.to_string(),
            "cannot read the trusted certificates in /: Is a directory (os error 21)"
        );
    }

    #[test]
    fn a_file_that_was_missing_is_found_once_it_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = TrustSource::File(folder.path().join("ca.pem"));
        let trusts = Trusts::default();
        assert!(trusts.load(&source).is_err());
        let key = rcgen::KeyPair::generate().expect("a key");
        let parameters = rcgen::CertificateParams::new(["ca".to_owned()]).expect("a name");
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        std::fs::write(folder.path().join("ca.pem"), pem).expect("written");
        assert!(!trusts.load(&source).expect("loads").is_empty());
    }
}
