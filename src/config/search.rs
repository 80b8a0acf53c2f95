//! Where the configuration file is found. Never in the working directory: the file decides whom
//! the agent trusts, and whoever can write there must not.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Where the package puts the file.
const OWN: &str = "/etc/monitoring-agent/monitoring-agent.config";

/// Where the original agent kept its file, which this one understands.
const ORIGINAL: &str = "/etc/mongodb-mms/monitoring-agent.config";

/// The file to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path.
    pub path: PathBuf,
    /// Something the operator should know of the choice.
    pub note: Option<String>,
}

/// No file was named, and none lies where the agent looks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "there is no configuration: neither {} nor {} exists, name a file with --config FILE",
    own.display(),
    original.display()
)]
pub struct NotFound {
    own: PathBuf,
    original: PathBuf,
}

/// Chooses the configuration file: the one that was named, else the agent's own, else that of the
/// original agent.
///
/// # Errors
/// [`NotFound`]. A named file is not looked at: loading it says what is wrong with it.
pub fn find(named: Option<&Path>) -> Result<Found, NotFound> {
    choose(named, Path::new(OWN), Path::new(ORIGINAL))
}

fn choose(named: Option<&Path>, own: &Path, original: &Path) -> Result<Found, NotFound> {
    // A broken link or a place that must not be looked at counts: loading says what is wrong, and
    // a file elsewhere does not take its place in silence.
    let exists = |path: &Path| {
        !fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    if let Some(path) = named {
        Ok(Found { path: path.to_owned(), note: None })
    } else if exists(own) {
        Ok(Found { path: own.to_owned(), note: None })
    } else if exists(original) {
        let note = format!(
            "{} of the original agent is read because {} does not exist",
            original.display(),
            own.display()
        );
        Ok(Found { path: original.to_owned(), note: Some(note) })
    } else {
        Err(NotFound { own: own.to_owned(), original: original.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_wins_then_the_agents_own_then_the_original_agents() {
        let folder = tempfile::tempdir().expect("a folder");
        let [own, original] = ["own", "original"].map(|name| folder.path().join(name));
        let choose = |named| choose(named, &own, &original);
        let missing = choose(None).expect_err("neither exists").to_string();
        assert_eq!(
            missing,
            format!(
                "there is no configuration: neither {} nor {} exists, name a file with --config \
                 FILE",
                own.display(),
                original.display()
            )
        );

        fs::write(&original, "").expect("written");
        let found = choose(None).expect("the original exists");
        assert_eq!(found.path, original);
        assert_eq!(
            found.note,
            Some(format!(
                "{} of the original agent is read because {} does not exist",
                original.display(),
                own.display()
            ))
        );

        fs::write(&own, "").expect("written");
        assert_eq!(choose(None), Ok(Found { path: own.clone(), note: None }));
        let named = Path::new("elsewhere");
        assert_eq!(choose(Some(named)), Ok(Found { path: named.to_owned(), note: None }));
    }

    #[test]
    fn the_working_directory_is_not_searched() {
        assert!([OWN, ORIGINAL].iter().all(|path| Path::new(path).is_absolute()));
    }
}
