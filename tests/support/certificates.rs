//! A private PKI: authorities, and certificates with every defect that the tests need.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{guard::Folder, trouble::Outcome};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whom a certificate is for, from when to when, and with what kind of key.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// DNS names and IP addresses; the first is the common name too.
    pub(crate) names: &'a [&'a str],
    /// The O of the subject; empty leaves it out.
    pub(crate) organisation: &'a str,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    pub(crate) key: Key,
}

/// The two kinds of key that servers have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Rsa2048,
    P256,
}

impl Key {
    fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::Rsa2048 => &PKCS_RSA_SHA256,
            Self::P256 => &PKCS_ECDSA_P256_SHA256,
        }
    }
}

impl Request<'_> {
    /// For this machine, from yesterday on for 90 days: nothing is wrong with it.
    pub(crate) fn localhost() -> Self {
        let now = SystemTime::now();
        Self {
            names: &["localhost", "127.0.0.1", "::1"],
            organisation: "",
            not_before: now - DAY,
            not_after: now + 90 * DAY,
            key: Key::P256,
        }
    }
}

/// A certification authority with its key.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What a server has to send beside its own certificate: nothing for a root.
    above: Vec<CertificateDer<'static>>,
    above_pem: String,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority_parameters(name), key(Key::Rsa2048));
        Self {
            issuer: issuer.expect("the parameters of a root are fixed"),
            above: Vec::new(),
            above_pem: String::new(),
        }
    }

    /// An authority below this one, whose certificate servers send along.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let parameters = authority_parameters(name);
        let issuer = CertifiedIssuer::signed_by(parameters, key(Key::P256), &self.issuer)
            .expect("the parameters of an intermediate are fixed");
        let above = std::iter::once(issuer.der().clone()).chain(self.above.iter().cloned());
        Self { above: above.collect(), above_pem: issuer.pem() + &self.above_pem, issuer }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's own certificate in its binary form.
    pub(crate) fn der(&self) -> &[u8] {
        self.issuer.der()
    }

    /// Writes the authority's own certificate as a PEM file.
    pub(crate) fn write(&self, folder: &Folder, name: &str) -> Outcome<PathBuf> {
        folder.write(name, self.pem())
    }

    /// Writes a revocation list that is in force and names nobody of a test's.
    pub(crate) fn write_revocation_list(&self, folder: &Folder, name: &str) -> Outcome<PathBuf> {
        let revoked = rcgen::RevokedCertParams {
            serial_number: 1_u64.into(),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(2090, 1, 1),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("the parameters of a list are fixed");
        folder.write(name, list.pem().expect("a list can be written"))
    }

    /// Signs a certificate with a new key.
    pub(crate) fn issue(&self, request: &Request<'_>) -> Identity {
        let names: Vec<String> = request.names.iter().map(|&name| name.to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let mut parameters = CertificateParams::new(names).expect("the names of tests are valid");
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        if !request.organisation.is_empty() {
            parameters
                .distinguished_name
                .push(DnType::OrganizationName, request.organisation.to_owned());
        }
        set_dates(&mut parameters, request.not_before, request.not_after);
        // Members of a replica set are each other's clients with the same certificate.
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = key(request.key);
        let certificate =
            parameters.signed_by(&key, &self.issuer).expect("a request can be signed");
        let chain = std::iter::once(certificate.der().clone()).chain(self.above.iter().cloned());
        Identity {
            pem: key.serialize_pem() + &certificate.pem() + &self.above_pem,
            chain: chain.collect(),
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes PKCS#8"),
        }
    }
}

/// A certificate, those above it, and its key.
pub(crate) struct Identity {
    pub(crate) pem: String,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Writes one PEM file with key and certificates, as mongod takes it.
    pub(crate) fn write(&self, folder: &Folder, name: &str) -> Outcome<PathBuf> {
        folder.write(name, &self.pem)
    }

    /// A TLS server's side that presents this certificate to everyone.
    pub(crate) fn server_config(&self) -> rustls::ServerConfig {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("the provider knows the default versions")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .expect("the key belongs to the certificate")
    }
}

fn authority_parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = SystemTime::now();
    set_dates(&mut parameters, now - 365 * DAY, now + 3650 * DAY);
    parameters
}

fn key(kind: Key) -> KeyPair {
    KeyPair::generate_for(kind.algorithm()).expect("this machine has randomness")
}

/// The certificate library's type of a moment cannot be named from here, so dates are set in place.
fn set_dates(parameters: &mut CertificateParams, not_before: SystemTime, not_after: SystemTime) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    parameters.not_before = epoch + since_epoch(not_before);
    parameters.not_after = epoch + since_epoch(not_after);
}

fn since_epoch(moment: SystemTime) -> Duration {
    let elapsed = moment.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Duration::from_secs(elapsed.as_secs())
}
