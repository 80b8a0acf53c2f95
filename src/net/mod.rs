//! x
pub use crate::tls::Report as HandshakeReport;
