//! `monitoring-agent.config`: what is shipped, what is read, and the exact words for what is wrong.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use monitoring_agent::config::{
    Address, ClientIdentity, Host, LogLevel, Login, Prefer, Problem, ScramLogin, TlsPolicy,
    TrustSource, load, parse,
};
use monitoring_agent::mongo::scram::Mechanism;
use monitoring_agent::secret::Secret;
use tempfile::TempDir;
use tokio::time::Instant;

const SHIPPED: &str = include_str!("../../monitoring-agent.config");

/// Every secret of tests/data/config contains this.
const CANARY: &str = "hunter";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config")
}

/// The files of tests/data/config whose names begin so, sorted.
fn files(prefix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(data())
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "config"))
        .filter(|path| name(path).starts_with(prefix))
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a plain name")
}

/// A configuration with these permissions in a folder of its own.
fn written(text: impl AsRef<[u8]>, mode: u32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.config");
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
    (folder, path)
}

/// What loading says of a file, with FOLDER for where it lies.
fn complaints(text: impl AsRef<[u8]>, mode: u32) -> String {
    let (folder, path) = written(text, mode);
    match load(&path) {
        Ok(loaded) => panic!("loaded: {loaded:?}"),
        Err(problems) => {
            problems.to_string().replace(&folder.path().display().to_string(), "FOLDER")
        }
    }
}

fn shown(warnings: &[Problem]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn every_bad_file_is_refused_with_exactly_its_words() {
    let files = files("bad-");
    assert_eq!(files.len(), 24);
    for path in files {
        let text = fs::read(&path).expect("a readable file");
        let expected = fs::read_to_string(path.with_extension("txt")).expect("its words");
        let complaints = complaints(text, 0o600);
        assert_eq!(complaints + "\n", expected, "{}", path.display());
    }
}

#[test]
fn no_complaint_and_no_debug_output_shows_a_secret() {
    let mut secrets = 0;
    for path in files("") {
        let text = fs::read(&path).expect("a readable file");
        secrets += usize::from(String::from_utf8_lossy(&text).contains(CANARY));
        let shown = match parse(&text, &path) {
            Ok(loaded) => format!("{loaded:?} {:?}", shown(&loaded.warnings)),
            Err(problems) => format!("{problems:?} {problems}"),
        };
        assert!(!shown.contains(CANARY), "{}: {shown}", path.display());
    }
    assert!(secrets > 5, "the files have lost their secrets");
}

#[test]
fn the_shipped_file_lacks_only_a_host() {
    assert_eq!(
        complaints(SHIPPED, 0o600),
        "FOLDER/a.config: hosts: no host is configured, write hosts = db1.example.net, \
         db2.example.net:27018, or a [host NAME] section with an address or a uri"
    );
    let text = SHIPPED.replace("#hosts =", "hosts = db1.example.net");
    let loaded = parse(text.as_bytes(), Path::new("f")).expect("a host is enough");
    assert_eq!(shown(&loaded.warnings), Vec::<String>::new());
    let system = TlsPolicy::new(TrustSource::System, true);
    assert_eq!(
        loaded.config.hosts,
        [Host {
            name: "db1.example.net:27017".into(),
            address: Address { host: "db1.example.net".to_owned(), port: 27017 },
            tls: Some(system),
            prefer: None,
            login: None,
            poll_interval: Duration::from_secs(10),
            command_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(40),
        }]
    );
    assert_eq!(loaded.config.listen, Some("127.0.0.1:9216".parse().expect("an address")));
    assert_eq!(loaded.config.state_directory, Path::new("/var/lib/monitoring-agent"));
    assert_eq!(loaded.config.stop_grace, Duration::from_secs(10));
    assert_eq!(loaded.config.log_level, LogLevel::Info);
    assert!(loaded.config.destinations.is_empty());
}

#[test]
fn the_shipped_file_loads_with_everything_uncommented() {
    let examples = [
        ("hosts", "db1.example.net"),
        ("sslTrustedServerCertificates", "ca.pem"),
        ("sslTrustedServerCrls", "ca.crl"),
        ("sslClientCertificate", "client.pem"),
        ("sslClientCertificatePasswordFile", "password"),
        ("globalAuthUsername", "monitor"),
        ("globalAuthPasswordFile", "password"),
        ("mmsBaseUrl", "https://ops.example.net/"),
        ("mmsGroupId", "group"),
        ("mmsApiKey", "key"),
        ("sslTrustedMMSServerCertificate", "/etc/ssl/ops.pem"),
        ("sslServerClientCertificate", "/etc/ssl/agent.pem"),
        ("sslServerClientCertificatePassword", "hunter3"),
        ("address", "db2.example.net:27018"),
        ("ssl", "true"),
        ("username", "somebody"),
        ("password", "secret"),
    ];
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(char::is_alphabetic) || key.starts_with('[') => {
            let name = key.split(" =").next().unwrap_or_default();
            match examples.iter().find(|(example, _)| *example == name) {
                Some((name, value)) => format!("{name} = {value}\n"),
                None => format!("{key}\n"),
            }
        }
        _ => format!("{line}\n"),
    };
    let text: String = SHIPPED.lines().map(uncomment).collect();
    let (folder, path) = written(text, 0o600);
    fs::write(folder.path().join("password"), "hunter2\n").expect("written");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.path().join("password"), private).expect("permissions");

    let loaded = load(&path).expect("every key has a valid value");
    assert_eq!(shown(&loaded.warnings), Vec::<String>::new());
    let [listed, section] = loaded.config.hosts.as_slice() else { panic!("two hosts") };
    let login = |username: &str, password: &str| {
        Some(Login::scram(username, Secret::new(password.to_owned()), "admin"))
    };
    assert_eq!(listed.login, login("monitor", "hunter2"));
    assert_eq!(section.login, login("somebody", "secret"));
    let client = folder.path().join("client.pem");
    let ca = TlsPolicy {
        crls: Some(folder.path().join("ca.crl")),
        identity: Some(identity(&client, &client, "hunter2")),
        ..TlsPolicy::new(TrustSource::File(folder.path().join("ca.pem")), true)
    };
    assert_eq!((listed.tls.as_ref(), section.tls.as_ref()), (Some(&ca), Some(&ca)));
    assert_eq!(&*section.name, "NAME");

    let [destination] = loaded.config.destinations.as_slice() else { panic!("one destination") };
    assert_eq!(&*destination.name, "mms");
    assert_eq!(destination.url, "https://ops.example.net/agents/api/otlp/group/v1/metrics");
    assert_eq!(destination.username, "group");
    assert_eq!(destination.password.expose(), "key");
    assert_eq!(destination.tls.trust, TrustSource::File("/etc/ssl/ops.pem".into()));
    let agent = Path::new("/etc/ssl/agent.pem");
    assert_eq!(destination.tls.identity, Some(identity(agent, agent, "hunter3")));
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    assert_eq!(destination.labels, [("agent".to_owned(), machine.trim().to_owned())]);
}

