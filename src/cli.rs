//! The command line: which command, which configuration file, which exit code.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{
    app::{self, ForgetError, Forgotten, Outcome},
    config, logging,
    sample::wall_millis,
};

/// From this many hosts on it is said how far a look at all of them is.
const MANY_HOSTS: usize = 20;

/// Watches MongoDB over TLS and tells a management server and Prometheus what it sees.
#[derive(Debug, Parser)]
#[command(
    name = "monitoring-agent",
    version,
    after_help = "Exit codes: 0 asked to stop, or all is well; 1 a host did not pass; 64 usage; \
                  69 could not start; 70 a task died; 78 bad configuration."
)]
struct Arguments {
    /// The configuration file [default: /etc/monitoring-agent/monitoring-agent.config, else
    /// /etc/mongodb-mms/monitoring-agent.config]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run the agent until SIGTERM or SIGINT (the default).
    Run,
    /// Read the configuration, list every problem in it, and end.
    CheckConfig,
    /// List every key of the configuration with its default and meaning.
    ListSettings,
    /// Connect to every host, and show how far each is with TLS: as configured, as observed, as the
    /// server states it.
    Tls {
        /// Write one JSON document instead of a table.
        #[arg(long)]
        json: bool,
        /// Instead, let this host (a name or address) of ssl = prefer be watched without TLS again,
        /// because TLS was really switched off there. The agent may run meanwhile.
        #[arg(long, value_name = "HOST", conflicts_with = "json")]
        forget: Option<String>,
    },
}

/// How the process ends. The numbers are those of sysexits.h, and stand in the service unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Asked to stop, or all is well.
    Success,
    /// A host did not pass.
    DidNotPass,
    /// The command line is wrong.
    Usage,
    /// The port, the state directory or the system's trust store cannot be had.
    CannotStart,
    /// A task ended that should have run on.
    TaskDied,
    /// The configuration is wrong.
    BadConfiguration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::DidNotPass => 1,
            Exit::Usage => 64,
            Exit::CannotStart => 69,
            Exit::TaskDied => 70,
            Exit::BadConfiguration => 78,
        })
    }
}

/// Carries out what the arguments (the program's name first) say.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _closed_terminal = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Success,
                _ => Exit::Usage,
            };
        }
    };
    let config = arguments.config.as_deref();
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => run_agent(config),
        Command::CheckConfig => check_config(config),
        Command::ListSettings => {
            say(&config::settings_table());
            Exit::Success
        }
        Command::Tls { forget: Some(host), .. } => forget_tls(config, &host),
        Command::Tls { json, forget: None } => show_tls(config, json),
    }
}

fn show_tls(named: Option<&Path>, json: bool) -> Exit {
    let loaded = match load(named) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let total = loaded.config.hosts.len();
    // Ten lines of progress are enough for any fleet.
    let step = total.div_ceil(10);
    let progress = |done: usize| {
        if total >= MANY_HOSTS && done.is_multiple_of(step) {
            complain(&format!("{done} of {total} hosts"));
        }
    };
    let fleet = match app::look(&loaded.config, progress) {
        Ok(fleet) => fleet,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::CannotStart;
        }
    };
    let now = wall_millis() / 1_000;
    say(&if json { fleet.json(now) } else { fleet.table(now) });
    if fleet.all_pass() { Exit::Success } else { Exit::DidNotPass }
}

fn forget_tls(named: Option<&Path>, host: &str) -> Exit {
    let loaded = match load(named) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    match app::forget(&loaded.config, host) {
        Ok(Forgotten::Mark(address)) => {
            say(&format!(
                "{address}: forgotten; with ssl = prefer it may be watched without TLS again\n"
            ));
            Exit::Success
        }
        Ok(Forgotten::Nothing(address)) => {
            say(&format!("{address}: nothing to forget, it has not spoken TLS\n"));
            Exit::Success
        }
        Err(error) => {
            complain(&error.to_string());
            match error {
                ForgetError::Unknown(_) => Exit::Usage,
                ForgetError::Ratchet(_) => Exit::CannotStart,
            }
        }
    }
}

fn run_agent(named: Option<&Path>) -> Exit {
    let loaded = match load(named) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    logging::start(loaded.config.log_level);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match app::run(loaded.config) {
        Ok(Outcome::Stopped) => Exit::Success,
        Ok(Outcome::TaskDied) => Exit::TaskDied,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            Exit::CannotStart
        }
    }
}

fn check_config(named: Option<&Path>) -> Exit {
    let loaded = match load(named) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    for warning in &loaded.warnings {
        complain(&format!("warning: {warning}"));
    }
    let problems = app::trust_problems(&loaded.config);
    for problem in &problems {
        complain(problem);
    }
    if !problems.is_empty() {
        return Exit::BadConfiguration;
    }
    let config = &loaded.config;
    let (hosts, destinations) = (config.hosts.len(), config.destinations.len());
    say(&format!("{}: valid: {hosts} hosts, {destinations} destinations\n", config.file.display()));
    Exit::Success
}

/// Finds and reads the configuration; what is wrong with it is said at once and whole.
fn load(named: Option<&Path>) -> Result<config::Loaded, Exit> {
    let found = config::find(named).map_err(|error| {
        complain(&error.to_string());
        Exit::BadConfiguration
    })?;
    if let Some(note) = &found.note {
        complain(note);
    }
    config::load(&found.path).map_err(|problems| {
        complain(problems.to_string().trim_end());
        Exit::BadConfiguration
    })
}

/// To standard output; a reader that went away is no failure.
fn say(text: &str) {
    let _closed_pipe = std::io::stdout().lock().write_all(text.as_bytes());
}

/// To standard error.
fn complain(text: &str) {
    let _closed_pipe = writeln!(std::io::stderr().lock(), "{text}");
}
