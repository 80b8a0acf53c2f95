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
        Self::of(parameters)
    }

    fn of(mut parameters: CertificateParams) -> Self {
        parameters.key_usages =
            vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        std::fs::write(&file, certificate.pem()).expect("written");
        Self { issuer: Issuer::new(parameters, key), file, _folder: folder }
    }

    /// One that may only sign for names of one domain, which `localhost` is in too.
    fn constrained(name: &str) -> Self {
        let mut parameters = named(name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("localhost".to_owned())],
            excluded_subtrees: Vec::new(),
        });
        Self::of(parameters)
    }

    /// A revocation list in PEM that names one serial number, and ends with the given year.
    fn revoking(&self, serial: u64, end: i32) -> String {
        let revoked = rcgen::RevokedCertParams {
            serial_number: serial.into(),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(end, 1, 1),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
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
            "the certificate chain of CN=server is not valid before 2090-01-01 00:00:00 UTC, by the local clock it is ".to_owned()),
        ("for clients only", ours.sign(&client_only), Verification::WrongPurpose,
            "the certificate of CN=server is not for servers: its extended key usage lacks serverAuth; reissue it".to_owned()),
        ("a CA's", ours.sign(&authority), Verification::Invalid,
            "the certificate of CN=server is a CA certificate (basicConstraints CA:TRUE), as openssl req -x509 makes them; reissue it as a server certificate, or list it itself in sslTrustedServerCertificates".to_owned()),
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
async fn a_listed_leaf_is_accepted_by_exact_match_with_its_dates_its_use_and_its_name() {
    let mut selfmade = server(&["localhost"]);
    selfmade.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut expired = selfmade.clone();
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let mut client_only = selfmade.clone();
    client_only.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut other_name = server(&["db9.example"]);
    other_name.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (parameters, expected) in [
        (selfmade, Verification::Valid),
        (expired, Verification::Expired),
        (client_only, Verification::WrongPurpose),
        (other_name, Verification::WrongName),
    ] {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, certificate.pem()).expect("written");
        let policy = TlsPolicy::new(TrustSource::File(file.path().to_owned()), true);
        let identity = Identity { chain: vec![certificate.der().clone()], key };
        let (outcome, report) = shake(identity, &policy).await;
        assert_eq!(report.verification, expected);
        assert_eq!(outcome.is_ok(), expected == Verification::Valid, "{outcome:?}");
        let rule = report.accepted.map(|accepted| accepted.rule);
        assert_eq!(rule, outcome.is_ok().then_some(Rule::ExactMatch));
    }
}

#[tokio::test]
async fn the_common_name_counts_only_where_there_is_no_other_name_and_no_constraint() {
    let ours = Authority::new("Our CA");
    let constrained = Authority::constrained("Constrained CA");
    let mut without_names = named("localhost");
    without_names.subject_alt_names.clear();
    for (authority, parameters, expected) in [
        (&ours, without_names.clone(), Verification::Valid),
        (&ours, server(&["db1.example"]), Verification::WrongName),
        (&ours, named("db1.example"), Verification::WrongName),
        (&constrained, without_names, Verification::WrongName),
    ] {
        let (_, report) = shake(authority.sign(&parameters), &trusting(authority, true)).await;
        assert_eq!(report.verification, expected);
        let name = report.accepted.map(|accepted| accepted.name);
        assert_eq!(name, (expected == Verification::Valid).then_some(NameRule::CommonName));
    }
}

#[tokio::test]
async fn a_wrong_name_is_accepted_only_without_the_name_check_and_nothing_else_is() {
    let ours = Authority::new("Our CA");
    let policy = TlsPolicy { require_name: false, ..trusting(&ours, true) };
    let (outcome, report) = shake(ours.sign(&server(&["db1.example"])), &policy).await;
    assert_eq!(outcome, Ok(()));
    assert_eq!(report.accepted.map(|accepted| accepted.name), Some(NameRule::NotRequired));
    let stranger = Authority::new("Another CA").sign(&server(&["db1.example"]));
    assert_eq!(shake(stranger, &policy).await.1.verification, Verification::UnknownIssuer);
}

#[tokio::test]
async fn revocation_lists_are_looked_at_for_the_leaf_and_must_be_in_force() {
    let ours = Authority::new("Our CA");
    let mut good = server(&["localhost"]);
    good.serial_number = Some(7_u64.into());
    let mut bad = server(&["localhost"]);
    bad.serial_number = Some(8_u64.into());
    let (current, old) = (ours.revoking(8, 2090), ours.revoking(8, 2021));
    let foreign = Authority::new("Another CA").revoking(8, 2090);
    for (parameters, list, expected) in [
        (&good, &current, Verification::Valid),
        (&bad, &current, Verification::Revoked),
        (&good, &old, Verification::RevocationUnknown),
        (&good, &foreign, Verification::RevocationUnknown),
    ] {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, list).expect("written");
        let policy = TlsPolicy { crls: Some(file.path().to_owned()), ..trusting(&ours, true) };
        let (outcome, report) = shake(ours.sign(parameters), &policy).await;
        assert_eq!(report.verification, expected);
        assert_eq!(outcome.is_ok(), expected == Verification::Valid);
    }
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