/// A client certificate; an empty password is none.
fn identity(certificate: &Path, key: &Path, password: &str) -> ClientIdentity {
    ClientIdentity {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        password: (!password.is_empty()).then(|| Secret::new(password.to_owned())),
    }
}

/// A login by SCRAM.
fn user(name: &str, password: &str, database: &str, mechanism: Option<Mechanism>) -> Option<Login> {
    Some(Login::Scram(ScramLogin {
        username: name.to_owned(),
        password: Secret::new(password.to_owned()),
        auth_source: database.to_owned(),
        mechanism,
    }))
}

#[test]
fn files_of_other_editors_are_read() {
    for (file, hosts) in [("good-bom.config", 1), ("good-crlf.config", 2)] {
        let text = fs::read(data().join(file)).expect("a readable file");
        let loaded = parse(&text, Path::new(file)).expect(file);
        assert_eq!(shown(&loaded.warnings), Vec::<String>::new());
        assert_eq!(loaded.config.hosts.len(), hosts, "{file}");
        assert!(loaded.config.hosts.iter().all(|host| host.tls.is_some()), "{file}");
    }
}

#[test]
fn a_file_of_the_original_agent_is_read_with_warnings() {
    let text = fs::read(data().join("good-original-agent.config")).expect("a readable file");
    let loaded = parse(&text, Path::new("f")).expect("it needs nothing that is missing");
    assert_eq!(
        shown(&loaded.warnings),
        [
            "f:6: enableMunin: retired, remove it: run node_exporter for the figures of the \
             machine",
            "f:7: configCollectionsEnabled: this version does nothing with it: \
             config.collections is not read yet",
            "f:8: throttlePassesDbstats: this version does nothing with it: no database \
             statistics are collected yet",
            "f:16: globalAuthPassword: the value contains \" #\" and what follows it, comments \
             stand on lines of their own",
        ]
    );
    let [host] = loaded.config.hosts.as_slice() else { panic!("one host") };
    let file = TrustSource::File("/etc/mongodb-mms/ca.pem".into());
    assert_eq!(host.tls, Some(TlsPolicy::new(file, false)));
    assert_eq!(host.dial_timeout, Duration::from_secs(10));
    assert_eq!(scram(host).password.expose(), "canary-hunter2 #1");
}

