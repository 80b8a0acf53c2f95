//! The integration tests: the real agent against real servers.

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod config_file;
mod documents;
mod main_job;
mod metrics_golden;
mod outages;
mod prefer;
mod refusals;
mod renewal;
mod shared;
mod startup;
mod tls_command;
mod tls_diagnosis;
mod uploads;
