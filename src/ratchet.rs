//! The hosts that have spoken TLS: for them `ssl = prefer` never goes back to plaintext.
//!
//! Kept in a file of the state directory, so that neither a restart of the agent nor somebody who
//! cuts handshakes can undo it; only `monitoring-agent tls --forget HOST` does. The file is replaced
//! whole, and read anew before each decision, so that a host is forgotten while the agent runs:
//!
//! ```text
//! monitoring-agent tls-ratchet 1
//! db1.example.net:27017
//! sha256 of the lines above, in hexadecimal
//! ```
//! A file that cannot be read, or is not exactly that, means that any host may have spoken TLS.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::{error, info};

use crate::config::Address;

/// The file's name in the state directory.
const FILE: &str = "tls-ratchet";

/// What will be the file, until it is whole.
const NEW_FILE: &str = "tls-ratchet.new";

/// The first line; the number is that of the format.
const HEAD: &str = "monitoring-agent tls-ratchet 1";

/// Tens of thousands of hosts with names of the greatest length.
const MAX_BYTES: u64 = 8 << 20;

/// Why it cannot be told, or not be kept, which hosts have spoken TLS.
#[derive(Debug, Error)]
pub enum RatchetError {
    /// The operating system refuses to read the file.
    #[error("{} cannot be read ({what}): make it readable for the agent's user", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        what: String,
    },
    /// The file is not what was written.
    #[error(
        "{} is damaged: if no host has lost its TLS against your will, remove the file and restart \
         the agent", file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
    },
    /// The file was there while this process ran, and is no more.
    #[error(
        "{} was removed while the agent ran: if that was you, restart the agent; for a single host \
         there is monitoring-agent tls --forget HOST", file.display()
    )]
    Vanished {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be replaced.
    #[error("{} cannot be written ({what}): make room, or the folder writable", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        what: String,
    },
    /// Another process writes it at this moment.
    #[error("{} is being written by another process: try again", file.display())]
    Busy {
        /// The file.
        file: PathBuf,
    },
}

/// The marks of one state directory. Every method reads or writes a small file, and blocks for it.
#[derive(Debug)]
pub struct Ratchet {
    folder: PathBuf,
    /// False for whoever only looks: its marks stay in memory.
    keeps: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Marks that could not be written yet; they count as much as the written ones.
    unwritten: BTreeSet<String>,
    /// The file was there once.
    seen: bool,
    /// That it cannot be written was said.
    complained: bool,
}

