//! Connections to MongoDB: one socket a host, one request at a time, every wait with a deadline.
//!
//! ```text
//! Target ── dial (resolve · TCP · TLS) ── Connection ── greeting · login ──► Session
//! ```

mod buffers;
mod connection;
mod dial;
mod error;
mod login;
mod session;
mod stream;

pub use self::{
    connection::Connection,
    error::{Error, Stage},
    login::KeyCache,
    session::{Reply, Session, Target},
    stream::Stream,
};
pub use crate::tls::{Report as HandshakeReport, Trusts};
