//! The documents of a conversation with MongoDB, without I/O: what the agent asks, and what the
//! answers mean.

pub mod command;
mod hello;
mod reply;
pub mod scram;
mod tls_mode;

pub use self::{
    hello::{Hello, NodeKind, SaslReply},
    reply::{ErrorKind, ReplyError, ServerError, check},
    tls_mode::TlsMode,
};
