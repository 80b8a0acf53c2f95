//! Where log lines go and how they look.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

use crate::config::LogLevel;

/// Sends events of `level` and above to standard error, one line each: a service manager collects
/// them there. May be called once a process; later calls change nothing.
pub fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let subscriber = fmt::Subscriber::builder()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .finish();
    let _already_started = tracing::subscriber::set_global_default(subscriber);
}
