//! Keys of every form, right and wrong passwords, files that belong together and files that do not,
//! and handshakes with servers that require a client certificate. The keys were made with openssl by
//! tests/data/keys/make.sh.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use proptest::prelude::*;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    version,
};
use tempfile::TempDir;

use super::*;
use crate::secret::Secret;

const PASSWORD: &str = "secret";

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/keys/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

/// A folder for the files of one identity.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        path
    }
}

fn files(certificate: PathBuf, key: PathBuf, password: Option<&str>) -> ClientIdentity {
    let password = password.map(|text| Secret::new(text.to_owned()));
    ClientIdentity { certificate, key, password }
}

/// Loads one file, and leaves its path out of the words.
fn load(content: &[u8], password: Option<&str>) -> Result<Identity, String> {
    let folder = Files::new();
    let file = folder.put("identity.pem", content);
    Identity::load(&files(file.clone(), file.clone(), password)).map_err(|error| {
        // The folder's random name may hold any three letters, and once held those of a key.
        let words = format!("{error} {error:?}").replace(&file.display().to_string(), "FILE");
        assert!(!words.contains(PASSWORD) && !words.contains("MII"), "{words}");
        error.to_string().replace(&file.display().to_string(), "FILE")
    })
}

/// The key of this form with its certificate behind it.
fn identity(key: &str) -> Vec<u8> {
    let kind = key.split('.').next().expect("a kind");
    [fixture(&format!("{key}.pem")), fixture(&format!("{kind}.certificate.pem"))].concat()
}

fn refused(content: &[u8], password: Option<&str>) -> String {
    load(content, password).expect_err("refused")
}

/// The words for a key, without those in front.
fn refused_key(content: &[u8], password: Option<&str>) -> String {
    let words = refused(content, password);
    let start = "cannot use the private key of the client certificate in FILE: ";
    words.strip_prefix(start).unwrap_or_else(|| panic!("{words}")).to_owned()
}

const PLAIN: [&str; 11] = [
    "rsa.pkcs8",
    "rsa.pkcs1",
    "p256.pkcs8",
    "p256.sec1",
    "p256.sec1-parameters",
    "p256.sec1-no-public",
    "p384.pkcs8",
    "p384.sec1",
    "p521.pkcs8",
    "p521.sec1",
    "ed25519.pkcs8",
];

const ENCRYPTED: [&str; 20] = [
    "rsa.pbes2-aes128-sha1",
    "rsa.pbes2-aes192-sha224",
    "rsa.pbes2-aes256-sha256",
    "rsa.pbes2-aes256-sha384",
    "rsa.pbes2-aes256-sha512",
    "rsa.pbes2-3des-sha1",
    "rsa.pbes2-scrypt",
    "p256.pbes2-aes256-sha256",
    "p384.pbes2-aes256-sha256",
    "p521.pbes2-aes256-sha256",
    "ed25519.pbes2-aes256-sha256",
    "ed25519.pbes2-scrypt",
    "rsa.dek-aes128",
    "rsa.dek-aes192",
    "rsa.dek-aes256",
    "rsa.dek-des3",
    "p256.dek-aes128",
    "p256.dek-aes192",
    "p256.dek-aes256",
    "p256.dek-des3",
];

#[test]
fn a_key_of_every_form_is_read_with_and_without_a_password_that_it_does_not_need() {
    for form in PLAIN {
        for password in [None, Some(PASSWORD)] {
            let identity = load(&identity(form), password).expect(form);
            let kind = form.split('.').next().expect("a kind");
            let expected = format!("CN={kind},OU=monitoring,O=agents");
            assert_eq!(identity.certificate().subject, expected, "{form}");
        }
    }
}

#[test]
fn an_encrypted_key_of_every_form_is_opened_by_its_password_alone() {
    for form in ENCRYPTED {
        let content = identity(form);
        assert!(load(&content, Some(PASSWORD)).is_ok(), "{form}");
        for wrong in ["Secret", "secret ", ""] {
            let words = refused_key(&content, Some(wrong));
            assert_eq!(words, "block 1 (line 1): the password does not open the private key");
        }
        assert_eq!(
            refused_key(&content, None),
            "block 1 (line 1): the private key is encrypted and no password is set: set it beside \
             the file (sslClientCertificatePassword, sslServerClientCertificatePassword towards the \
             management server, tlsCertificateKeyFilePassword in a connection string)",
            "{form}"
        );
    }
}

#[test]
fn a_wrong_password_whose_padding_fits_by_chance_is_a_wrong_password() {
    let content = identity("p256.dek-aes128");
    for attempt in 0..1500 {
        let words = refused_key(&content, Some(&format!("wrong {attempt}")));
        assert_eq!(words, "block 1 (line 1): the password does not open the private key");
    }
}

