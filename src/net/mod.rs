//! Connections to MongoDB: one socket a host, one request at a time, every wait with a deadline.
//!
//! ```text
//! Target ── dial (resolve · TCP · TLS) ── Connection ── greeting · login ──► Session
//! ```

mod buffers;
mod connection;
mod diagnose;
mod dial;
mod error;
mod login;
mod prefer;
mod session;
mod stream;
mod target;

pub use self::{
    connection::Connection,
    error::{Error, Stage},
    login::KeyCache,
    session::{Reply, Session},
    stream::{Stream, Transport},
    target::Target,
};
pub use crate::tls::{Report as HandshakeReport, Trusts};
