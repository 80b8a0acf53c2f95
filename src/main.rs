//! The process: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    monitoring_agent::cli::run(std::env::args_os()).into()
}