#[test]
fn key_and_certificates_may_stand_in_any_order_and_in_two_files() {
    let [key, certificate] = [fixture("rsa.pkcs8.pem"), fixture("rsa.certificate.pem")];
    let other = fixture("p256.certificate.pem");
    for order in
        [[&key, &certificate, &other], [&certificate, &key, &other], [&other, &certificate, &key]]
    {
        let bom_and_windows =
            [b"\xef\xbb\xbfBag Attributes\n".as_slice(), &order.map(Vec::as_slice).concat()];
        let content = String::from_utf8(bom_and_windows.concat()).expect("text");
        let identity = load(content.replace('\n', "\r\n").as_bytes(), None).expect("loads");
        assert_eq!(identity.certificate().subject, "CN=rsa,OU=monitoring,O=agents");
    }
    let folder = Files::new();
    let certificates = folder.put("certificate.pem", &[other, certificate].concat());
    fs::set_permissions(&certificates, fs::Permissions::from_mode(0o644)).expect("permissions");
    let both = files(certificates, folder.put("key.pem", &key), None);
    let loaded = Identity::load(&both).expect("loads");
    assert_eq!(loaded.certified.cert.len(), 1);
}

#[test]
fn what_cannot_be_decrypted_is_refused_with_the_command_that_converts_it() {
    let converts = |scheme: &str, options: &str| {
        format!(
            "block 1 (line 1): the private key is encrypted with {scheme}, which is not supported: \
             openssl pkcs8 -topk8 -v2 aes-256-cbc{options} -in FILE -out FILE.new converts it; \
             append the certificates of FILE to FILE.new"
        )
    };
    let legacy = " -provider legacy -provider default";
    for (form, expected) in [
        ("rsa.pbe-sha1-3des", converts("PBE-SHA1-3DES", "")),
        ("rsa.pbe-md5-des", converts("PBE-MD5-DES", legacy)),
        ("rsa.pbes2-camellia", converts("a cipher other than AES in CBC mode and 3DES", "")),
        ("rsa.dek-camellia256", converts("a cipher other than AES and 3DES", "")),
        (
            "rsa.pbes2-costly",
            "block 1 (line 1): the private key takes 10000001 PBKDF2 iterations to decrypt, the \
             limit is 10000000: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out FILE.new \
             encrypts it anew; append the certificates of FILE to FILE.new"
                .to_owned(),
        ),
    ] {
        assert_eq!(refused_key(&identity(form), Some(PASSWORD)), expected, "{form}");
    }
}

#[test]
fn keys_that_tls_cannot_use_are_named() {
    let unsupported = |kind: &str| {
        format!(
            "block 1 (line 1): it is {kind}; RSA (2048 to 8192 bits), P-256, P-384, P-521 and \
             Ed25519 are supported: make a new key and have a certificate issued for it"
        )
    };
    let short = "block 1 (line 1): the RSA key has 1024 bits, 2048 to 8192 are accepted: make a new \
                 key and have a certificate issued for it";
    for (name, expected) in [
        ("rsa1024", short.to_owned()),
        ("rsa1024-pkcs1", short.to_owned()),
        ("rsa-pss", unsupported("an RSA-PSS key")),
        ("secp256k1", unsupported("a key of the curve secp256k1")),
        ("secp256k1-sec1", unsupported("a key of the curve secp256k1")),
        ("ed448", unsupported("an Ed448 key")),
        ("x25519", unsupported("an X25519 key")),
        ("dsa", unsupported("a DSA key")),
        (
            "explicit",
            "block 1 (line 1): the key describes its elliptic curve by explicit parameters, a named \
             one is needed: make key and certificate anew with openssl genpkey -algorithm EC \
             -pkeyopt ec_paramgen_curve:P-256"
                .to_owned(),
        ),
        (
            "openssh",
            "block 1 (line 1): the private key is in the format of OpenSSH, and such a key has no \
             certificate for TLS: ssh-keygen -p -m PKCS8 -f FILE converts it where one was issued \
             for it"
                .to_owned(),
        ),
    ] {
        assert_eq!(refused_key(&fixture(&format!("refused.{name}.pem")), None), expected, "{name}");
    }
}

