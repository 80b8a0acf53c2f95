//! Who else can read or change a file that holds secrets, or that decides whom the agent trusts.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// The permission bits of everybody, and within a class: to read, to write.
const READ: u32 = 0o4;
const WRITE: u32 = 0o2;

/// Why a file is refused, with the command that mends it. A file may be readable by the agent's
/// own user, by root and by the agent's own groups, and changed only by these.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Exposed {
    /// The permissions of others.
    #[error("every user of this machine can {what} it (mode {mode:04o}), run: chmod o-rwx {file}")]
    Everybody { what: &'static str, mode: u32, file: String },
    /// The permissions of a group that is not one of the process's.
    #[error(
        "group {group}, which the agent does not belong to, can {what} it (mode {mode:04o}), run: \
         chmod g-rwx {file}, or run this as the agent's own user"
    )]
    Group { group: u32, what: &'static str, mode: u32, file: String },
    /// Whoever owns a file can give himself all permissions.
    #[error(
        "user {owner} owns it and can change it, run: chown {agent} {file}, or run this as the \
         agent's own user"
    )]
    Owner { owner: u32, agent: u32, file: String },
}

/// The process, as far as permissions are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    user: u32,
    groups: Vec<u32>,
    /// `$CREDENTIALS_DIRECTORY`: the service manager keeps the files in it for this unit alone,
    /// with modes of its own choice.
    credentials: Option<PathBuf>,
}

impl Process {
    /// Asks the kernel and the environment.
    ///
    /// # Errors
    /// /proc is not there, or is not what Linux writes.
    pub(super) fn current() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let process = Self::from_status(&status).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status has no Uid and Gid lines")
        })?;
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Ok(Self { credentials, ..process })
    }

    /// proc(5): `Uid` and `Gid` hold the real, effective, saved and file system id.
    fn from_status(status: &str) -> Option<Self> {
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().map(|number| number.parse().ok()).collect()
        };
        let user = *numbers("Uid:")?.get(1)?;
        let mut groups = numbers("Groups:")?;
        groups.push(*numbers("Gid:")?.get(1)?);
        Some(Self { user, groups, credentials: None })
    }

    /// Judges an open file, so that nobody can put another in its place afterwards.
    ///
    /// # Errors
    /// The outer one when the file cannot be examined, the inner one is the verdict.
    pub(super) fn examine(&self, file: &File, path: &Path) -> io::Result<Result<(), Exposed>> {
        if self.is_credential(file) {
            return Ok(Ok(()));
        }
        let metadata = file.metadata()?;
        Ok(self.judge(path, metadata.mode(), metadata.uid(), metadata.gid()))
    }

    fn is_credential(&self, file: &File) -> bool {
        let Some(folder) = self.credentials.as_ref().and_then(|path| path.canonicalize().ok())
        else {
            return false;
        };
        // The link of the descriptor is the true path of what is open; `..` and links in the
        // configured path do not deceive it.
        fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
            .is_ok_and(|path| path.starts_with(folder))
    }

    fn judge(&self, path: &Path, mode: u32, owner: u32, group: u32) -> Result<(), Exposed> {
        let mode = mode & 0o7777;
        let file = quoted(path);
        if let Some(what) = access(mode) {
            return Err(Exposed::Everybody { what, mode, file });
        }
        if let Some(what) = access(mode >> 3).filter(|_| !self.groups.contains(&group)) {
            return Err(Exposed::Group { group, what, mode, file });
        }
        if owner != 0 && owner != self.user {
            return Err(Exposed::Owner { owner, agent: self.user, file });
        }
        Ok(())
    }
}

/// What the lowest class of these bits may do.
fn access(bits: u32) -> Option<&'static str> {
    match (bits & READ != 0, bits & WRITE != 0) {
        (true, true) => Some("read and change"),
        (true, false) => Some("read"),
        (false, true) => Some("change"),
        (false, false) => None,
    }
}

/// The path as one word of a shell command.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+:@%,".contains(character);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> Process {
        Process { user: 991, groups: vec![991, 4], credentials: None }
    }

    fn judge(mode: u32, owner: u32, group: u32) -> Result<(), String> {
        let verdict = agent().judge(Path::new("/etc/a.config"), mode, owner, group);
        verdict.map_err(|exposed| exposed.to_string())
    }

    #[test]
    fn files_of_the_agent_and_of_root_for_the_agents_groups_are_fine() {
        for (mode, owner, group) in [
            (0o100_600, 991, 991),
            (0o100_400, 0, 0),
            (0o100_640, 0, 991),
            (0o100_660, 0, 4),
            (0o100_711, 991, 1000),
        ] {
            assert_eq!(judge(mode, owner, group), Ok(()), "{mode:o} {owner}:{group}");
        }
    }

    #[test]
    fn every_exposure_names_the_command_that_ends_it() {
        for (mode, owner, group, expected) in [
            (
                0o100_644,
                0,
                991,
                "every user of this machine can read it (mode 0644), run: chmod o-rwx \
                 /etc/a.config",
            ),
            (
                0o100_602,
                991,
                991,
                "every user of this machine can change it (mode 0602), run: chmod o-rwx \
                 /etc/a.config",
            ),
            (
                0o100_640,
                991,
                1000,
                "group 1000, which the agent does not belong to, can read it (mode 0640), run: \
                 chmod g-rwx /etc/a.config, or run this as the agent's own user",
            ),
            (
                0o100_660,
                0,
                0,
                "group 0, which the agent does not belong to, can read and change it (mode 0660), \
                 run: chmod g-rwx /etc/a.config, or run this as the agent's own user",
            ),
            (
                0o100_600,
                1000,
                991,
                "user 1000 owns it and can change it, run: chown 991 /etc/a.config, or run this \
                 as the agent's own user",
            ),
        ] {
            assert_eq!(judge(mode, owner, group), Err(expected.to_owned()));
        }
    }

    #[test]
    fn the_kernels_words_are_understood() {
        let status = "Name:\tx\nUid:\t0\t991\t0\t0\nGid:\t0\t992\t0\t0\nGroups:\t4 24 \n";
        let expected = Process { user: 991, groups: vec![4, 24, 992], credentials: None };
        assert_eq!(Process::from_status(status), Some(expected));
        assert_eq!(Process::from_status("Name:\tx\n"), None);
        assert!(Process::current().is_ok());
    }

    #[test]
    fn only_files_that_really_lie_in_the_credentials_directory_are_exempt() {
        let folder = tempfile::tempdir().expect("a folder");
        let credentials = folder.path().join("credentials");
        fs::create_dir(&credentials).expect("a folder in it");
        let [inside, outside] = [credentials.join("key"), folder.path().join("key")];
        for path in [&inside, &outside] {
            fs::write(path, "x").expect("a file");
        }
        let process = Process { credentials: Some(credentials.clone()), ..agent() };
        let exempt = |path: &Path| process.is_credential(&File::open(path).expect("it is there"));
        assert!(exempt(&inside));
        assert!(!exempt(&outside));
        assert!(!exempt(&credentials.join("../key")));
    }

    #[test]
    fn a_path_with_blanks_can_be_pasted_into_a_shell() {
        assert_eq!(quoted(Path::new("/etc/a b's")), r"'/etc/a b'\''s'");
    }
}
