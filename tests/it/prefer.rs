//! `ssl = prefer` against real servers: the way from plaintext to TLS, and never back; and against
//! somebody in between.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use bson::doc;
use monitoring_agent::{
    mongo::TlsMode,
    net::Transport,
    sample::{Collector, Reason, Sample},
};

use crate::{
    shared::{self, NEWEST},
    support::{
        agent::{Agent, finish},
        certificates::{Authority, Key, Request},
        client::{Client, User},
        guard::Folder,
        middleman::{Attack, Middleman, contains},
        server::{Server, tls_mode},
        settings::Settings,
        wait,
        watch::{Watch, preferring},
    },
};

const CANARY: User<'static> = User { name: "nightingale", password: "canary-of-prefer" };

/// TLS is tried again after at most a minute; and a busy machine may need its time.
const A_MINUTE_AND_MORE: Duration = Duration::from_secs(90);

/// Certificates for servers of this machine, and the folder of their files.
struct Pki {
    folder: Folder,
    authority: PathBuf,
    identity: PathBuf,
}

impl Pki {
    fn new() -> Self {
        let folder = Folder::create().expect("a folder");
        let root = Authority::root("Upgraded Root CA");
        let authority = root.write(&folder, "ca.pem").expect("a certificate is written");
        // Ciphers with RSA key exchange need a key of that kind.
        let request = Request { key: Key::Rsa2048, ..Request::localhost() };
        let identity = root.issue(&request).write(&folder, "server.pem");
        Self { identity: identity.expect("a certificate is written"), folder, authority }
    }

    fn flags(&self, mode: &str) -> Vec<OsString> {
        match mode {
            "disabled" => Vec::new(),
            mode => tls_mode(mode, &self.identity, &self.authority),
        }
    }

    fn server(&self, version: &str, mode: &str, more: &[&str]) -> Server {
        let mut flags = self.flags(mode);
        flags.extend(more.iter().map(Into::into));
        Server::start(&shared::mongod(version), &flags).expect("a server starts")
    }

    fn watch(&self, port: u16, user: Option<User<'_>>, scram_without_tls: bool) -> Watch {
        let host = preferring(port, &self.authority, user, scram_without_tls);
        Watch::start(&host, self.folder.path()).expect("the host is watched")
    }
}

fn stated(sample: &Sample) -> Option<TlsMode> {
    sample.outcome.as_ref().ok()?.tls_mode()
}

#[test]
fn a_cluster_is_watched_from_disabled_to_require_by_restarts() {
    for version in ["4.2.6", NEWEST] {
        let pki = Pki::new();
        let mut server = pki.server(version, "disabled", &[]);
        let watch = pki.watch(server.port(), None, false);
        let sample = watch.up(Transport::Plaintext).expect("plaintext is all there is");
        assert_eq!(stated(&sample), Some(TlsMode::Disabled), "{version}");
        let steps = [("allowTLS", TlsMode::Allow), ("requireTLS", TlsMode::Require)];
        for (flag, mode) in steps {
            server.revive_with(&pki.flags(flag)).expect("it starts again");
            let sample = watch.up(Transport::Tls).expect("TLS as soon as it is there");
            assert_eq!(stated(&sample), Some(mode), "{version}");
        }
        // Nothing failed but what a server that is not there fails.
        let restarts = [Reason::Connect, Reason::Closed];
        let others = watch.failures_besides(2, &restarts).expect("polls go on");
        assert_eq!(others, 0, "{version}");
    }
}

#[test]
fn a_server_that_is_raised_while_it_runs_is_watched_without_a_gap() {
    let pki = Pki::new();
    let server = pki.server(NEWEST, "allowTLS", &[]);
    let watch = pki.watch(server.port(), None, false);
    let sample = watch.up(Transport::Tls).expect("TLS from the start");
    assert_eq!(stated(&sample), Some(TlsMode::Allow));
    let mut client = Client::connect(server.address(), Some(&pki.authority), None);
    let client = client.as_mut().expect("a client connects");
    for mode in ["preferTLS", "requireTLS"] {
        let raise = doc! { "setParameter": 1, "tlsMode": mode };
        client.command("admin", &raise).expect("the server obeys");
        assert_eq!(watch.failures_besides(3, &[]).expect("polls go on"), 0, "{mode}");
    }
    watch
        .until("the last mode is stated", A_MINUTE_AND_MORE, |sample| {
            (stated(sample)? == TlsMode::Require).then_some(())
        })
        .expect("the mode is asked every minute");
    let history = &watch.sample().history;
    assert_eq!((history.failures.iter().sum::<u64>(), history.connections), (0, 1));
}

