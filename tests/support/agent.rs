//! The real binary, with a configuration in a folder of its own.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use super::{
    exposition::{Answer, Exposition, fetch},
    guard::{Folder, Process},
    trouble::{Outcome, Trouble},
    wait,
};

/// The agent's own limit for stopping is 10 s; it may take a little more on a busy machine.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A running agent.
pub(crate) struct Agent {
    process: Process,
    outputs: Outputs,
    address: Option<SocketAddr>,
}

impl Agent {
    /// Starts it with `--config CONFIG` and waits until its endpoint listens, which the line
    /// `listening … address=IP:PORT` of its log tells. The logs go into the folder.
    pub(crate) fn start(binary: &Path, config: &Path, folder: &Folder) -> Outcome<Self> {
        let outputs = Outputs::within(folder.path());
        let mut process = launch(binary, &["--config".as_ref(), config.as_os_str()], &outputs)?;
        let address = wait::until("the agent listens", wait::PATIENCE, || {
            let ended = process.ended();
            match (listening_address(&outputs.both()), ended) {
                (Some(address), _) => Some(Ok(address)),
                (None, Some(status)) => Some(Err(status)),
                (None, None) => None,
            }
        })?;
        let address = address.map_err(|status| {
            Trouble::new(
                format!("the agent ended ({status}) and said:\n{}", outputs.both()),
                "correct what it complains about",
            )
        })?;
        Ok(Self { process, outputs, address: Some(address) })
    }

    /// Starts one that listens nowhere.
    pub(crate) fn start_unheard(binary: &Path, config: &Path, folder: &Folder) -> Outcome<Self> {
        let outputs = Outputs::within(folder.path());
        let process = launch(binary, &["--config".as_ref(), config.as_os_str()], &outputs)?;
        Ok(Self { process, outputs, address: None })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its endpoint listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("this agent listens")
    }

    /// Everything it has written so far.
    pub(crate) fn log(&self) -> String {
        self.outputs.both()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Asks an endpoint.
    pub(crate) fn fetch(&self, path: &str) -> Outcome<Answer> {
        fetch(self.address(), path)
    }

    /// Reads `/metrics`.
    pub(crate) fn scrape(&self) -> Outcome<Exposition> {
        let answer = self.fetch("/metrics")?;
        if answer.status != 200 {
            return Err(Trouble::new(
                format!("/metrics answered {}: {}", answer.status, answer.body),
                "read the agent's log",
            ));
        }
        Exposition::read(&answer.body)
    }

    /// Scrapes until the probe is content, and shows the log when it never is.
    pub(crate) fn scrape_until<T>(
        &self,
        what: &str,
        mut probe: impl FnMut(&Exposition) -> Option<T>,
    ) -> Outcome<T> {
        wait::until(what, wait::PATIENCE, || probe(&self.scrape().ok()?)).map_err(|trouble| {
            Trouble::new(format!("{trouble}\nthe agent's log:\n{}", self.log()), "read the log")
        })
    }

    /// The first line of the log that holds all the words, once there is one.
    pub(crate) fn line_with(&self, words: &[&str]) -> Outcome<String> {
        let what = format!("a line of the log with {words:?}");
        wait::until(&what, wait::PATIENCE, || {
            let log = self.log();
            log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
        .map_err(|trouble| {
            Trouble::new(format!("{trouble}\nthe agent's log:\n{}", self.log()), "read the log")
        })
    }

    /// Sends a signal by its name without `SIG`.
    pub(crate) fn signal(&mut self, name: &str) -> Outcome<()> {
        self.process.signal(name)
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop_with(&mut self, name: &str) -> Outcome<ExitStatus> {
        self.signal(name)?;
        wait::until("the agent stops", STOP_LIMIT, || self.process.ended())
    }
}

/// What a run that ends by itself left behind.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary with arguments that make it end by itself.
pub(crate) fn finish(binary: &Path, arguments: &[&str]) -> Outcome<Finished> {
    let folder = Folder::create()?;
    let outputs = Outputs::within(folder.path());
    let arguments: Vec<&std::ffi::OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    let mut process = launch(binary, &arguments, &outputs)?;
    let status = wait::until("the agent ends by itself", STOP_LIMIT, || process.ended())?;
    Ok(Finished {
        code: status.code(),
        stdout: read(&outputs.stdout),
        stderr: read(&outputs.stderr),
    })
}

fn launch(binary: &Path, arguments: &[&std::ffi::OsStr], outputs: &Outputs) -> Outcome<Process> {
    let mut command = Command::new(binary);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(File::create(&outputs.stdout)?).stderr(File::create(&outputs.stderr)?);
    Process::start(&mut command)
}

/// The files that both outputs go into: nothing has to be read while the agent runs.
struct Outputs {
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Outputs {
    fn within(folder: &Path) -> Self {
        Self { stdout: folder.join("stdout.log"), stderr: folder.join("stderr.log") }
    }

    fn both(&self) -> String {
        read(&self.stdout) + &read(&self.stderr)
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn listening_address(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("listening") && line.contains("address="))?;
    let (_, value) = line.split_once("address=")?;
    value.split_whitespace().next()?.trim_matches('"').parse().ok()
}
