//! The verifier of one peer: it remembers, judges, and only then asks the policy.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{Trust, Verification, certificate, report::Certificate};

/// What the last handshake presented, and what was made of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// As presented, the server's own certificate first.
    pub(super) chain: Vec<Certificate>,
    /// The trusted certificate that the chain led to.
    pub(super) anchor: Option<Certificate>,
    /// What the verification said, whether or not it mattered; `None` before a certificate came.
    pub(super) verdict: Option<Result<(), Error>>,
}

impl Seen {
    /// The verdict as a closed set.
    pub(super) fn verification(&self) -> Verification {
        match &self.verdict {
            None => Verification::NotVerified,
            Some(Ok(())) => Verification::Valid,
            Some(Err(error)) => verification(error),
        }
    }
}

/// The outcome that an error of the verification stands for.
pub(super) fn verification(error: &Error) -> Verification {
    match error {
        Error::InvalidCertificate(fault) => match fault {
            CertificateError::UnknownIssuer => Verification::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Verification::WrongName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Verification::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Verification::NotYetValid
            }
            _ => Verification::Invalid,
        },
        _ => Verification::Invalid,
    }
}

/// Judges the certificates of one peer.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Arc<Trust>,
    require_valid: bool,
    /// `None` when nobody is trusted: then every issuer is unknown.
    inner: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Seen>,
}

impl Verifier {
    pub(super) fn new(
        trust: Arc<Trust>,
        require_valid: bool,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        let roots = Arc::clone(&trust.roots);
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider).build().ok();
        Self { trust, require_valid, inner, algorithms, seen: Mutex::default() }
    }

    /// Takes what the last handshake presented. Taken before the next one too, so that a failure
    /// ahead of the certificate does not show an old one.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the last handshake presented.
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// A signature made with the certificate's key. With validation off, algorithms and keys too
    /// weak for us must not end the handshake either.
    fn tolerate(
        &self,
        outcome: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match outcome {
            Err(_) if !self.require_valid => Ok(HandshakeSignatureValid::assertion()),
            outcome => outcome,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match &self.inner {
            Some(inner) => inner
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map(drop),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        let seen = Seen {
            chain: chain.iter().filter_map(|der| certificate::read(der)).collect(),
            anchor: verdict.is_ok().then(|| self.trust.anchor(&chain)).flatten(),
            verdict: Some(verdict.clone()),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        match verdict {
            Err(error) if self.require_valid => Err(error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tolerate(verify_tls12_signature(message, cert, dss, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tolerate(verify_tls13_signature(message, cert, dss, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
