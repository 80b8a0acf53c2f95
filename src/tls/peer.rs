//! One peer: its name, the policy towards it, and the handshake.

use std::{
    error::Error as StdError,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    ClientConfig, ProtocolVersion,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version,
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    Fault, Identity, Negotiated, Report, TrustError, Trusts, certificate,
    fault::Context,
    judge::Judge,
    verifier::{Seen, Verifier},
};
use crate::config::TlsPolicy;

/// What `reqwest::ClientBuilder::tls_backend_preconfigured` takes.
pub type HttpsConfig = ClientConfig;

/// An encrypted connection.
pub type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// The configured host cannot be looked for in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "\"{0}\" is neither a DNS name nor an IP address that a certificate can be for (names with \
     other letters than ASCII are written in punycode, as xn--…)"
)]
pub struct NameError(String);

/// Which keys of the configuration a peer's policy comes from, for the words of its faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A MongoDB server.
    Mongo,
    /// A server that samples are sent to.
    ManagementServer,
}

impl Role {
    /// The key that names the trusted certificates.
    pub(super) fn trust_setting(self) -> &'static str {
        match self {
            Self::Mongo => "sslTrustedServerCertificates",
            Self::ManagementServer => "sslTrustedMMSServerCertificate",
        }
    }
}

/// One server that the agent makes TLS connections to.
#[derive(Debug)]
pub struct Peer {
    host: String,
    role: Role,
    name: ServerName<'static>,
    policy: TlsPolicy,
    trusts: Arc<Trusts>,
    /// Made at the first handshake after the trusted certificates could be read.
    ready: Mutex<Option<Ready>>,
}

#[derive(Clone, Debug)]
struct Ready {
    /// The generation of trust that this was made in.
    generation: u64,
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
    identity: Option<Arc<Identity>>,
}

