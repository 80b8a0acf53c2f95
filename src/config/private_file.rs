//! Reading a file that only the agent should be able to read: the configuration, passwords and keys
//! in files of their own, and the private keys of certificates.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use thiserror::Error;
use zeroize::Zeroizing;

use super::permissions::{Exposed, Process};
use crate::secret::Secret;

/// A configuration larger than this is some other file; 5,000 sections with all their keys have
/// about 2 MiB.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// One line; the same limit as for a secret in the configuration, and room for its line end.
const MAX_SECRET_BYTES: u64 = 1024 + 2;

/// Why a file cannot be used: one clause that begins with `it`, for a sentence that names the file.
#[derive(Debug, Error)]
pub(crate) enum PrivateFileError {
    /// The file system said no.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// There is no /proc to ask who the agent is.
    #[error("the agent's own user cannot be found out: {0}")]
    Nobody(io::Error),
    /// It has files in it, and no bytes.
    #[error("it is a directory, not a file")]
    Directory,
    /// A device, a socket or a named pipe.
    #[error("it is not a regular file")]
    Irregular,
    /// Some other file, or one that somebody fills up.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// Others can read or change it; with the command that ends that.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// A password never holds control characters; a wrong path often leads to such a file.
    #[error("it holds more than one line of text, a file must hold one password or key alone")]
    NotASecret,
}

/// Reads the configuration file.
///
/// # Errors
/// See [`PrivateFileError`].
pub(super) fn read_config(path: &Path) -> Result<Vec<u8>, PrivateFileError> {
    read(open_private(path)?, MAX_CONFIG_BYTES).map(|mut bytes| std::mem::take(&mut *bytes))
}

/// Reads a file with a private key.
///
/// # Errors
/// See [`PrivateFileError`].
pub(crate) fn read_key(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    read(open_private(path)?, limit)
}

/// Reads a file that everybody may see, with the same care for what kind of file it is.
///
/// # Errors
/// See [`PrivateFileError`].
pub(crate) fn read_public(path: &Path, limit: u64) -> Result<Vec<u8>, PrivateFileError> {
    read(open_regular(path)?, limit).map(|mut bytes| std::mem::take(&mut *bytes))
}

/// Reads a password or key; one newline at its end is not part of it.
///
/// # Errors
/// See [`PrivateFileError`].
pub(super) fn read_secret(path: &Path) -> Result<Secret, PrivateFileError> {
    let mut bytes = read(open_private(path)?, MAX_SECRET_BYTES)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    let text = String::from_utf8(std::mem::take(&mut *bytes));
    let secret = Secret::new(text.map_err(|_| PrivateFileError::NotASecret)?);
    if secret.expose().is_empty() {
        return Err(PrivateFileError::Empty);
    }
    if secret.expose().chars().any(char::is_control) {
        return Err(PrivateFileError::NotASecret);
    }
    Ok(secret)
}

/// Opens a file that holds a secret, such as a private key, after making sure that nobody but root
/// and the agent's own user and groups can read or change it. What is judged is the open file, so
/// nobody can put another in its place.
fn open_private(path: &Path) -> Result<File, PrivateFileError> {
    let file = open_regular(path)?;
    let process = Process::current().map_err(PrivateFileError::Nobody)?;
    process.examine(&file, path).map_err(PrivateFileError::Unreadable)??;
    Ok(file)
}

fn open_regular(path: &Path) -> Result<File, PrivateFileError> {
    // Opening a named pipe would wait for its writer, so the kind is asked before.
    regular(&fs::metadata(path).map_err(PrivateFileError::Unreadable)?)?;
    let file = File::open(path).map_err(PrivateFileError::Unreadable)?;
    regular(&file.metadata().map_err(PrivateFileError::Unreadable)?)?;
    Ok(file)
}

fn read(file: File, limit: u64) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let length = file.metadata().map_err(PrivateFileError::Unreadable)?.len();
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let room = usize::try_from(length.min(limit) + 1).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    // The length of a file can change, so it is the reading that is bounded.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(PrivateFileError::Unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(PrivateFileError::TooLarge(limit));
    }
    Ok(bytes)
}

fn regular(metadata: &fs::Metadata) -> Result<(), PrivateFileError> {
    if metadata.is_dir() {
        Err(PrivateFileError::Directory)
    } else if metadata.is_file() {
        Ok(())
    } else {
        Err(PrivateFileError::Irregular)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::PathBuf};

    use super::*;

    fn file(folder: &Path, bytes: &[u8], mode: u32) -> PathBuf {
        let path = folder.join("secret");
        fs::write(&path, bytes).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
        path
    }

    fn secret(bytes: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), bytes, 0o600);
        match read_secret(&path) {
            Ok(secret) => Ok(secret.expose().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn one_newline_at_the_end_is_not_part_of_a_secret() {
        for bytes in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            assert_eq!(secret(bytes.as_bytes()), Ok("hunter2".to_owned()), "{bytes:?}");
        }
        assert_eq!(secret(b"  hunter 2 "), Ok("  hunter 2 ".to_owned()));
        assert!(secret(&[b'x'; 1024]).is_ok());
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let alone = "it holds more than one line of text, a file must hold one password or key \
                     alone";
        for (bytes, expected) in [
            (b"".as_slice(), "it is empty"),
            (b"\n", "it is empty"),
            (b"hunter2\n\n", alone),
            (b"-----BEGIN\nhunter2\n", alone),
            (b"hunter\0", alone),
            (b"hunter\xff", alone),
            (&[b'x'; 1027], "it is larger than 1026 bytes"),
        ] {
            assert_eq!(secret(bytes), Err(expected.to_owned()));
        }
    }

    #[test]
    fn files_of_the_wrong_kind_and_exposed_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = |path: &Path| match read_secret(path) {
            Ok(_) => panic!("{} was read", path.display()),
            Err(error) => error.to_string(),
        };
        assert_eq!(refused(folder.path()), "it is a directory, not a file");
        assert_eq!(refused(Path::new("/dev/null")), "it is not a regular file");
        let missing = refused(&folder.path().join("missing"));
        assert_eq!(missing, "it cannot be read: No such file or directory (os error 2)");
        let path = file(folder.path(), b"hunter2", 0o644);
        assert_eq!(
            refused(&path),
            format!(
                "every user of this machine can read it (mode 0644), run: chmod o-rwx {}",
                path.display()
            )
        );
    }

    #[test]
    fn a_configuration_beyond_the_limit_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), b"", 0o600);
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(MAX_CONFIG_BYTES + 1))
            .expect("a file with a hole");
        let refused = read_config(&path);
        assert!(matches!(refused, Err(PrivateFileError::TooLarge(MAX_CONFIG_BYTES))));
    }
}
