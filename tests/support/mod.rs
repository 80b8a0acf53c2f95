//! The vocabulary of the tests and of the quickstart: real servers, real certificates, the real
//! agent. Everything here blocks; what needs a runtime keeps one of its own.

pub(crate) mod agent;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod exposition;
pub(crate) mod guard;
pub(crate) mod middleman;
pub(crate) mod mongod;
pub(crate) mod receiver;
pub(crate) mod replica_set;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod sockets;
pub(crate) mod strangers;
pub(crate) mod trouble;
pub(crate) mod wait;
pub(crate) mod watch;