#[test]
fn files_that_hold_no_key_are_named_for_what_they_are() {
    let certificate = fixture("rsa.certificate.pem");
    let der = "the file is a key in DER form, PEM is needed: openssl pkey -inform DER -in FILE -out \
               FILE.pem";
    let cases: [(&[u8], &str); 13] = [
        (b"", "the file is empty"),
        (b" \r\n\n", "the file is empty"),
        (b"\xff\xfe-\0-\0", "the file is UTF-16 text, save it as UTF-8 or ASCII"),
        (
            &fixture("refused.p12"),
            "the file is PKCS#12, PEM is needed: openssl pkcs12 -in FILE -out FILE.pem",
        ),
        (
            b"\x30\x80\x02\x01\x03\x30\x80",
            "the file is PKCS#12, PEM is needed: openssl pkcs12 -in FILE -out FILE.pem",
        ),
        (
            &[0xfe, 0xed, 0xfe, 0xed, 0],
            "the file is a Java key store, PEM is needed: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12, then openssl pkcs12 -in FILE.p12 -out FILE.pem",
        ),
        (&fixture("refused.pkcs8.der"), der),
        (&fixture("refused.pkcs1.der"), der),
        (&fixture("refused.encrypted.der"), der),
        (
            &fixture("refused.certificate.der"),
            "the file is a certificate in DER form, PEM with the private key is needed: openssl x509 -inform DER -in FILE -out FILE.pem, and append the key",
        ),
        (
            &fixture("refused.p7b"),
            "the file is binary (PKCS#7, or another kind without a private key), PEM is needed",
        ),
        (
            b"hello",
            "the file holds no private key (no line -----BEGIN PRIVATE KEY-----): append the key to it",
        ),
        (
            &certificate,
            "the file holds no private key (no line -----BEGIN PRIVATE KEY-----): append the key to it",
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(refused_key(content, None), expected);
    }
}

#[test]
fn damaged_blocks_are_named_with_their_place() {
    let text = |name: &str| String::from_utf8(fixture(name)).expect("text");
    let [key, certificate] = [text("rsa.pkcs8.pem"), text("rsa.certificate.pem")];
    let lines = certificate.lines().count();
    let place = format!("block 2 (line {})", lines + 1);
    let damaged = |what: &str| format!("{place}: the private key is damaged: {what}");
    let cut = key.replace("-----END PRIVATE KEY-----", "");
    let relabelled = key.replace("PRIVATE", "EC PRIVATE");
    let (head, tail) = key.split_at(900);
    let flipped = format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    for (key, expected) in [
        (cut, format!("{place}: the private key has no END line of its kind")),
        (key.replace("\nM", "\n%"), damaged("its text is not base64")),
        (relabelled, damaged("it is not of the kind it says")),
        (flipped, damaged("its numbers do not fit together")),
        (
            format!("{key}{key}"),
            format!(
                "the file holds several private keys, in {place} and in block 3 (line {}): leave \
                 only one",
                lines + 1 + key.lines().count()
            ),
        ),
    ] {
        assert_eq!(refused_key(format!("{certificate}{key}").as_bytes(), None), expected);
    }
    let broken = certificate.replace("\nMI", "\n%I");
    assert_eq!(
        refused(format!("{key}{broken}").as_bytes(), None),
        "cannot use the client certificate in FILE: certificate 1 (line 1) is damaged: its text is \
         not base64"
            .replace("(line 1)", &format!("(line {})", key.lines().count() + 1))
    );
}

#[test]
fn a_key_without_its_certificate_is_refused() {
    assert_eq!(
        refused(&fixture("rsa.pkcs8.pem"), None),
        "FILE holds a private key but no certificate (no line -----BEGIN CERTIFICATE-----): append \
         the certificate that was issued for the key, and its intermediate certificates"
    );
    let others = [fixture("p256.certificate.pem"), fixture("rsa.pkcs8.pem")].concat();
    let line = fixture("p256.certificate.pem").split(|byte| *byte == b'\n').count();
    assert_eq!(
        refused(&others, None),
        format!(
            "no certificate in FILE is for the private key in FILE (block 2 (line {line})): found \
             CN=p256,OU=monitoring,O=agents; put the certificate there that was issued for this key"
        )
    );
}

#[test]
fn files_that_cannot_be_read_or_that_others_can_read_are_refused() {
    let folder = Files::new();
    let good = folder.put("good.pem", &identity("p256.pkcs8"));
    let exposed = folder.put("exposed.pem", &identity("p256.pkcs8"));
    fs::set_permissions(&exposed, fs::Permissions::from_mode(0o644)).expect("permissions");
    let large = folder.put("large.pem", &vec![b'\n'; 1_048_577]);
    let missing = folder.0.path().join("missing.pem");
    let here = folder.0.path().to_owned();
    let open_to_all = format!(
        "every user of this machine can read it (mode 0644), run: chmod o-rwx {}",
        exposed.display()
    );
    for (file, expected) in [
        (missing, "it cannot be read: No such file or directory (os error 2)"),
        (here, "it is a directory, not a file"),
        (large, "it is larger than 1048576 bytes"),
        (PathBuf::from("/dev/null"), "it is not a regular file"),
        (exposed.clone(), open_to_all.as_str()),
    ] {
        let expected =
            format!("cannot read the client certificate in {}: {expected}", file.display());
        let refused =
            Identity::load(&files(good.clone(), file.clone(), None)).expect_err("the key");
        assert_eq!(refused.to_string(), expected);
        if file != exposed {
            let refused = Identity::load(&files(file, good.clone(), None)).expect_err("refused");
            assert_eq!(refused.to_string(), expected);
        }
    }
    assert!(Identity::load(&files(exposed, good, None)).is_ok(), "certificates are no secret");
}

#[test]
fn debug_output_shows_the_certificate_and_nothing_of_the_key() {
    let identity = load(&identity("p256.dek-aes256"), Some(PASSWORD)).expect("loads");
    let fingerprint = &identity.certificate().fingerprint;
    let expected = format!(
        "Identity {{ subject: \"CN=p256,OU=monitoring,O=agents\", fingerprint: \"{fingerprint}\", .. }}"
    );
    assert_eq!(format!("{identity:?}"), expected);
}

#[test]
fn a_certificate_of_the_servers_own_organisation_is_noticed() {
    let der = |kind: &str| {
        let pem = fixture(&format!("{kind}.certificate.pem"));
        pem::certificates(&pem).expect("a certificate").remove(0).der
    };
    let identity = load(&identity("p256.pkcs8"), None).expect("loads");
    assert!(identity.is_member_of_the_cluster_of(&der("rsa")));
    let stranger = pem::certificates(&fixture("names-odd.pem")).expect("a certificate").remove(0);
    assert!(!identity.is_member_of_the_cluster_of(&stranger.der));
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What a server that requires a client certificate sees.
fn shown(
    identity: Identity,
    trusted: &[&str],
    version: &'static rustls::SupportedProtocolVersion,
) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
    let mut clients = RootCertStore::empty();
    for kind in trusted {
        let pem = fixture(&format!("{kind}.certificate.pem"));
        let der = pem::certificates(&pem).expect("a certificate").remove(0).der;
        clients.add(der.into()).expect("an anchor");
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider());
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let own = parameters.self_signed(&key).expect("a certificate").der().clone();
    let server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![own.clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("a server");
    let mut servers = RootCertStore::empty();
    servers.add(own).expect("an anchor");
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_root_certificates(servers)
        .with_client_cert_resolver(Arc::new(identity));
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
    while server.is_handshaking() || client.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("memory");
        server.read_tls(&mut wire.as_slice()).expect("memory");
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).expect("memory");
        client.read_tls(&mut wire.as_slice()).expect("memory");
        client.process_new_packets()?;
    }
    Ok(server.peer_certificates().unwrap_or_default().to_vec())
}

