//! TLS: whom the agent trusts, what it accepts, and what it saw.
//!
//! The only module that names rustls, rustls-pemfile and x509-parser; others carry its values
//! without looking inside. What it stands for:
//!
//! * The provider is passed explicitly (aws-lc-rs), sessions are never resumed, TLS 1.2 with
//!   ECDHE and AEAD is the least that is spoken.
//! * A host's verifier first remembers the chain, then judges it, and only then asks the policy
//!   whether the verdict matters: so the report is the same whether or not validation is on, and
//!   whether or not the handshake succeeded.
//! * Faults are mapped by variant to [`Fault`], never by the text of an error.

mod certificate;
mod fault;
mod identity;
mod name;
mod peer;
mod pem;
mod report;
mod trust;
mod verifier;

#[cfg(test)]
mod tests;

pub use self::{
    fault::Fault,
    identity::{BlockError, Identity, IdentityError, KeyError, Place},
    name::same_organisation,
    peer::{HttpsConfig, NameError, Peer, Role, TlsStream},
    report::{Certificate, Negotiated, Report, Verification},
    trust::{Trust, TrustError, Trusts},
};
