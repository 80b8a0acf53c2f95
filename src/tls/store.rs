//! The files that trust is made of, each read once, shared by all who rely on it, and read again
//! when it changes on disk.

use std::{
    collections::HashMap,
    fmt::Display,
    fs,
    hash::Hash,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{CrlError, Crls, Identity, IdentityError, Trust, TrustError};
use crate::config::{ClientIdentity, TlsPolicy, TrustSource};

/// The trust of every source in use. What could not be loaded is tried again at the next call, so
/// that a file put in place later is found without a restart; what was loaded stays until
/// [`Trusts::refresh`] finds something better.
#[derive(Debug)]
pub struct Trusts {
    trust: Mutex<HashMap<TrustSource, Entry<Trust>>>,
    crls: Mutex<HashMap<PathBuf, Entry<Crls>>>,
    identities: Mutex<HashMap<ClientIdentity, Entry<Identity>>>,
    /// Grows with every replacement: whoever holds something of an older generation asks again.
    generation: watch::Sender<u64>,
}

/// A file's content in force, and what its file looked like when it was last read.
#[derive(Debug)]
struct Entry<T> {
    value: Arc<T>,
    stamps: Vec<Option<Stamp>>,
    refused: bool,
}

/// What changes when a file is written, replaced by rename, or when a link points elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// What became of a file that changed on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Its new content is in force.
    Applied {
        /// The file.
        file: PathBuf,
    },
    /// Its new content cannot be used; the old one stays in force.
    Refused {
        /// The file.
        file: PathBuf,
        /// Why, naming the place in the file.
        words: String,
    },
}

impl Default for Trusts {
    fn default() -> Self {
        Self {
            trust: Mutex::default(),
            crls: Mutex::default(),
            identities: Mutex::default(),
            generation: watch::channel(0).0,
        }
    }
}

impl Trusts {
    /// The trust of a source.
    ///
    /// # Errors
    /// See [`Trust::load`].
    pub fn load(&self, source: &TrustSource) -> Result<Arc<Trust>, TrustError> {
        get(&self.trust, source, files_of(source), || Trust::load(source))
    }

    /// The revocation lists of a file.
    ///
    /// # Errors
    /// See [`Crls::load`].
    pub fn crls(&self, file: &Path) -> Result<Arc<Crls>, CrlError> {
        get(&self.crls, &file.to_owned(), vec![file.to_owned()], || Crls::load(file))
    }

    /// The agent's own certificate. Decrypting its key can take seconds.
    ///
    /// # Errors
    /// See [`Identity::load`].
    pub fn identity(&self, files: &ClientIdentity) -> Result<Arc<Identity>, IdentityError> {
        get(&self.identities, files, both_files(files), || Identity::load(files))
    }

    /// Whether everything that a policy names was read, so that asking for it reads no file.
    pub(super) fn holds(&self, policy: &TlsPolicy) -> bool {
        let TlsPolicy { trust, crls, identity, .. } = policy;
        lock(&self.trust).contains_key(trust)
            && crls.as_ref().is_none_or(|file| lock(&self.crls).contains_key(file))
            && identity.as_ref().is_none_or(|files| lock(&self.identities).contains_key(files))
    }

    /// Looks at every file in use, and reads those that changed. A file that is gone or broken is
    /// told once for each of its changes. Reads files, so not for the reactor's threads.
    pub fn refresh(&self) -> Vec<Renewal> {
        let trust = renew(&self.trust, files_of, Trust::load);
        let crls = renew(&self.crls, |file| vec![file.clone()], |file| Crls::load(file));
        let identities = renew(&self.identities, both_files, Identity::load);
        let renewals: Vec<_> = trust.into_iter().chain(crls).chain(identities).collect();
        if renewals.iter().any(|renewal| matches!(renewal, Renewal::Applied { .. })) {
            self.generation.send_modify(|generation| *generation += 1);
        }
        renewals
    }

    /// Files whose present content is refused, while an older one is in force.
    pub fn refused_files(&self) -> usize {
        refused(&self.trust) + refused(&self.crls) + refused(&self.identities)
    }