impl Peer {
    /// A peer by its DNS name or IP address (without brackets). Reads nothing yet.
    ///
    /// # Errors
    /// [`NameError`] when no certificate could be for such a name.
    pub fn new(
        host: &str,
        role: Role,
        policy: &TlsPolicy,
        trusts: &Arc<Trusts>,
    ) -> Result<Self, NameError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| NameError(host.to_owned()))?;
        Ok(Self {
            host: host.to_owned(),
            role,
            name,
            policy: policy.clone(),
            trusts: Arc::clone(trusts),
            ready: Mutex::default(),
        })
    }

    /// Makes the handshake. The future holds no state of its own: dropping it drops the socket.
    ///
    /// # Errors
    /// See [`Fault`]; [`Peer::report`] tells what was seen up to then.
    pub async fn handshake(&self, socket: TcpStream) -> Result<TlsStream, Fault> {
        self.load_off_the_reactor().await?;
        let Ready { config, verifier, .. } = self.ready()?;
        let _of_the_last_handshake = verifier.take();
        TlsConnector::from(config)
            .connect(self.name.clone(), socket)
            .await
            .map_err(|error| Fault::of(&error, &verifier.seen(), &self.context(&verifier)))
    }

    /// Reads the files on a thread that may block, so that [`Peer::ready`] finds them read.
    async fn load_off_the_reactor(&self) -> Result<(), Fault> {
        // A thread for each of hundreds of hosts that start together would cost more than the file.
        if self.trusts.holds(&self.policy) {
            return Ok(());
        }
        let (trusts, policy) = (Arc::clone(&self.trusts), self.policy.clone());
        let load = move || -> Result<(), Fault> {
            trusts.load(&policy.trust)?;
            policy.crls.as_ref().map(|file| trusts.crls(file)).transpose()?;
            policy.identity.as_ref().map(|files| trusts.identity(files)).transpose()?;
            Ok(())
        };
        // The runtime only refuses this when it is shutting down.
        tokio::task::spawn_blocking(load).await.unwrap_or(Ok(()))
    }

    /// What the last handshake showed; `stream` is its connection if it succeeded. Told once: the
    /// peer forgets what it tells.
    pub fn report(&self, stream: Option<&TlsStream>) -> Report {
        let (seen, client, crl_next_update) =
            match self.ready.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                Some(Ready { verifier, identity, .. }) => {
                    let crls = verifier.judge().crls.as_ref();
                    let client = identity.as_ref().map(|identity| identity.certificate().clone());
                    (verifier.take(), client, crls.and_then(|crls| crls.next_update()))
                }
                None => (Seen::default(), None, None),
            };
        let verification = seen.verification();
        let accepted = seen.verdict.and_then(Result::ok);
        Report {
            negotiated: stream.and_then(negotiated),
            verification,
            chain: seen.chain,
            accepted: accepted.as_ref().map(|accepted| accepted.why),
            anchor: accepted.and_then(|accepted| certificate::read(&accepted.anchor)),
            client,
            crl_next_update,
        }
    }

    /// When the first of the revocation lists in use must be renewed, in seconds since the Unix
    /// epoch; `None` where none are configured.
    pub fn crl_next_update(&self) -> Option<i64> {
        let ready = self.ready().ok()?;
        ready.verifier.judge().crls.as_ref()?.next_update()
    }

    /// Judges a chain in DER, the server's own certificate first, as a handshake at `now` (seconds
    /// since the Unix epoch) would, without any connection.
    ///
    /// # Errors
    /// See [`Fault`]: only what the policy does not tolerate.
    pub fn judge(&self, chain: Vec<Vec<u8>>, now: u64) -> Result<(), Fault> {
        let Ready { verifier, .. } = self.ready()?;
        let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        match verifier.judge().judge(&chain, &self.name, now) {
            Err(refusal) if self.policy.require_valid => {
                let chain: Vec<_> = chain.iter().filter_map(|der| certificate::read(der)).collect();
                Err(Fault::refused(&refusal, &chain, &self.context(&verifier)))
            }
            _ => Ok(()),
        }
    }

    /// Judges the certificates of an open connection again, by what is trusted now.
    ///
    /// # Errors
    /// See [`Peer::judge`]: the connection must be closed.
    pub fn judge_again(&self, stream: &TlsStream) -> Result<(), Fault> {
        let (_, connection) = stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        self.judge(chain.iter().map(|der| der.to_vec()).collect(), UnixTime::now().as_secs())
    }

    /// Whether the server of an open connection takes the agent's certificate for one of its own
    /// cluster's.
    pub fn is_taken_for_a_member(&self, stream: &TlsStream) -> bool {
        let (_, connection) = stream.get_ref();
        let server = connection.peer_certificates().and_then(|chain| chain.first());
        let identity = self.ready().ok().and_then(|ready| ready.identity);
        identity
            .zip(server)
            .is_some_and(|(identity, server)| identity.is_member_of_the_cluster_of(server))
    }

    /// The generation of what is trusted: an HTTPS client that was made in an older one must be
    /// made again.
    pub fn generation(&self) -> u64 {
        self.trusts.generation()
    }

    /// The same verifier for an HTTPS client.
    ///
    /// # Errors
    /// See [`Fault`]; an empty system store is one when the certificate must be valid.
    pub fn https_config(&self) -> Result<HttpsConfig, Fault> {
        let mut config = ClientConfig::clone(&*self.ready()?.config);
        config.alpn_protocols.clear();
        Ok(config)
    }

    /// The TLS fault among the causes of an error of an HTTPS client; `None` when TLS is not what
    /// failed: also a connection that just ended is none of its faults.
    pub fn https_fault(&self, error: &(dyn StdError + 'static)) -> Option<Fault> {
        let ready = self.ready().ok()?;
        Fault::among(error, &ready.verifier.seen(), &self.context(&ready.verifier))
    }

    /// What the words of a fault need to know.
    fn context<'a>(&'a self, verifier: &'a Verifier) -> Context<'a> {
        Context { trust: &verifier.judge().trust, role: self.role, peer: &self.host }
    }

    fn ready(&self) -> Result<Ready, Fault> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked first: what is replaced while this runs has a later generation.
        let generation = self.trusts.generation();
        if let Some(ready) = ready.as_ref().filter(|ready| ready.generation == generation) {
            return Ok(ready.clone());
        }
        let trust = self.trusts.load(&self.policy.trust)?;
        if trust.is_empty() && self.policy.require_valid {
            return Err(TrustError::EmptySystemStore { setting: self.role.trust_setting() }.into());
        }
        let crls = self.policy.crls.as_ref().map(|file| self.trusts.crls(file)).transpose()?;
        let identity = self.policy.identity.as_ref();
        let identity = identity.map(|files| self.trusts.identity(files)).transpose()?;
        let algorithms = PROVIDER.signature_verification_algorithms;
        let judge = Judge {
            trust,
            crls,
            require_name: self.policy.require_name,
            algorithms: algorithms.all,
        };
        let verifier = Arc::new(Verifier::new(judge, self.policy.require_valid, algorithms));
        Ok(ready.insert(prepare(generation, verifier, identity)).clone())
    }
}

/// One for the process; no default is installed, so that nothing else can choose another.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

fn prepare(generation: u64, verifier: Arc<Verifier>, identity: Option<Arc<Identity>>) -> Ready {
    let config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .expect("aws-lc-rs has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
    let mut config = match &identity {
        Some(identity) => config.with_client_cert_resolver(Arc::clone(identity) as _),
        None => config.with_no_client_auth(),
    };
    // A resumed session would skip the verifier, and with it the report; it saves 0.2 ms.
    config.resumption = Resumption::disabled();
    Ready { generation, config: Arc::new(config), verifier, identity }
}

fn negotiated(stream: &TlsStream) -> Option<Negotiated> {
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_2 => "1.2",
        ProtocolVersion::TLSv1_3 => "1.3",
        _ => return None,
    };
    Some(Negotiated {
        version,
        cipher: connection
            .negotiated_cipher_suite()?
            .suite()
            .as_str()
            .unwrap_or("unknown")
            // rustls says TLS13_…; the suite's registered name has no version in it.
            .replacen("TLS13_", "TLS_", 1),
        group: format!("{:?}", connection.negotiated_key_exchange_group()?.name()),
    })
}
