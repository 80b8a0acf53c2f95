//! Hosts that cannot be watched: each says why in one line, and none disturbs the others.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{
    shared,
    support::{
        agent::Agent,
        certificates::{Authority, DAY, Request},
        client::User,
        guard::Folder,
        replica_set::{MONITOR, NOBODY, ROOT, ReplicaSet},
        server::{Server, require_tls},
        settings::Settings,
        strangers::{self, Manners},
        wait,
    },
};

/// Long enough for mongod to start with it, short enough to wait for its end.
const SHORT_LIFE: Duration = Duration::from_secs(6);

/// NAME of the host, and words that the line which says why it is down must hold.
const EXPECTED: &[(&str, &[&str])] = &[
    ("unknown-ca", &["reason=\"certificate\"", "is not signed by any CA in", "other-ca.pem"]),
    ("wrong-name", &["reason=\"certificate\"", "elsewhere.example", "connects to localhost"]),
    ("expired", &["reason=\"certificate\"", "expired"]),
    ("not-yet-valid", &["reason=\"certificate\"", "not valid before"]),
    ("no-tls", &["reason=\"tls\"", "does not use TLS on this port", "ssl = false"]),
    ("needs-tls", &["reason=\"tls\"", "requires TLS", "ssl = true"]),
    ("needs-client-certificate", &["right after the TLS handshake", "client certificate"]),
    ("wrong-password", &["reason=\"authentication\"", "refused the user", "check username"]),
    ("http", &["reason=\"protocol\"", "the peer speaks HTTP"]),
    ("http-with-tls", &["reason=\"tls\"", "answer is not TLS"]),
    ("silent", &["reason=\"timeout\"", "did not finish the first reply"]),
    ("silent-with-tls", &["reason=\"timeout\"", "did not finish the TLS handshake"]),
    ("garbage", &["reason=\"protocol\"", "does not speak the MongoDB wire protocol"]),
    ("boaster", &["reason=\"protocol\"", "2147483647"]),
    ("closer", &["reason=\"tls\"", "closed the connection before its first reply"]),
    ("nobody-listens", &["reason=\"connect\"", "cannot connect"]),
    ("no-such-name", &["reason=\"resolve\"", "cannot be resolved"]),
    ("ca-file-missing", &["nowhere.pem"]),
    ("ca-file-empty", &["empty.pem"]),
    ("ca-file-der", &["ca.der", "openssl x509 -inform DER"]),
];

#[test]
fn each_host_that_cannot_be_watched_says_why_and_the_others_go_on() {
    let set = shared::replica_set();
    let folder = Folder::create().expect("a folder");
    let servers = Servers::start(&folder);
    let settings = with_reachable_hosts(Settings::new(), set, &servers);
    let settings = with_certificates(settings, set, &servers, &folder);
    let settings = with_strangers(settings, &servers);
    let config = settings.write(&folder).expect("a configuration is written");
    let mut agent = Agent::start(shared::binary(), &config, &folder).expect("the agent starts");

    for (name, words) in EXPECTED {
        let quoted = format!("\"{name}\"");
        let mut wanted = vec!["host is down", quoted.as_str()];
        wanted.extend(*words);
        agent.line_with(&wanted).expect("the line is there");
    }
    let scrape = agent
        .scrape_until("every host was polled", |it| {
            let polls = it.matching("mongodb_polls_total", &[]);
            polls.iter().all(|(_, polls)| *polls >= 1.0).then(|| agent.scrape().ok())?
        })
        .expect("every host is polled");
    for (name, _) in EXPECTED {
        assert_eq!(scrape.value("mongodb_up", &[("host", name)]), Some(0.0), "{name}");
    }
    for name in ["good", "tolerated", "plaintext", "no-role"] {
        let up = scrape.value("mongodb_up", &[("host", name)]);
        assert_eq!(up, Some(1.0), "{name}\n{}", agent.log());
    }
    let refused = scrape.matching("mongodb_tls_connection_info", &[("host", "tolerated")]);
    let verification = refused.iter().filter_map(|(labels, _)| labels.get("verification"));
    assert_eq!(verification.collect::<Vec<_>>(), ["wrong_name"]);
    a_missing_role_is_told(&agent);
    assert!(agent.is_running());
    let log = agent.log();
    for secret in [MONITOR.password, NOBODY.password, ROOT.password, "not-the-password"] {
        assert!(!log.contains(secret), "a password stands in the log:\n{log}");
    }
    assert_eq!(agent.stop_with("INT").expect("the agent stops").code(), Some(0));
}

/// The host is up, as login succeeded; the collector that may not run says so once.
fn a_missing_role_is_told(agent: &Agent) {
    agent.line_with(&["\"no-role\"", "serverStatus", "permission"]).expect("the line is there");
    let labels = [("host", "no-role"), ("collector", "serverStatus")];
    agent
        .scrape_until("the collector is reported", |it| {
            (it.value("mongodb_collector_success", &labels)? == 0.0).then_some(())
        })
        .expect("the collector is reported");
}

