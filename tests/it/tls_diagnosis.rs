//! Handshakes that fail in silence: what is said of each kind of real server.

use std::process::{Command, Stdio};

use crate::{
    shared::{self, NEWEST},
    support::{
        certificates::{Authority, Key, Request},
        client::Client,
        guard::{Folder, Process},
        server::{Server, require_tls, tls_mode},
        strangers::{self, Manners},
        wait,
        watch::{Watch, encrypted},
    },
};

#[test]
fn each_silent_handshake_is_explained() {
    let folder = Folder::create().expect("a folder");
    let root = Authority::root("Diagnosed Root CA");
    let authority = root.write(&folder, "ca.pem").expect("a certificate is written");
    // Ciphers with RSA key exchange need a key of that kind.
    let request = Request { key: Key::Rsa2048, ..Request::localhost() };
    let identity = root.issue(&request).write(&folder, "server.pem");
    let identity = identity.expect("a certificate is written");
    let explained = |port: u16, words: &[&str]| {
        let host = encrypted(port, &authority, None);
        let watch = Watch::start(&host, folder.path()).expect("the host is watched");
        watch.down(words).expect("it is explained");
    };

    let plain = shared::plain_server();
    explained(plain.port(), &["does not use TLS on this port", "ssl = false", "net.tls.mode"]);

    let mut old = require_tls(&identity, &authority);
    old.extend(["--setParameter", "opensslCipherConfig=AES256-GCM-SHA384"].map(Into::into));
    old.extend(["--tlsDisabledProtocols", "TLS1_3"].map(Into::into));
    let old = Server::start(&shared::mongod("4.2.6"), &old).expect("a server starts");
    let too_old = ["speaks only TLS 1.2 with TLS_RSA_WITH_AES_256_GCM_SHA384", "ECDHE", "stunnel"];
    explained(old.port(), &too_old);

    let closer = strangers::listen(Manners::Closer).expect("a port is free");
    explained(closer.port(), &["accepts TCP but answers nothing", "too many connections"]);

    let mut full = tls_mode("allowTLS", &identity, &authority);
    full.extend(["--maxConns", "5"].map(Into::into));
    let full = Server::start(&shared::mongod(NEWEST), &full).expect("a server starts");
    let clients: Vec<_> =
        (0..10).filter_map(|_| Client::connect(full.address(), None, None).ok()).collect();
    assert!((5..10).contains(&clients.len()), "{} clients were let in", clients.len());
    explained(full.port(), &["accepts TCP but answers nothing", "too many connections"]);
}

#[test]
fn versions_before_1_2_are_named() {
    let folder = Folder::create().expect("a folder");
    let root = Authority::root("Old Root CA");
    let authority = root.write(&folder, "ca.pem").expect("a certificate is written");
    let identity = root.issue(&Request::localhost()).write(&folder, "server.pem");
    let identity = identity.expect("a certificate is written");
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("it is bound").port()
    };
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-accept"]);
    command.arg(format!("127.0.0.1:{port}")).arg("-cert").arg(&identity);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Process::start(&mut command).expect("openssl is installed");
    wait::until("openssl listens", wait::PATIENCE, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    })
    .expect("it starts");
    let host = encrypted(port, &authority, None);
    let watch = Watch::start(&host, folder.path()).expect("the host is watched");
    watch.down(&["speaks only TLS 1.1 with TLS_ECDHE_ECDSA_WITH_AES", "TLS 1.2"]).expect("words");
}