/// The SCRAM user of a host.
fn scram(host: &Host) -> &ScramLogin {
    match &host.login {
        Some(Login::Scram(login)) => login,
        other => panic!("{} logs in by {other:?}", host.name),
    }
}

#[test]
fn a_section_overrides_what_stands_above_the_sections() {
    let text = fs::read(data().join("good-sections.config")).expect("a readable file");
    let loaded = parse(&text, Path::new("/etc/agent/a.config")).expect("a good file");
    assert_eq!(
        shown(&loaded.warnings),
        ["/etc/agent/a.config:26: sslRequireValidServerCertificates: without effect, this host \
          is watched without TLS, write ssl = true"]
    );
    let summary: Vec<_> = loaded
        .config
        .hosts
        .iter()
        .map(|host| {
            let login = scram(host);
            let user = format!("{}@{}", login.username, login.auth_source);
            (host.name.to_string(), host.address.to_string(), user, host.poll_interval.as_secs())
        })
        .collect();
    let expected = [
        ("db1.example.net:27018", "db1.example.net:27018", "monitor@admin", 15),
        ("with-tls", "[2001:db8::7]:27017", "monitor@admin", 60),
        ("with its own user", "db3.example.net:27017", "somebody@reporting", 15),
        ("plaintext", "db4.example.net:27017", "monitor@admin", 15),
    ]
    .map(|(name, address, user, interval)| {
        (name.to_owned(), address.to_owned(), user.to_owned(), interval)
    });
    assert_eq!(summary, expected);
    let tls = |trusted: &str, require_valid| {
        Some(TlsPolicy::new(TrustSource::File(trusted.into()), require_valid))
    };
    let policies: Vec<_> = loaded.config.hosts.iter().map(|host| host.tls.clone()).collect();
    let expected = [None, tls("/etc/agent/ca/all.pem", true), tls("/etc/ssl/db3.pem", false), None];
    assert_eq!(policies, expected);
    assert_eq!(loaded.config.listen, None);
    assert_eq!(loaded.config.state_directory, Path::new("/etc/agent/state"));
    assert_eq!(loaded.config.stop_grace, Duration::ZERO);
}

#[test]
fn every_policy_stands_beside_every_other() {
    let text = fs::read(data().join("good-tls.config")).expect("a readable file");
    let loaded = parse(&text, Path::new("/f/a.config")).expect("a good file");
    let agent = Path::new("/f/agent.pem");
    let strict = TlsPolicy {
        crls: Some("/f/ca.crl".into()),
        identity: Some(identity(agent, agent, "canary-hunter2")),
        ..TlsPolicy::new(TrustSource::File("/f/ca.pem".into()), true)
    };
    let any_name = TlsPolicy { require_name: false, ..strict.clone() };
    let client = Path::new("/etc/ssl/db3-client.pem");
    let own = TlsPolicy {
        crls: Some("/etc/ssl/db3.crl".into()),
        identity: Some(identity(client, client, "")),
        ..TlsPolicy::new(TrustSource::File("/etc/ssl/db3.pem".into()), true)
    };
    let monitor = |mechanism| user("monitor", "canary-hunter3", "admin", mechanism);
    let certificate =
        |name: Option<&str>| Some(Login::Certificate { username: name.map(ToOwned::to_owned) });
    let prefer = |scram_without_tls| Some(Prefer { scram_without_tls });
    let some = |policy: &TlsPolicy| Some(policy.clone());
    let expected = [
        ("strict", some(&strict), None, monitor(None)),
        ("any name", some(&any_name), None, monitor(None)),
        ("its own files", some(&own), None, monitor(None)),
        ("upgrade", some(&strict), prefer(false), monitor(None)),
        ("upgrade with login", some(&strict), prefer(true), monitor(Some(Mechanism::Sha1))),
        ("certificate", some(&strict), None, certificate(None)),
        ("certificate with name", some(&strict), None, certificate(Some("CN=agent,O=Example"))),
        ("plaintext", None, None, monitor(None)),
        ("always", some(&strict), None, monitor(None)),
    ];
    let hosts = loaded.config.hosts.into_iter();
    let found: Vec<_> =
        hosts.map(|host| (host.name.to_string(), host.tls, host.prefer, host.login)).collect();
    assert_eq!(
        found,
        expected.map(|(name, tls, prefer, login)| (name.to_owned(), tls, prefer, login))
    );

    let [destination] = loaded.config.destinations.as_slice() else { panic!("one destination") };
    let ops = Path::new("/etc/ssl/ops.pem");
    assert_eq!(destination.tls.identity, Some(identity(ops, ops, "canary-hunter5")));
}