#[test]
fn a_host_that_lost_its_tls_stays_down_until_an_operator_forgets_it() {
    let pki = Pki::new();
    let mut server = pki.server(NEWEST, "allowTLS", &[]);
    let watch = pki.watch(server.port(), None, false);
    watch.up(Transport::Tls).expect("TLS works");
    server.revive_with(&pki.flags("disabled")).expect("it starts again");
    let words = ["has spoken TLS before", "monitoring-agent tls --forget localhost:"];
    watch.down(&words).expect("plaintext is refused");
    drop(watch);
    let watch = pki.watch(server.port(), None, false);
    watch.down(&words).expect("a restart of the agent changes nothing");

    let marks = pki.folder.path().join("tls-ratchet");
    let whole = std::fs::read_to_string(&marks).expect("the marks are there");
    std::fs::write(&marks, whole.replace("localhost", "elsewhere")).expect("it is ours");
    watch.down(&["cannot be told", "tls-ratchet", "is damaged"]).expect("it is no answer");
    std::fs::write(&marks, whole).expect("it is ours");
    watch.down(&words).expect("the marks are read anew");

    let config = Settings::default()
        .set("stateDirectory", ".")
        .host("db", server.name())
        .set("ssl", "prefer")
        .set("sslTrustedServerCertificates", pki.authority.display())
        .write(&pki.folder)
        .expect("a configuration is written");
    let config = config.to_str().expect("a text");
    let forget = |host: &str| {
        finish(shared::binary(), &["tls", "--forget", host, "--config", config]).expect("it ends")
    };
    let unknown = forget("elsewhere");
    assert_eq!(unknown.code, Some(64), "{}", unknown.stderr);
    let forgotten = forget("db");
    assert_eq!(forgotten.code, Some(0), "{}", forgotten.stderr);
    assert!(forgotten.stdout.contains("forgotten"), "{}", forgotten.stdout);
    watch.up(Transport::Plaintext).expect("it is watched again, without a restart");
    let again = forget(&server.name());
    assert_eq!((again.code, again.stdout.contains("nothing to forget")), (Some(0), true));
}

#[test]
fn the_agent_says_and_shows_that_a_host_has_no_tls_yet() {
    let pki = Pki::new();
    let config = Settings::new()
        .host("upgrading", shared::plain_server().name())
        .set("ssl", "prefer")
        .set("sslTrustedServerCertificates", pki.authority.display())
        .write(&pki.folder)
        .expect("a configuration is written");
    let agent = Agent::start(shared::binary(), &config, &pki.folder).expect("the agent starts");
    agent.line_with(&["WARN", "upgrading", "until they have it"]).expect("at the start");
    agent
        .line_with(&["WARN", "upgrading", "no TLS yet", "logged_in=false"])
        .expect("when it is watched");
    let scrape = agent
        .scrape_until("the host is up", |it| {
            (it.value("mongodb_up", &[("host", "upgrading")])? == 1.0)
                .then(|| agent.scrape().ok())?
        })
        .expect("the host is watched");
    for (name, label, value) in [
        ("mongodb_tls_observed", ("transport", "plaintext"), 1.0),
        ("mongodb_tls_observed", ("transport", "tls"), 0.0),
        ("mongodb_tls_server_mode", ("mode", "disabled"), 1.0),
        ("mongodb_tls_server_mode", ("mode", "allowTLS"), 0.0),
    ] {
        let labels = [("host", "upgrading"), label];
        assert_eq!(scrape.value(name, &labels), Some(value), "{name} {label:?}");
    }
    let config = config.to_str().expect("a text");
    let table = finish(shared::binary(), &["tls", "--config", config]).expect("it ends");
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let line = table.stdout.lines().find(|line| line.starts_with("upgrading")).expect("a line");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(
        words.get(..6),
        Some(&["upgrading", "prefer", "plaintext", "disabled", "-", "-"][..])
    );
    assert!(line.ends_with("net.tls.mode = allowTLS"), "{line}");
}

#[test]
fn a_server_with_old_ciphers_is_never_taken_for_one_without_tls() {
    let pki = Pki::new();
    // Its plaintext hello is answered, and its handshake with us ends as that of one without TLS.
    let old = ["--setParameter", "opensslCipherConfig=AES256-GCM-SHA384"];
    let old = [old.as_slice(), &["--tlsDisabledProtocols", "TLS1_3"]].concat();
    let server = pki.server("4.2.6", "allowTLS", &old);
    let watch = pki.watch(server.port(), None, true);
    for _look in 0..2 {
        watch
            .down(&["speaks only TLS 1.2 with TLS_RSA_WITH_AES_256_GCM_SHA384", "stunnel"])
            .expect("it is recognised");
    }
    assert_eq!(watch.sample().history.connections, 0);
}

