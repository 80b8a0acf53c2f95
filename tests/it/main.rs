//! The integration tests.

mod config_file;
