//! One host, as its sessions need it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Error, HandshakeReport, KeyCache, Session, diagnose::Diagnosis, prefer::Fallback};
use crate::{
    config::{Address, Host, Login},
    ratchet::Ratchet,
    tls::{NameError, Peer, Role, Trusts},
};

/// Everything needed to open a session with one host, kept between sessions.
#[derive(Debug)]
pub struct Target {
    pub(super) address: Address,
    pub(super) peer: Option<Peer>,
    pub(super) prefer: Option<Fallback>,
    pub(super) login: Option<Login>,
    pub(super) keys: KeyCache,
    pub(super) diagnosis: Diagnosis,
    shown: Mutex<Option<Arc<HandshakeReport>>>,
    pub(super) dial_timeout: Duration,
    pub(super) command_timeout: Duration,
}

impl Target {
    /// A target for a configured host. Nothing is read or resolved yet. It never falls back to
    /// plaintext unless it is given a [ratchet](Self::with_ratchet).
    ///
    /// # Errors
    /// [`NameError`] when TLS is asked for and no certificate could be for the host's name.
    pub fn new(host: &Host, trusts: &Arc<Trusts>) -> Result<Self, NameError> {
        let peer = host
            .tls
            .as_ref()
            .map(|policy| Peer::new(&host.address.host, Role::Mongo, policy, trusts));
        Ok(Self {
            address: host.address.clone(),
            peer: peer.transpose()?,
            prefer: None,
            login: host.login.clone(),
            keys: KeyCache::default(),
            diagnosis: Diagnosis::default(),
            shown: Mutex::default(),
            dial_timeout: host.dial_timeout,
            command_timeout: host.command_timeout,
        })
    }

    /// The same target, which may fall back to plaintext if `host` says `ssl = prefer`, and as far as
    /// the ratchet permits.
    #[must_use]
    pub fn with_ratchet(mut self, host: &Host, ratchet: &Arc<Ratchet>) -> Self {
        self.prefer = host.prefer.map(|terms| Fallback::new(terms, ratchet));
        self
    }

    /// Judges the certificates of an open session again, by what is trusted now. A session without
    /// TLS has none.
    ///
    /// # Errors
    /// The session must be closed.
    pub fn judge_again(&self, session: &Session) -> Result<(), Error> {
        let (Some(peer), Some(stream)) = (&self.peer, session.tls_stream()) else { return Ok(()) };
        let refused = |fault| Error::Tls { address: self.address.clone(), fault };
        peer.judge_again(stream).map_err(refused)
    }

    /// Whether the server takes the agent's client certificate for one of its own cluster's, and
    /// with it the agent for `__system`.
    pub fn is_taken_for_a_member(&self, session: &Session) -> bool {
        let both = self.peer.as_ref().zip(session.tls_stream());
        both.is_some_and(|(peer, stream)| peer.is_taken_for_a_member(stream))
    }

    /// The same report after files of trust changed, for a connection that goes on: its
    /// certificates are those of its handshake, the revocation lists are today's.
    pub fn renewed(&self, report: &HandshakeReport) -> HandshakeReport {
        let crl_next_update = self.peer.as_ref().and_then(Peer::crl_next_update);
        HandshakeReport { crl_next_update, ..report.clone() }
    }

    /// What the last connect showed, also when the handshake, or what came after it, failed; `None`
    /// when no certificate was shown.
    pub fn report(&self) -> Option<Arc<HandshakeReport>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn show(&self, report: HandshakeReport) -> Arc<HandshakeReport> {
        let report = Arc::new(report);
        let shown = (!report.chain.is_empty()).then(|| Arc::clone(&report));
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        report
    }
}
