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
mod crls;
mod fault;
mod identity;
mod judge;
mod name;
mod peer;
mod pem;
mod report;
mod store;
mod trust;
mod verifier;
mod wide_hello;
mod words;

#[cfg(test)]
mod tests;

pub use self::{
    crls::{CrlError, Crls},
    fault::Fault,
    identity::{BlockError, Identity, IdentityError, KeyError, Place},
    name::same_organisation,
    peer::{HttpsConfig, NameError, Peer, Role, TlsStream},
    pem::{PemError, chain},
    report::{Acceptance, Certificate, NameRule, Negotiated, Report, Rule, Verification},
    store::{Renewal, Trusts},
    trust::{Trust, TrustError},
    wide_hello::{CipherSuite, MAX_ANSWER_BYTES, TlsVersion, WideAnswer, wide_hello},
};
