//! `ssl = prefer`: on which terms a host may be watched without TLS.

use std::sync::Arc;

use super::Error;
use crate::{
    config::{Address, Login, Prefer},
    ratchet::{Ratchet, RatchetError},
};

/// The terms of one host, and what is known of its past.
#[derive(Debug)]
pub(super) struct Fallback {
    terms: Prefer,
    ratchet: Arc<Ratchet>,
}

impl Fallback {
    pub(super) fn new(terms: Prefer, ratchet: &Arc<Ratchet>) -> Self {
        Self { terms, ratchet: Arc::clone(ratchet) }
    }

    /// What a plaintext connection may log in with. SCRAM alone never shows the password to
    /// whoever listens, and only an operator can say that its proof may be seen.
    pub(super) fn login<'a>(&self, configured: Option<&'a Login>) -> Option<&'a Login> {
        let may = |login: &&Login| self.terms.scram_without_tls && matches!(login, Login::Scram(_));
        configured.filter(may)
    }

    /// Whether plaintext may be used, once there is proof of it. The marks are read anew, so that
    /// `tls --forget` works while the agent runs.
    ///
    /// # Errors
    /// The host has spoken TLS before, or nobody can tell.
    pub(super) async fn permits_plaintext(&self, host: &Address) -> Result<(), Error> {
        let host = host.clone();
        let asked = host.clone();
        match self.ask(move |ratchet| ratchet.is_marked(&asked)).await {
            Some(Ok(false)) => Ok(()),
            Some(Err(fault)) => Err(Error::Ratchet { address: host, fault }),
            Some(Ok(true)) | None => Err(Error::TlsLost(host)),
        }
    }

    /// Notes that the host has TLS from now on. What goes wrong is in the log, and the mark counts
    /// until the process ends.
    pub(super) async fn tls_works(&self, host: &Address) {
        let host = host.clone();
        let _said_in_the_log = self.ask(move |ratchet| ratchet.mark(&host)).await;
    }

    /// Files are read and written on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Ratchet) -> Result<T, RatchetError> + Send + 'static,
    ) -> Option<Result<T, RatchetError>> {
        let ratchet = Arc::clone(&self.ratchet);
        // The runtime only refuses this when it is shutting down.
        tokio::task::spawn_blocking(move || question(&ratchet)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[tokio::test]
    async fn only_scram_and_only_where_it_is_allowed_is_a_login_without_tls() {
        let folder = tempfile::tempdir().expect("a folder");
        let ratchet = Arc::new(Ratchet::of(folder.path()));
        let fallback = |scram_without_tls| Fallback::new(Prefer { scram_without_tls }, &ratchet);
        let scram = Login::scram("monitor", Secret::new("canary".to_owned()), "admin");
        let certificate = Login::Certificate { username: None };
        for (allowed, login, expected) in [
            (false, Some(&scram), None),
            (true, Some(&scram), Some(&scram)),
            (true, Some(&certificate), None),
            (true, None, None),
        ] {
            assert_eq!(fallback(allowed).login(login), expected, "{allowed} {login:?}");
        }
    }

    #[tokio::test]
    async fn a_host_that_has_spoken_tls_is_never_watched_without() {
        let folder = tempfile::tempdir().expect("a folder");
        let ratchet = Arc::new(Ratchet::of(folder.path()));
        let fallback = Fallback::new(Prefer { scram_without_tls: true }, &ratchet);
        let host = Address { host: "db1".to_owned(), port: 27017 };
        assert!(fallback.permits_plaintext(&host).await.is_ok());
        fallback.tls_works(&host).await;
        let refused = fallback.permits_plaintext(&host).await;
        assert!(matches!(refused, Err(Error::TlsLost(found)) if found == host));
        Ratchet::of(folder.path()).forget("db1:27017").expect("written");
        assert!(fallback.permits_plaintext(&host).await.is_ok());
        std::fs::write(folder.path().join("tls-ratchet"), "nonsense").expect("written");
        let refused = fallback.permits_plaintext(&host).await;
        assert!(matches!(refused, Err(Error::Ratchet { .. })));
    }
}