#[test]
fn a_uri_makes_hosts_like_keys_do() {
    let text = fs::read(data().join("good-uri.config")).expect("a readable file");
    let loaded = parse(&text, Path::new("/f/a.config")).expect("a good file");
    assert_eq!(shown(&loaded.warnings), Vec::<String>::new());
    let host = |name: &str, host: &str, port, tls, login| Host {
        name: name.into(),
        address: Address { host: host.to_owned(), port },
        tls: Some(tls),
        prefer: None,
        login,
        poll_interval: Duration::from_secs(10),
        command_timeout: Duration::from_secs(10),
        dial_timeout: Duration::from_secs(40),
    };
    let trust = |file: &str| TlsPolicy::new(TrustSource::File(Path::new("/f").join(file)), true);
    let member = |address: &str, name: &str, port| Host {
        poll_interval: Duration::from_secs(60),
        ..host(
            &format!("set/{address}"),
            name,
            port,
            trust("set.pem"),
            user("some@body", "canary-hunter3", "reporting", None),
        )
    };
    let [agent, key] = ["/f/agent.pem", "/f/agent.key"].map(Path::new);
    let two_files = TlsPolicy {
        crls: Some("/f/ca.crl".into()),
        identity: Some(identity(agent, key, "canary-hunter4")),
        ..trust("ca.pem")
    };
    let any_name = TlsPolicy {
        require_name: false,
        identity: Some(identity(agent, agent, "")),
        ..trust("ca.pem")
    };
    let monitor = user("monitor", "canary-hunter2", "admin", None);
    let somebody = user("somebody", "canary-hunter5", "users", Some(Mechanism::Sha256));
    let expected = [
        member("db1.example.net:27017", "db1.example.net", 27017),
        member("db2.example.net:27018", "db2.example.net", 27018),
        member("[2001:db8::3]:27017", "2001:db8::3", 27017),
        Host {
            dial_timeout: Duration::from_millis(1500),
            ..host("single", "db4.example.net", 27017, two_files, monitor)
        },
        host("password elsewhere", "db5.example.net", 27017, trust("ca.pem"), somebody),
        host(
            "certificate",
            "db6.example.net",
            27017,
            any_name,
            Some(Login::Certificate { username: None }),
        ),
    ];
    assert_eq!(loaded.config.hosts, expected);
}

#[test]
fn trust_that_widens_or_is_not_used_is_warned_about() {
    for (text, expected) in [
        (
            "useSslForAllConnections = true\nsslTrustedServerCertificates =\nhosts = a",
            vec![
                "f:2: sslTrustedServerCertificates: empty, so every authority in the system's \
                  trust store is trusted, name a file to trust its certificates alone",
            ],
        ),
        (
            "sslTrustedServerCertificates = ca.pem\nhosts = a",
            vec![
                "f:1: sslTrustedServerCertificates: without effect, no host is watched with TLS, \
                  write useSslForAllConnections = true, or ssl = true in a [host NAME] section",
            ],
        ),
        (
            "sslTrustedServerCertificates = ca.pem\n[host a]\naddress = a\nssl = on\n\
             sslTrustedServerCertificates =",
            vec![
                "f:5: sslTrustedServerCertificates: empty, so the file of line 1 applies to this \
                  host too",
            ],
        ),
        (
            "hosts = a\nhttpsCAFile = ca.pem",
            vec![
                "f:2: httpsCAFile: without effect, no management server is \
                  configured",
            ],
        ),
        (
            "mmsBaseUrl = http://MMS.mongodb.com:80/\nmmsGroupId = g\nmmsApiKey = k\nhosts = a",
            vec![
                "f:1: mmsBaseUrl: plain http: the key and all samples can be read on the way, \
                 write https",
                "f:1: mmsBaseUrl: mms.mongodb.com expects the private protocol of MongoDB's own \
                 agent, this agent speaks OTLP: name a receiver of OTLP over HTTP",
            ],
        ),
    ] {
        let loaded = parse(text.as_bytes(), Path::new("f")).expect("a good file");
        assert_eq!(shown(&loaded.warnings), expected, "{text}");
    }
}

