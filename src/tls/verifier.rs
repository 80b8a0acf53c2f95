//! The verifier of one peer: it remembers, judges, and only then asks the policy.

use std::sync::{Mutex, PoisonError};

use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
        verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
};
use webpki::{EndEntityCert, RawPublicKeyEntity};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{
    certificate,
    judge::{Accepted, Judge, Refusal},
    report::{Certificate, Verification},
};

/// What the last handshake presented, and what was made of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// As presented, the server's own certificate first.
    pub(super) chain: Vec<Certificate>,
    /// What the verification said, whether or not it mattered; `None` before a certificate came.
    pub(super) verdict: Option<Result<Accepted, Refusal>>,
}

impl Seen {
    /// The verdict as a closed set.
    pub(super) fn verification(&self) -> Verification {
        match &self.verdict {
            None => Verification::NotVerified,
            Some(Ok(_)) => Verification::Valid,
            Some(Err(refusal)) => refusal.verification(),
        }
    }
}

/// Judges the certificates of one peer.
#[derive(Debug)]
pub(super) struct Verifier {
    judge: Judge,
    require_valid: bool,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Seen>,
}

impl Verifier {
    pub(super) fn new(
        judge: Judge,
        require_valid: bool,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self { judge, require_valid, algorithms, seen: Mutex::default() }
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

    pub(super) fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Remembers a handshake that was not signed with the certificate's key, whatever the
    /// certificate is worth. With validation off, algorithms and keys too weak for us must not end
    /// the handshake either.
    fn tolerate(
        &self,
        outcome: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        if outcome.is_err() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(seen.verdict, Some(Ok(_))) {
                seen.verdict = Some(Err(Refusal::KeyNotProven));
            }
        }
        match outcome {
            Err(_) if !self.require_valid => Ok(HandshakeSignatureValid::assertion()),
            outcome => outcome,
        }
    }

    /// The signature of a TLS 1.2 handshake by a key whose certificate webpki cannot read.
    fn raw_tls12_signature(
        &self,
        message: &[u8],
        key: &SubjectPublicKeyInfoDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = RawPublicKeyEntity::try_from(key);
        let key = key.map_err(|error| Refusal::Path(error).alert())?;
        let of_scheme = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == dss.scheme);
        let mut algorithms = of_scheme.flat_map(|(_, algorithms)| algorithms.iter());
        let fits = algorithms
            .any(|algorithm| key.verify_signature(*algorithm, message, dss.signature()).is_ok());
        if fits {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(rustls::CertificateError::BadSignature.into())
    }
}

/// The key of a certificate that webpki cannot read (version 1), which was accepted because it is
/// listed; `None` where webpki can.
fn raw_key(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    if EndEntityCert::try_from(certificate).is_ok() {
        return None;
    }
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(SubjectPublicKeyInfoDer::from(certificate.public_key().raw.to_vec()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        let verdict = self.judge.judge(&chain, server_name, now);
        let alert = verdict.as_ref().err().map(Refusal::alert);
        let chain = chain.iter().filter_map(|der| certificate::read(der)).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Seen { chain, verdict: Some(verdict) };
        match alert {
            Some(alert) if self.require_valid => Err(alert),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tolerate(match raw_key(cert) {
            Some(key) => self.raw_tls12_signature(message, &key, dss),
            None => verify_tls12_signature(message, cert, dss, &self.algorithms),
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tolerate(match raw_key(cert) {
            Some(key) => verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms),
            None => verify_tls13_signature(message, cert, dss, &self.algorithms),
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