/// A server with users, which allows TLS.
fn guarded(pki: &Pki) -> Server {
    let server = pki.server(NEWEST, "allowTLS", &["--auth"]);
    let mut client = Client::connect(server.address(), Some(&pki.authority), None);
    let create =
        doc! { "createUser": CANARY.name, "pwd": CANARY.password, "roles": ["clusterMonitor"] };
    client.as_mut().expect("a client connects").command("admin", &create).expect("the first user");
    server
}

fn works(sample: &Sample) -> Option<bool> {
    let status = sample.outcome.as_ref().ok()?.collected(Collector::ServerStatus)?;
    Some(status.outcome.is_ok())
}

#[test]
fn whoever_cuts_handshakes_hears_neither_user_nor_password_and_loses_when_they_tire() {
    let pki = Pki::new();
    let server = guarded(&pki);
    let middleman = Middleman::before(server.address(), Attack::CutTls).expect("a port is free");
    let watch = pki.watch(middleman.port(), Some(CANARY), false);
    let sample = watch.up(Transport::Plaintext).expect("hello is answered");
    assert_eq!(works(&sample), Some(false), "nobody is logged in");
    let refused = watch.sample().history.polls;
    assert_eq!(watch.failures_besides(5, &[]).expect("polls go on"), 0);
    assert!(watch.sample().history.polls >= refused + 5);
    let heard = middleman.heard();
    assert!(contains(&heard, "isMaster") && contains(&heard, "serverStatus"));
    // Once: no command is repeated into the server's log.
    let asked = heard.windows(12).filter(|it| it == b"serverStatus").count();
    assert_eq!(asked, 1);
    for secret in [CANARY.password, CANARY.name, "sasl", "SCRAM"] {
        assert!(!contains(&heard, secret), "{secret} was heard");
    }

    // TLS is tried again on a second socket, and takes over without a failed poll.
    middleman.let_pass();
    let sample = watch
        .until("TLS takes over", A_MINUTE_AND_MORE, |sample| {
            let reading = sample.outcome.as_ref().ok()?;
            (reading.transport == Transport::Tls).then(|| watch.sample())
        })
        .expect("TLS is tried again");
    assert_eq!(works(&sample), Some(true), "now it is logged in, and asks what it was refused");
    assert_eq!(sample.history.failures.iter().sum::<u64>(), 0);

    // From now on there is no way back.
    middleman.heard();
    middleman.turn_to(Attack::CutTls);
    watch.down(&["has spoken TLS before"]).expect("plaintext is refused");
    assert_eq!(watch.failures_besides(3, &[Reason::Tls, Reason::Closed]).expect("polls go on"), 0);
    let heard = middleman.heard();
    assert!(contains(&heard, "isMaster"), "it was looked whether the port is plaintext");
    for secret in [CANARY.password, CANARY.name, "sasl", "SCRAM", "serverStatus"] {
        assert!(!contains(&heard, secret), "{secret} was heard");
    }
}

#[test]
fn with_scram_without_tls_a_proof_is_heard_and_never_the_password() {
    let pki = Pki::new();
    let server = guarded(&pki);
    let middleman = Middleman::before(server.address(), Attack::CutTls).expect("a port is free");
    let watch = pki.watch(middleman.port(), Some(CANARY), true);
    let sample = watch.up(Transport::Plaintext).expect("hello is answered");
    assert_eq!(works(&sample), Some(true), "the agent logs in");
    let heard = middleman.heard();
    assert!(contains(&heard, "SCRAM-SHA-256"));
    assert!(!contains(&heard, CANARY.password), "the password was heard");

    middleman.turn_to(Attack::Impersonate);
    watch.down(&["the server closed it"]).expect("an impostor gets no further");
    let heard = middleman.heard();
    assert!(contains(&heard, "sasl"), "it was asked to log in");
    for secret in [CANARY.password, "PLAIN"] {
        assert!(!contains(&heard, secret), "{secret} was heard");
    }
}

#[test]
fn a_stranger_in_place_of_the_server_ends_no_better() {
    // It answers hello in plaintext, and offers a mechanism that would show the password.
    let pki = Pki::new();
    let nowhere = "127.0.0.1:1".parse().expect("an address");
    let middleman = Middleman::before(nowhere, Attack::Impersonate).expect("a port is free");
    let watch = pki.watch(middleman.port(), Some(CANARY), false);
    wait::until("some polls", wait::PATIENCE, || (watch.sample().history.polls >= 3).then_some(()))
        .expect("polls go on");
    let heard = middleman.heard();
    for secret in [CANARY.password, CANARY.name, "sasl"] {
        assert!(!contains(&heard, secret), "{secret} was heard");
    }
}
