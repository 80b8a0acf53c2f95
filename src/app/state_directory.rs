//! The folder for what must outlive a restart, held by one agent at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// The lock is taken on this file; it holds the owner's process id in decimal.
const LOCK_FILE: &str = "lock";

/// Why the state directory cannot be used.
#[derive(Debug, Error)]
pub enum StateDirectoryError {
    /// It cannot be made or written to.
    #[error("cannot use stateDirectory {}: {what}: create it, and make it writable for the agent's user", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        what: String,
    },
    /// Another agent holds it.
    #[error(
        "stateDirectory {} is in use by another monitoring-agent (pid {pid}): stop that one, or \
         give this one a directory of its own", folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other's process id, as far as it could be read.
        pid: String,
    },
}

/// A state directory that this process owns until the value is dropped.
#[derive(Debug)]
pub(super) struct StateDirectory {
    /// The kernel lets go of the lock with the file, also after a crash.
    _lock: File,
}

impl StateDirectory {
    /// Makes the folder where it is missing (only for its owner), and locks it.
    ///
    /// # Errors
    /// See [`StateDirectoryError`].
    pub(super) fn open(folder: &Path) -> Result<Self, StateDirectoryError> {
        let unusable = |error: io::Error| StateDirectoryError::Unusable {
            folder: folder.to_owned(),
            what: error.to_string(),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        let path = folder.join(LOCK_FILE);
        // The file is emptied below: a link would have another one emptied.
        if path.is_symlink() {
            return Err(unusable(io::Error::other("its file \"lock\" is a link, remove it")));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(path).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = owner(&mut lock);
                return Err(StateDirectoryError::InUse { folder: folder.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        sign(&mut lock).map_err(unusable)?;
        Ok(Self { _lock: lock })
    }
}

fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    writeln!(lock, "{}", std::process::id())
}

fn owner(lock: &mut File) -> String {
    let mut pid = String::new();
    let read = lock.take(20).read_to_string(&mut pid);
    let pid = pid.trim();
    let is_pid = read.is_ok() && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    if is_pid { pid.to_owned() } else { "unknown".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_a_second_agent_is_told_who_holds_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("a/b");
        let held = StateDirectory::open(&folder).expect("the folder is made");
        let refused = StateDirectory::open(&folder).expect_err("it is held").to_string();
        assert!(refused.contains(&format!("(pid {})", std::process::id())), "{refused}");
        drop(held);
        StateDirectory::open(&folder).expect("it was let go");
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_refused_and_its_target_untouched() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("precious");
        std::fs::write(&target, "content").expect("written");
        std::os::unix::fs::symlink(&target, folder.path().join(LOCK_FILE)).expect("linked");
        let refused = StateDirectory::open(folder.path()).expect_err("a link").to_string();
        assert!(refused.contains("is a link"), "{refused}");
        assert_eq!(std::fs::read_to_string(&target).expect("read"), "content");
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let refused = StateDirectory::open(file.path()).expect_err("it is a file").to_string();
        assert!(refused.starts_with("cannot use stateDirectory /"), "{refused}");
    }
}