impl Ratchet {
    /// The marks kept in this state directory, which must exist before the first mark.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), keeps: true, state: Mutex::default() }
    }

    /// The same marks for a process that only looks, and adds none.
    pub fn to_look_at(folder: &Path) -> Self {
        Self { keeps: false, ..Self::of(folder) }
    }

    /// Whether this host has spoken TLS.
    ///
    /// # Errors
    /// See [`RatchetError`]: then it may have.
    pub fn is_marked(&self, host: &Address) -> Result<bool, RatchetError> {
        let mut state = self.state();
        let key = key(host);
        Ok(state.unwritten.contains(&key) || self.read(&mut state)?.contains(&key))
    }

    /// Notes that a host has spoken TLS. What cannot be written counts all the same until this
    /// process ends, and is written with the next mark; it is said once in the log.
    ///
    /// # Errors
    /// See [`RatchetError`].
    pub fn mark(&self, host: &Address) -> Result<(), RatchetError> {
        let mut state = self.state();
        state.unwritten.insert(key(host));
        if !self.keeps {
            return Ok(());
        }
        let written = self.write_unwritten(&mut state);
        match &written {
            Err(fault) if !state.complained => {
                state.complained = true;
                error!("ssl = prefer: which hosts have spoken TLS cannot be kept: {fault}");
            }
            Ok(()) if state.complained => {
                state.complained = false;
                info!("ssl = prefer: which hosts have spoken TLS is kept again");
            }
            _ => {}
        }
        written
    }

    /// Forgets that a host has spoken TLS; whether it had.
    ///
    /// # Errors
    /// See [`RatchetError`]; the mark stays.
    pub fn forget(&self, host: &str) -> Result<bool, RatchetError> {
        let mut state = self.state();
        let host = normal(host);
        if !self.read(&mut state)?.contains(&host) {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let mut marks = self.read(&mut state)?;
        marks.remove(&host);
        self.replace(&marks).map(|()| true)
    }

    /// The hosts that have spoken TLS, as `host:port`.
    ///
    /// # Errors
    /// See [`RatchetError`].
    pub fn marks(&self) -> Result<BTreeSet<String>, RatchetError> {
        self.read(&mut self.state())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn read(&self, state: &mut State) -> Result<BTreeSet<String>, RatchetError> {
        let file = self.file();
        let text = match read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !state.seen => {
                return Ok(BTreeSet::new());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RatchetError::Vanished { file });
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(RatchetError::Damaged { file });
            }
            Err(error) => return Err(RatchetError::Unreadable { file, what: error.to_string() }),
        };
        state.seen = true;
        parse(&text).ok_or(RatchetError::Damaged { file })
    }

    fn write_unwritten(&self, state: &mut State) -> Result<(), RatchetError> {
        if self.read(state)?.is_superset(&state.unwritten) {
            state.unwritten.clear();
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut marks = self.read(state)?;
        marks.extend(state.unwritten.iter().cloned());
        self.replace(&marks)?;
        state.seen = true;
        state.unwritten.clear();
        Ok(())
    }

    /// The lock of whoever writes: on the folder itself, so that there is no file to be owned.
    fn lock(&self) -> Result<File, RatchetError> {
        let folder = File::open(&self.folder).map_err(|error| self.unwritable(&error))?;
        match folder.try_lock() {
            Ok(()) => Ok(folder),
            Err(TryLockError::WouldBlock) => Err(RatchetError::Busy { file: self.file() }),
            Err(TryLockError::Error(error)) => Err(self.unwritable(&error)),
        }
    }

    fn replace(&self, marks: &BTreeSet<String>) -> Result<(), RatchetError> {
        let new = self.folder.join(NEW_FILE);
        let replaced = write(&new, &text_of(marks), &self.folder)
            .and_then(|()| fs::rename(&new, self.file()))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        replaced.map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &io::Error) -> RatchetError {
        RatchetError::Unwritable { file: self.file(), what: error.to_string() }
    }
}

/// Under which name a host is marked: its address, not its section's name, which may change.
fn key(host: &Address) -> String {
    normal(&host.to_string())
}