#[test]
fn keys_about_tls_that_are_not_in_force_are_warned_about() {
    for (text, expected) in [
        (
            "hosts = a\nsslTrustedServerCrls = a.crl\nsslClientCertificate = a.pem\n\
             tlsMMSServerClientCertificate = b.pem",
            vec![
                "f:2: sslTrustedServerCrls: without effect, no host is watched with TLS, write \
                 useSslForAllConnections = true, or ssl = true in a [host NAME] section",
                "f:3: sslClientCertificate: without effect, no host is watched with TLS, write \
                 useSslForAllConnections = true, or ssl = true in a [host NAME] section",
                "f:4: tlsMMSServerClientCertificate: without effect, no management server is \
                 configured",
            ],
        ),
        (
            "mmsBaseUrl = http://a\nmmsGroupId = g\nmmsApiKey = k\nhttpsCAFile = c\nhosts = a",
            vec![
                "f:1: mmsBaseUrl: plain http: the key and all samples can be read on the way, \
                 write https",
                "f:4: httpsCAFile: without effect, mmsBaseUrl is plain http",
            ],
        ),
        (
            "[host a]\naddress = a\nssl = prefer\nscramWithoutTls = true",
            vec!["f:4: scramWithoutTls: without effect, this host does not log in by SCRAM"],
        ),
    ] {
        let loaded = parse(text.as_bytes(), Path::new("f")).expect("a good file");
        assert_eq!(shown(&loaded.warnings), expected, "{text}");
    }
    let text = fs::read(data().join("good-tls.config")).expect("a readable file");
    let loaded = parse(&text, Path::new("f")).expect("a good file");
    let without_tls = "without effect, this host is watched without TLS, write ssl = true";
    let expected = [
        format!("f:54: sslTrustedServerCrls: {without_tls}"),
        format!("f:55: sslClientCertificate: {without_tls}"),
        format!("f:56: sslAllowInvalidHostnames: {without_tls}"),
        "f:57: scramWithoutTls: without effect, this host logs in without TLS anyway: it belongs \
         to ssl = prefer"
            .to_owned(),
        "f:62: scramWithoutTls: without effect, this host is always watched with TLS".to_owned(),
    ];
    assert_eq!(shown(&loaded.warnings), expected);
}

#[test]
fn a_file_that_others_can_read_is_refused_even_without_a_secret() {
    assert_eq!(
        complaints("hosts = db1.example.net", 0o644),
        "FOLDER/a.config: every user of this machine can read it (mode 0644), run: chmod o-rwx \
         FOLDER/a.config"
    );
    let (_folder, path) = written("hosts = db1.example.net", 0o640);
    assert!(load(&path).is_ok(), "the group of a new file is a group of this process");
}

#[test]
fn a_secret_file_that_others_can_read_is_refused_with_its_line() {
    let (folder, path) =
        written("hosts = a\nglobalAuthUsername = monitor\nglobalAuthPasswordFile = key", 0o600);
    let key = folder.path().join("key");
    fs::write(&key, "hunter2").expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o604)).expect("permissions");
    let problems = load(&path).expect_err("the key is exposed").to_string();
    assert_eq!(
        problems,
        format!(
            "{}:3: globalAuthPasswordFile: every user of this machine can read it (mode \
             0604), run: chmod o-rwx {key}",
            path.display(),
            key = key.display()
        )
    );
}

#[test]
fn a_path_that_is_no_readable_file_is_said_so() {
    let (folder, path) = written("hosts = a", 0o600);
    for (path, expected) in [
        (
            folder.path().join("b.config"),
            "it cannot be read: No such file or directory (os error 2)",
        ),
        (path.join("b.config"), "it cannot be read: Not a directory (os error 20)"),
        (folder.path().to_owned(), "it is a directory, not a file"),
        (PathBuf::from("/dev/null"), "it is not a regular file"),
    ] {
        let problems = load(&path).expect_err("there is no file").to_string();
        assert_eq!(problems, format!("{}: {expected}", path.display()));
    }
}

#[test]
fn ten_thousand_hosts_load_in_a_time_that_grows_with_their_number_and_not_its_square() {
    let list: Vec<String> = (0..5000).map(|index| format!("list{index}.example.net")).collect();
    let section = |index| {
        format!("[host section {index}]\naddress = section{index}.example.net\nssl = true\n")
    };
    let sections: String = (0..5000).map(section).collect();
    let text = format!("hosts = {}\n{sections}", list.join(","));
    let started = Instant::now();
    let loaded = parse(text.as_bytes(), Path::new("f")).expect("a good file");
    assert_eq!(loaded.config.hosts.len(), 10_000);
    // A second where the machine is idle; a square would take minutes.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn a_file_of_rubbish_is_refused_in_no_time() {
    let text: String = (0..300_000).map(|index| format!("unknownKeyNumber{index} = 1\n")).collect();
    let started = Instant::now();
    let problems = parse(text.as_bytes(), Path::new("f")).expect_err("nothing in it is known");
    assert_eq!(problems.errors().len(), 200);
    assert!(problems.to_string().contains("f: 299801 more errors are not shown"));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
