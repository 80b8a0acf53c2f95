//! `ssl = prefer`, while a host is watched in plaintext: TLS is tried again on a second socket, and
//! the session that works takes over. Nothing is lost meanwhile.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::{
    backoff::dice,
    config::Host,
    net::{Error, Session, Target, Transport},
    sample::{Failure, Reason},
    tls::Fault,
};

/// Between two tries.
const PACE: Duration = Duration::from_secs(60);

type Attempt = Pin<Box<dyn Future<Output = Result<Session, Error>> + Send>>;

/// The way from plaintext to TLS of one host.
pub(super) struct TlsAgain {
    host: Arc<str>,
    /// Whether the host is one of `ssl = prefer`; for others nothing is ever tried.
    prefers: bool,
    /// When to try; `None` while the session is encrypted, or there is none.
    next: Option<Instant>,
    attempt: Option<Attempt>,
    /// How the last session was protected.
    last: Option<Transport>,
    /// Why TLS did not work, as far as it was said for this session.
    told: Vec<Reason>,
}

impl fmt::Debug for TlsAgain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAgain").field("next", &self.next).finish_non_exhaustive()
    }
}

impl TlsAgain {
    pub(super) fn new(host: &Host) -> Self {
        Self {
            host: Arc::clone(&host.name),
            prefers: host.prefer.is_some(),
            next: None,
            attempt: None,
            last: None,
            told: Vec::new(),
        }
    }

    /// A session was opened. Says how it is protected when that is new.
    pub(super) fn connected(&mut self, session: &Session) {
        self.disconnected();
        self.told.clear();
        if !self.prefers {
            return;
        }
        let host = &*self.host;
        let before = self.last.replace(session.transport());
        match session.transport() {
            Transport::Plaintext => {
                // Hosts that were restarted together do not try together.
                self.next = Some(Instant::now() + PACE.mul_f64(0.5 + dice() / 2.0));
                if before != Some(Transport::Plaintext) {
                    warn!(
                        host,
                        logged_in = session.is_logged_in(),
                        "host has no TLS yet and is watched in plaintext (ssl = prefer); TLS is \
                         tried again every minute"
                    );
                }
            }
            Transport::Tls if before == Some(Transport::Plaintext) => {
                info!(host, "host has TLS from now on, and plaintext is over for it");
            }
            Transport::Tls => {}
        }
    }

    /// The session is gone.
    pub(super) fn disconnected(&mut self) {
        (self.next, self.attempt) = (None, None);
    }

    /// Waits until it is time to try, and tries.
    ///
    /// # Cancel safety
    /// Cancel safe: a try that is under way goes on with the next call.
    pub(super) async fn outcome(&mut self, target: &Arc<Target>) -> Result<Session, Error> {
        let Some(next) = self.next else { return std::future::pending().await };
        if self.attempt.is_none() {
            sleep_until(next).await;
        }
        let target = Arc::clone(target);
        let open =
            || -> Attempt { Box::pin(async move { Session::open_encrypted(&target).await }) };
        let outcome = self.attempt.get_or_insert_with(open).as_mut().await;
        self.attempt = None;
        self.next = Some(Instant::now() + PACE);
        outcome
    }

    /// TLS still does not work. That the server hangs up is what one without TLS does; anything
    /// else is said once, as its time without will end.
    pub(super) fn failed(&mut self, error: &Error) {
        let host = &*self.host;
        if matches!(error, Error::Tls { fault: Fault::Closed, .. }) {
            debug!(host, "still no TLS");
            return;
        }
        let Failure { reason, words } = Failure::from(error);
        if !self.told.contains(&reason) {
            self.told.push(reason);
            warn!(
                host,
                reason = reason.name(),
                "TLS was tried and failed, the host is still watched in plaintext: {words}"
            );
        }
    }
}
