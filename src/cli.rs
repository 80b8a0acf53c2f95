//! The command line: which command, which configuration file, which exit code.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{
    app::{self, Outcome},
    config, logging,
};

/// Watches MongoDB over TLS and tells a management server and Prometheus what it sees.
#[derive(Debug, Parser)]
#[command(
    name = "monitoring-agent",
    version,
    after_help = "Exit codes: 0 asked to stop, or all is well; 64 usage; 69 could not start; \
                  70 a task died; 78 bad configuration."
)]
struct Arguments {
    /// The configuration file [default: /etc/monitoring-agent/monitoring-agent.config, else
    /// /etc/mongodb-mms/monitoring-agent.config]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Run the agent until SIGTERM or SIGINT (the default).
    Run,
    /// Read the configuration, list every problem in it, and end.
    CheckConfig,
    /// List every key of the configuration with its default and meaning.
    ListSettings,
}

/// How the process ends. The numbers are those of sysexits.h, and stand in the service unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Asked to stop, or all is well.
    Success,
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