/// Real servers with one defect each.
struct Servers {
    database: Authority,
    authority: PathBuf,
    wrong_name: Server,
    expired: Server,
    strict: Server,
}

impl Servers {
    fn start(folder: &Folder) -> Self {
        let database = Authority::root("Another Root CA");
        let authority = database.write(folder, "other-ca.pem").expect("a certificate is written");
        let mongod = shared::mongod(shared::NEWEST);
        let start = |name: &str, request: &Request<'_>, ask_for_certificates: bool| {
            let identity = database.issue(request).write(folder, name);
            let mut flags = require_tls(&identity.expect("a certificate is written"), &authority);
            if ask_for_certificates {
                flags.pop();
            }
            Server::start(&mongod, &flags).expect("a server starts")
        };
        let short = Request { not_after: SystemTime::now() + SHORT_LIFE, ..Request::localhost() };
        let expired = start("expired.pem", &short, false);
        let elsewhere = Request { names: &["elsewhere.example"], ..Request::localhost() };
        let wrong_name = start("elsewhere.pem", &elsewhere, false);
        let strict = start("strict.pem", &Request::localhost(), true);
        // Dates of certificates have whole seconds, and the last one is still valid.
        let over = short.not_after + Duration::from_secs(1);
        wait::until("a certificate expires", SHORT_LIFE * 2, || {
            (SystemTime::now() > over).then_some(())
        })
        .expect("time passes");
        Self { database, authority, wrong_name, expired, strict }
    }
}

/// Several hosts share a server: once by its name, once by its address, as no address may stand twice.
fn with_reachable_hosts(settings: Settings, set: &ReplicaSet, servers: &Servers) -> Settings {
    let settings = settings
        .set("commandTimeoutSecs", "2")
        .set("dialTimeoutSeconds", "2")
        .set("logLevel", "DEBUG");
    let members = set.authority().as_path();
    let [first, second, third] = [0, 1, 2].map(|number| set.member(number));
    let plain = shared::plain_server();
    let login = |settings: Settings, name: &str, server: &Server, user: User<'_>| {
        encrypted(settings, name, &server.name(), members)
            .set("username", user.name)
            .set("password", user.password)
    };
    let settings = login(settings, "good", first, MONITOR);
    let settings = login(settings, "no-role", second, NOBODY);
    let intruder = User { password: "not-the-password", ..MONITOR };
    let settings = login(settings, "wrong-password", third, intruder);
    let settings = encrypted(settings, "no-tls", &plain.name(), members);
    encrypted(settings, "unknown-ca", &second.address().to_string(), &servers.authority)
        .host("plaintext", plain.address())
        .host("needs-tls", first.address())
}

fn with_certificates(
    settings: Settings,
    set: &ReplicaSet,
    servers: &Servers,
    folder: &Folder,
) -> Settings {
    let future = Request { not_before: SystemTime::now() + DAY, ..Request::localhost() };
    let future = Manners::presenting(&servers.database.issue(&future));
    let future = strangers::listen(future).expect("a port is free");
    let der = folder.write("ca.der", servers.database.der()).expect("a file is written");
    let empty = folder.write("empty.pem", "").expect("a file is written");
    let missing = folder.path().join("nowhere.pem");
    let Servers { authority, wrong_name, expired, strict, .. } = servers;
    let settings = [
        ("wrong-name", wrong_name.name(), authority),
        ("expired", expired.name(), authority),
        ("needs-client-certificate", strict.name(), authority),
        ("not-yet-valid", format!("localhost:{}", future.port()), authority),
        ("ca-file-missing", set.member(2).address().to_string(), &missing),
        ("ca-file-empty", expired.address().to_string(), &empty),
        ("ca-file-der", strict.address().to_string(), &der),
    ]
    .into_iter()
    .fold(settings, |settings, (name, address, trusted)| {
        encrypted(settings, name, &address, trusted)
    });
    encrypted(settings, "tolerated", &wrong_name.address().to_string(), authority)
        .set("sslRequireValidServerCertificates", "False")
}

fn with_strangers(settings: Settings, servers: &Servers) -> Settings {
    let listen = |manners| strangers::listen(manners).expect("a port is free").to_string();
    // Nobody listens any more on a port that was just given back.
    let deserted = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("it is bound").to_string()
    };
    let authority = &servers.authority;
    let settings = encrypted(settings, "http-with-tls", &listen(Manners::Http), authority);
    encrypted(settings, "silent-with-tls", &listen(Manners::Silent), authority)
        .host("http", listen(Manners::Http))
        .host("silent", listen(Manners::Silent))
        .host("garbage", listen(Manners::Garbage))
        .host("boaster", listen(Manners::Boaster))
        .host("closer", listen(Manners::Closer))
        .host("nobody-listens", deserted)
        .host("no-such-name", "no-such-name.invalid:27017")
}

fn encrypted(settings: Settings, name: &str, address: &str, trusted: &Path) -> Settings {
    settings
        .host(name, address)
        .set("ssl", "true")
        .set("sslTrustedServerCertificates", trusted.display())
}
