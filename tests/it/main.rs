//! Everything that is tested from outside.

mod config_file;
mod metrics_golden;