/// Capitals and a closing dot mean nothing in DNS.
fn normal(address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    format!("{}:{port}", host.trim_end_matches('.').to_ascii_lowercase())
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(file)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length <= MAX_BYTES) {
        return Ok(text);
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Readable for its owner only, who is the owner of the folder also when root writes.
fn write(file: &Path, text: &str, folder: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut new = options.open(file)?;
    let (owner, own) = (folder.metadata()?, new.metadata()?);
    if (owner.uid(), owner.gid()) != (own.uid(), own.gid()) {
        fchown(&new, Some(owner.uid()), Some(owner.gid()))?;
    }
    new.write_all(text.as_bytes())?;
    new.sync_all()
}

fn text_of(marks: &BTreeSet<String>) -> String {
    let lines: String = std::iter::once(HEAD)
        .chain(marks.iter().map(String::as_str))
        .map(|it| it.to_owned() + "\n")
        .collect();
    let sum = sum(&lines);
    lines + &sum + "\n"
}

/// The marks of a whole file; `None` for any other.
fn parse(text: &str) -> Option<BTreeSet<String>> {
    let (lines, last) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let lines = format!("{lines}\n");
    if sum(&lines) != last {
        return None;
    }
    Some(lines.strip_prefix(HEAD)?.strip_prefix('\n')?.lines().map(str::to_owned).collect())
}

fn sum(lines: &str) -> String {
    Sha256::digest(lines.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    fn marked(folder: &Path, host: &Address) -> bool {
        Ratchet::of(folder).is_marked(host).expect("readable")
    }

    #[test]
    fn a_mark_outlives_the_process_until_it_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let (db1, db2) = (address("DB1.example.", 27017), address("::1", 27018));
        let ratchet = Ratchet::of(folder.path());
        assert!(!ratchet.is_marked(&db1).expect("no file is no mark"));
        ratchet.mark(&db1).expect("written");
        ratchet.mark(&db2).expect("written");
        ratchet.mark(&db1).expect("there already");
        for host in [&db1, &db2, &address("db1.example", 27017)] {
            assert!(marked(folder.path(), host), "{host}");
        }
        assert!(!marked(folder.path(), &address("db1.example", 27018)));
        // By another process, while this one runs.
        assert!(Ratchet::of(folder.path()).forget("[::1]:27018").expect("written"));
        assert!(!Ratchet::of(folder.path()).forget("[::1]:27018").expect("not there"));
        assert!(!ratchet.is_marked(&db2).expect("readable"));
        assert!(ratchet.is_marked(&db1).expect("readable"));
        let marks: Vec<_> = ratchet.marks().expect("readable").into_iter().collect();
        assert_eq!(marks, ["db1.example:27017"]);
        let mode = fs::metadata(folder.path().join(FILE)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!folder.path().join(NEW_FILE).exists());
    }

    #[test]
    fn a_file_that_was_changed_cut_or_removed_is_no_answer_and_is_not_replaced() {
        let db1 = address("db1", 27017);
        let whole = text_of(&BTreeSet::from(["db1:27017".to_owned()]));
        let damages: [String; 6] = [
            String::new(),
            HEAD.to_owned() + "\n",
            whole.replace("db1", "db2"),
            whole.lines().take(2).map(|line| format!("{line}\n")).collect(),
            whole.replace('\n', "\r\n"),
            whole.clone() + "db3:27017\n",
        ];
        for damaged in damages {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join(FILE);
            fs::write(&file, &damaged).expect("written");
            let ratchet = Ratchet::of(folder.path());
            for outcome in [
                ratchet.is_marked(&address("db9", 1)).map(drop),
                ratchet.mark(&address("db8", 1)),
                ratchet.forget("db1:27017").map(drop),
            ] {
                assert!(matches!(outcome, Err(RatchetError::Damaged { .. })), "{damaged:?}");
            }
            assert_eq!(fs::read_to_string(&file).expect("there"), damaged);
            assert!(ratchet.is_marked(&address("db8", 1)).expect("in memory"), "{damaged:?}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let ratchet = Ratchet::of(folder.path());
        ratchet.mark(&db1).expect("written");
        fs::remove_file(folder.path().join(FILE)).expect("there");
        assert!(matches!(ratchet.is_marked(&db1), Err(RatchetError::Vanished { .. })));
        fs::create_dir(folder.path().join(FILE)).expect("free");
        assert!(matches!(ratchet.is_marked(&db1), Err(RatchetError::Unreadable { .. })));
    }

    #[test]
    fn a_mark_that_cannot_be_written_counts_and_is_written_with_the_next() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("state");
        let ratchet = Ratchet::of(&folder);
        let [db1, db2] = ["db1", "db2"].map(|host| address(host, 27017));
        assert!(matches!(ratchet.mark(&db1), Err(RatchetError::Unwritable { .. })));
        assert!(ratchet.is_marked(&db1).expect("in memory"));
        fs::create_dir(&folder).expect("free");
        let held = File::open(&folder).expect("there");
        held.lock().expect("nobody has it");
        assert!(matches!(ratchet.mark(&db2), Err(RatchetError::Busy { .. })));
        drop(held);
        ratchet.mark(&db2).expect("written");
        assert!(marked(&folder, &db1) && marked(&folder, &db2));
    }

    #[test]
    fn whoever_only_looks_leaves_no_mark_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let looking = Ratchet::to_look_at(folder.path());
        looking.mark(&address("db1", 1)).expect("in memory");
        assert!(!marked(folder.path(), &address("db1", 1)));
    }
}
