//! Nothing outlives us: a watcher for each process and each folder that we make.
//!
//! `Drop` does not run for statics, nor when this process is killed. So each child and each
//! temporary folder has a watcher: a shell that reads its standard input, which is a pipe from us.
//! While we live the pipe is open and empty; when we are gone, however we went, it ends, and the
//! watcher clears away. What is dropped in order is cleared away here, and the watcher dismissed.

use std::{
    ffi::OsStr,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use super::trouble::{Outcome, Trouble};

const KILL_PROCESS: &str = r#"read -r _ || kill -9 "$1""#;

/// The processes that still write into it are killed at the same moment, so one try may fail.
const REMOVE_FOLDER: &str =
    r#"read -r _ || for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && break; sleep 0.2; done"#;

struct Watcher(Child);

impl Watcher {
    fn set(script: &str, argument: impl AsRef<OsStr>) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "watcher"]).arg(argument);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // In a group of its own, so that Ctrl-C does not end it before it has done its work.
        shell.process_group(0).spawn().map(Self)
    }

    fn dismiss(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            // A watcher that is gone already has nothing left to be told.
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.0.wait();
    }
}

/// A child process that ends with its owner.
pub(crate) struct Process {
    child: Child,
    watcher: Watcher,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts the command in a process group of its own: Ctrl-C reaches us, not it.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let cannot = |cause: io::Error| {
            Trouble::new(
                format!("{program} cannot be started: {cause}"),
                "check that it exists and may be executed",
            )
        };
        let mut child = command.process_group(0).spawn().map_err(cannot)?;
        match Watcher::set(KILL_PROCESS, child.id().to_string()) {
            Ok(watcher) => Ok(Self { child, watcher, status: None }),
            Err(cause) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(cannot(cause))
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Sends a signal by its name without `SIG`; does nothing once the process has ended.
    pub(crate) fn signal(&mut self, name: &str) -> Outcome<()> {
        if self.ended().is_some() {
            return Ok(());
        }
        let line = format!("kill -s {name} {}", self.id());
        // The shell's own kill: the program of that name is not installed everywhere.
        let status = Command::new("sh").args(["-c", &line]).status()?;
        if status.success() {
            return Ok(());
        }
        Err(Trouble::new(format!("{line} failed: {status}"), "check the name of the signal"))
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            self.status = self.child.wait().ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.watcher.dismiss();
    }
}

/// A temporary folder, for its owner only, that goes with its owner.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
    watcher: Watcher,
}

impl Folder {
    pub(crate) fn create() -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("monitoring-agent-").tempdir()?;
        let watcher = Watcher::set(REMOVE_FOLDER, folder.path())?;
        Ok(Self { folder, watcher })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that only its owner may read, and tells its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Outcome<PathBuf> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.path().join(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&path)?.write_all(content.as_ref())?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The watcher does it when this fails: it is asked to go only when nothing is left.
        if std::fs::remove_dir_all(self.folder.path()).is_ok() {
            self.watcher.dismiss();
        }
    }
}