#[test]
fn a_server_that_requires_a_client_certificate_accepts_keys_of_every_kind() {
    for version in [&version::TLS12, &version::TLS13] {
        for kind in ["rsa", "p256", "p384", "p521", "ed25519"] {
            let loaded = load(&identity(&format!("{kind}.pkcs8")), None).expect(kind);
            let own = loaded.certified.cert.clone();
            assert_eq!(shown(loaded, &[kind], version), Ok(own), "{kind} {version:?}");
        }
        let loaded = load(&identity("rsa.pkcs8"), None).expect("loads");
        let refused = shown(loaded, &["p256"], version).expect_err("a stranger");
        assert!(matches!(refused, rustls::Error::InvalidCertificate(_)), "{refused:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_a_key_or_a_certificate_panic(content: Vec<u8>) {
        let _outcome = pem::certificates(&content);
        let _outcome = key::read(&content, Some(&Secret::new(PASSWORD.to_owned())));
        for start in [b"\x30".as_slice(), b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"] {
            let _outcome = key::read(&[start, &content].concat(), None);
        }
        let _outcome = chain::Member::read(pem::Block { number: 1, line: 1, der: content });
    }

    #[test]
    fn no_damage_to_a_real_file_makes_reading_it_panic(
        form in prop::sample::select([&PLAIN[..], &ENCRYPTED[12..]].concat()),
        position: prop::sample::Index,
        byte: u8,
    ) {
        let mut content = identity(form);
        let position = position.index(content.len());
        content[position] = byte;
        let _outcome = load(&content, Some(PASSWORD));
    }

    #[test]
    fn no_damage_to_the_encoding_of_an_encrypted_key_makes_opening_it_panic(
        position in 0..120_usize,
        byte: u8,
    ) {
        for form in ["p256.pbes2-aes256-sha256", "rsa.pbes2-3des-sha1"] {
            let pem = fixture(&format!("{form}.pem"));
            let section = pem::sections(&pem).next().expect("a block");
            let mut der = pem::decode_secret(section.text).expect("base64");
            der[position] = byte;
            let _outcome = pbes2::decrypt(&der, &Secret::new(PASSWORD.to_owned()));
        }
    }
}
