//! Handshakes with servers of every kind, under every policy: accepted or refused, and in which
//! words.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::{TlsPolicy, TrustSource};

/// A CA and the folder with its certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = named(name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        std::fs::write(&file, certificate.pem()).expect("written");
        Self { issuer: Issuer::new(parameters, key), file, _folder: folder }
    }

    fn sign(&self, parameters: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { chain: vec![certificate.der().clone()], key }
    }
}

/// What a server presents.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

fn named(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters
}

fn server(names: &[&str]) -> CertificateParams {
    let mut parameters = named("server");
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    parameters.subject_alt_names =
        CertificateParams::new(names).expect("good names").subject_alt_names;
    parameters
}

/// One handshake with a server of this identity.
async fn shake(identity: Identity, policy: &TlsPolicy) -> (Result<(), Fault>, Report) {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(identity.chain, key)
        .expect("an identity");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let peer = Peer::new("localhost", Role::Mongo, policy, &Arc::default()).expect("a name");
    let serve = async {
        let (socket, _) = listener.accept().await.expect("a client");
        let _client_may_refuse = TlsAcceptor::from(Arc::new(config)).accept(socket).await;
    };
    let connect = async {
        let socket = TcpStream::connect(address).await.expect("connects");
        let outcome = peer.handshake(socket).await;
        let report = peer.report(outcome.as_ref().ok());
        (outcome.map(drop), report)
    };
    let ((), outcome) = tokio::join!(serve, connect);
    outcome
}

fn trusting(authority: &Authority, require_valid: bool) -> TlsPolicy {
    TlsPolicy::new(TrustSource::File(authority.file.clone()), require_valid)
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_refused_in_words_and_tolerated_only_without_validation() {
    let ours = Authority::new("Our CA");
    let file = ours.file.display();
    let good = server(&["localhost", "127.0.0.1"]);
    let mut expired = good.clone();
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2021, 2, 3);
    let mut future = good.clone();
    future.not_before = rcgen::date_time_ymd(2090, 1, 1);
    future.not_after = rcgen::date_time_ymd(2091, 1, 1);
    let mut client_only = good.clone();
    client_only.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut authority = good.clone();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cases = [
        ("unknown CA", Authority::new("Another CA").sign(&good), Verification::UnknownIssuer,
            format!("the certificate of CN=server was issued by CN=Another CA, which is not signed by any CA in {file}, or the server does not send its intermediate certificate; set sslTrustedServerCertificates to a file with the right CA")),
        ("other names", ours.sign(&server(&["db1.example", "10.0.0.1"])), Verification::WrongName,
            "the certificate is for db1.example, 10.0.0.1; the agent connects to localhost; use one of these names, or reissue the certificate".to_owned()),
        ("no names", ours.sign(&server(&[])), Verification::WrongName,
            "the certificate of CN=server has no subject alternative name, the agent connects to localhost; reissue it with subjectAltName".to_owned()),
        ("expired", ours.sign(&expired), Verification::Expired,
            "the certificate chain of CN=server has expired: it was valid until 2021-02-03 00:00:00 UTC, by the local clock it is ".to_owned()),
        ("not yet valid", ours.sign(&future), Verification::NotYetValid,
            "the certificate of CN=server is not valid before 2090-01-01 00:00:00 UTC, by the local clock it is ".to_owned()),
        ("for clients only", ours.sign(&client_only), Verification::Invalid,
            "the certificate of CN=server is not for servers: its extended key usage lacks serverAuth; reissue it".to_owned()),
        ("a CA's", ours.sign(&authority), Verification::Invalid,
            "the certificate of CN=server is a CA certificate (basicConstraints CA:TRUE), as openssl req -x509 makes them; reissue it as a server certificate".to_owned()),
    ];
    for (case, identity, expected, words) in cases {
        let again = Identity { chain: identity.chain.clone(), key: copy(&identity.key) };
        let (outcome, report) = shake(identity, &trusting(&ours, true)).await;
        let Err(Fault::Refused { verification, words: said }) = outcome else {
            panic!("{case}: {outcome:?}");
        };
        assert_eq!(verification, expected, "{case}");
        assert!(said.starts_with(&words), "{case}:\n{said}\n{words}");
        assert_eq!((report.verification, report.negotiated), (expected, None), "{case}");
        assert_eq!(report.chain.len(), 1, "{case}: the refused chain is remembered");

        let (outcome, report) = shake(again, &trusting(&ours, false)).await;
        assert_eq!(outcome, Ok(()), "{case}: tolerated");
        assert_eq!(report.verification, expected, "{case}: and still said");
        assert!(report.negotiated.is_some() && report.anchor.is_none(), "{case}");
    }
}

#[tokio::test]
async fn a_good_certificate_is_accepted_and_the_anchor_is_named() {
    let ours = Authority::new("Our CA");
    let (outcome, report) = shake(ours.sign(&server(&["localhost"])), &trusting(&ours, true)).await;
    assert_eq!((outcome, report.verification), (Ok(()), Verification::Valid));
    assert_eq!(report.anchor.expect("the CA").subject, "CN=Our CA");
    assert_eq!(report.negotiated.expect("agreed").version, "1.3");
}

#[tokio::test]
async fn the_systems_store_does_not_trust_a_private_ca() {
    let ours = Authority::new("Our CA");
    let policy = TlsPolicy::new(TrustSource::System, true);
    let (outcome, _) = shake(ours.sign(&server(&["localhost"])), &policy).await;
    let refused = outcome.expect_err("refused");
    assert!(
        matches!(refused, Fault::Refused { verification: Verification::UnknownIssuer, .. })
            || matches!(refused, Fault::Trust(TrustError::EmptySystemStore { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn servers_that_speak_no_tls_are_told_from_those_that_hang_up() {
    let ours = Authority::new("Our CA");
    for (greeting, expected) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), Fault::NotTls(Role::Mongo)),
        (b"", Fault::Closed),
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let peer = Peer::new("localhost", Role::Mongo, &trusting(&ours, true), &Arc::default());
        let peer = peer.expect("a name");
        let serve = async {
            let (mut socket, _) = listener.accept().await.expect("a client");
            socket.readable().await.expect("a hello");
            socket.write_all(greeting).await.expect("taken");
        };
        let connect = async {
            let socket = TcpStream::connect(address).await.expect("connects");
            peer.handshake(socket).await.map(drop)
        };
        let ((), outcome) = tokio::join!(serve, connect);
        assert_eq!(outcome, Err(expected));
        assert_eq!(peer.report(None).verification, Verification::NotVerified);
    }
}

#[test]
fn a_host_that_no_certificate_can_be_for_is_refused_with_the_way_out() {
    let policy = TlsPolicy::new(TrustSource::System, true);
    for host in ["bücher.example", "", "a b", "-x-"] {
        let refused = Peer::new(host, Role::Mongo, &policy, &Arc::default()).map(drop);
        let words = refused.expect_err("refused").to_string();
        assert!(words.starts_with(&format!("\"{host}\" is neither a DNS name")), "{words}");
    }
    for host in ["my_host", "db1.example.", "127.0.0.1", "::1"] {
        assert!(Peer::new(host, Role::Mongo, &policy, &Arc::default()).is_ok(), "{host}");
    }
}

fn copy(key: &KeyPair) -> KeyPair {
    KeyPair::from_pem(&key.serialize_pem()).expect("the same key")
}