    /// The number of the generation, which changes whenever something in force was replaced.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells of new generations.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}

/// The value of a key, read unless that was done.
fn get<K: Hash + Eq + Clone, T, E>(
    entries: &Mutex<HashMap<K, Entry<T>>>,
    key: &K,
    files: Vec<PathBuf>,
    load: impl FnOnce() -> Result<T, E>,
) -> Result<Arc<T>, E> {
    let known = lock(entries).get(key).map(|entry| Arc::clone(&entry.value));
    if let Some(value) = known {
        return Ok(value);
    }
    // Looked at before it is read: a change in between is then seen by the next refresh. Read
    // without the lock: a file system that hangs must not hold up those who need another file.
    let stamps = stamps_of(&files);
    let value = Arc::new(load()?);
    let entry = Entry { value, stamps, refused: false };
    let mut entries = lock(entries);
    Ok(Arc::clone(&entries.entry(key.clone()).or_insert(entry).value))
}

/// Reads again what changed on disk.
fn renew<K: Hash + Eq + Clone, T, E: Display>(
    entries: &Mutex<HashMap<K, Entry<T>>>,
    files: impl Fn(&K) -> Vec<PathBuf>,
    load: impl Fn(&K) -> Result<T, E>,
) -> Vec<Renewal> {
    let known: Vec<_> =
        lock(entries).iter().map(|(key, entry)| (key.clone(), entry.stamps.clone())).collect();
    let mut renewals = Vec::new();
    for (key, before) in known {
        let files = files(&key);
        let stamps = stamps_of(&files);
        if stamps == before {
            continue;
        }
        let loaded = load(&key);
        let mut entries = lock(entries);
        let Some(entry) = entries.get_mut(&key) else { continue };
        // Of two files, the one that changed is told.
        let changed = stamps.iter().zip(&before).position(|(now, before)| now != before);
        let file = files.into_iter().nth(changed.unwrap_or(0)).unwrap_or_default();
        entry.stamps = stamps;
        entry.refused = loaded.is_err();
        renewals.push(match loaded {
            Ok(value) => {
                entry.value = Arc::new(value);
                Renewal::Applied { file }
            }
            Err(error) => Renewal::Refused { file, words: error.to_string() },
        });
    }
    renewals
}

fn files_of(source: &TrustSource) -> Vec<PathBuf> {
    match source {
        TrustSource::System => Vec::new(),
        TrustSource::File(file) => vec![file.clone()],
    }
}

fn both_files(files: &ClientIdentity) -> Vec<PathBuf> {
    let ClientIdentity { certificate, key, .. } = files;
    if certificate == key { vec![key.clone()] } else { vec![certificate.clone(), key.clone()] }
}

fn stamps_of(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| Stamp::of(file)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused<K, T>(entries: &Mutex<HashMap<K, Entry<T>>>) -> usize {
    lock(entries).values().filter(|entry| entry.refused).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Certificates of authorities in PEM.
    fn authority(name: &str) -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let parameters = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        parameters.self_signed(&key).expect("a certificate").pem()
    }

    #[test]
    fn a_file_that_was_missing_is_found_once_it_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = TrustSource::File(folder.path().join("ca.pem"));
        let trusts = Trusts::default();
        assert!(trusts.load(&source).is_err());
        fs::write(folder.path().join("ca.pem"), authority("ca")).expect("written");
        assert!(!trusts.load(&source).expect("loads").is_empty());
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_a_broken_one_leaves_the_old_in_force() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let source = TrustSource::File(file.clone());
        fs::write(&file, authority("one")).expect("written");
        let trusts = Trusts::default();
        let first = trusts.load(&source).expect("loads");
        assert_eq!(trusts.refresh(), []);

        fs::write(&file, "-----BEGIN CERTIFICATE-----\n%%%\n").expect("written");
        let words = format!(
            "cannot use the trusted certificates in {}: certificate 1 (line 1) has no line \
             -----END CERTIFICATE-----",
            file.display()
        );
        assert_eq!(trusts.refresh(), [Renewal::Refused { file: file.clone(), words }]);
        assert_eq!(trusts.refresh(), [], "each change is told once");
        assert_eq!((trusts.refused_files(), trusts.generation()), (1, 0));
        assert!(Arc::ptr_eq(&first, &trusts.load(&source).expect("the old one")));

        let beside = folder.path().join("new.pem");
        fs::write(&beside, authority("two")).expect("written");
        fs::rename(&beside, &file).expect("renamed");
        assert_eq!(trusts.refresh(), [Renewal::Applied { file: file.clone() }]);
        assert_eq!((trusts.refused_files(), trusts.generation()), (0, 1));
        assert!(!Arc::ptr_eq(&first, &trusts.load(&source).expect("the new one")));
    }

    #[test]
    fn a_link_that_points_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["one", "two"] {
            fs::write(path(name), authority(name)).expect("written");
        }
        std::os::unix::fs::symlink(path("one"), path("ca.pem")).expect("linked");
        let trusts = Trusts::default();
        trusts.load(&TrustSource::File(path("ca.pem"))).expect("loads");
        std::os::unix::fs::symlink(path("two"), path("next")).expect("linked");
        fs::rename(path("next"), path("ca.pem")).expect("renamed");
        assert_eq!(trusts.refresh(), [Renewal::Applied { file: path("ca.pem") }]);
        fs::remove_file(path("ca.pem")).expect("removed");
        assert!(matches!(trusts.refresh().as_slice(), [Renewal::Refused { .. }]));
    }
}
