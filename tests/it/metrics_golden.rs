//! The text exposition of real replies, byte for byte, and values computed by hand from them.
//!
//! `UPDATE_GOLDEN=1 cargo test --test it metrics_golden` writes the golden files anew; read the
//! difference before it is committed.

use std::{collections::HashSet, fs, path::PathBuf, sync::Arc, time::Duration};

use monitoring_agent::{
    config::Address,
    metrics::{View, families},
    net::{HandshakeReport, Transport},
    sample::{
        Collected, Collector, Columns, Failure, History, HostIdentity, Interner, Number, Reading,
        Reason, Sample,
    },
    tls::{Certificate, Negotiated, Verification},
};

const VERSIONS: [&str; 5] = ["4.2.6", "4.4.2", "5.0.32", "6.0.5", "6.0.27"];
const ROLES: [&str; 3] = ["standalone", "primary", "secondary"];
/// Of these roles only one version is kept.
const OTHER_ROLES: [&str; 3] = ["arbiter", "configsvr", "shardsvr"];

fn captures() -> impl Iterator<Item = (&'static str, &'static str)> {
    let usual = VERSIONS.iter().flat_map(|version| ROLES.map(|role| (*version, role)));
    usual.chain(OTHER_ROLES.map(|role| ("6.0.27", role)))
}

fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// The reply of one command; `None` where it was not captured, as the agent does not send it.
fn reply(version: &str, role: &str, collector: Collector) -> Option<Columns> {
    let names = match collector {
        Collector::Hello => ["hello", "isMaster"],
        other => [other.name(), other.name()],
    };
    let bytes = names
        .iter()
        .find_map(|name| fs::read(data(&format!("captures/{version}/{role}/{name}.bson"))).ok())?;
    Some(Columns::read(&bytes, None, &Interner::default()).expect("a whole reply"))
}

/// What a poll would have brought back from the captured server.
fn sample(version: &str, role: &str) -> Sample {
    let replies = Collector::ALL.map(|collector| reply(version, role, collector));
    let [Some(status), Some(_), _, Some(_), _] = &replies else {
        panic!("{version} {role}: captures of serverStatus, hello and buildInfo are needed")
    };
    let [now, uptime] = ["localTime", "uptimeMillis"]
        .map(|path| status.number(path).map(Number::as_i64).expect("an integer"));
    let collected = replies.map(|columns| {
        columns.map(|columns| Collected {
            taken_at: now,
            took: Duration::from_micros(1_250),
            outcome: Ok(Arc::new(columns)),
        })
    });
    let reading =
        Reading { transport: Transport::Tls, server_started_at: Some(now - uptime), collected };
    let history = History { polls: 3, connections: 1, ..History::default() };
    let name = format!("{role}.example.net:27017");
    of_host(&name, now, Ok(reading), history, report(Verification::Valid))
}

fn of_host(
    name: &str,
    taken_at: i64,
    outcome: Result<Reading, Failure>,
    history: History,
    report: HandshakeReport,
) -> Sample {
    let address = Address { host: name.trim_end_matches(":27017").to_owned(), port: 27017 };
    let name = name.into();
    Sample {
        host: Arc::new(HostIdentity { name, address, tls: true, require_valid: true }),
        taken_at,
        took: Duration::from_micros(12_500),
        outcome,
        history,
        handshake: Some(Arc::new(report)),
    }
}

fn certificate(subject: &str, issuer: &str, not_after: i64) -> Certificate {
    Certificate {
        subject: subject.into(),
        issuer: issuer.into(),
        names: vec![],
        serial: "0a1b".into(),
        not_before: 1_700_000_000,
        not_after,
        key: "EC 256".into(),
        signature_algorithm: "ecdsa-with-SHA256".into(),
        fingerprint: format!("sha256 of {subject}"),
    }
}

/// A handshake with a server that sends its own certificate, two intermediate ones and the root.
fn report(verification: Verification) -> HandshakeReport {
    let name = "CN=Example Root,O=Example \\\"Ltd\\\"";
    let root = certificate(name, name, 2_000_000_000);
    let mut server = certificate("CN=db", "CN=Example B", 1_830_000_000);
    server.names = vec!["db.example.net".into(), "127.0.0.1".into()];
    HandshakeReport {
        negotiated: Some(Negotiated {
            version: "1.3",
            cipher: "TLS_AES_256_GCM_SHA384".into(),
            group: "X25519".into(),
        }),
        verification,
        chain: vec![
            server,
            certificate("CN=Example B", "CN=Example A", 1_900_000_000),
            certificate("CN=Example A", name, 1_850_000_000),
            root.clone(),
        ],
        accepted: None,
        crl_next_update: None,
        anchor: Some(root),
    }
}

fn exposition(samples: Vec<Sample>) -> String {
    let samples: Vec<_> = samples.into_iter().map(Arc::new).collect();
    let mut text = String::new();
    View::new().exposition(&samples, &mut text);
    text
}

fn compare(name: &str, text: &str) {
    let file = data(&format!("golden/{name}.prom"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(data("golden")).expect("a folder for golden files");
        fs::write(&file, text).expect("a golden file");
    }
    let golden = fs::read_to_string(&file)
        .unwrap_or_else(|fault| panic!("{}: {fault}; see the head of this file", file.display()));
    let differs = golden.lines().zip(text.lines()).find(|(expected, found)| expected != found);
    assert_eq!(differs, None, "{name}");
    assert_eq!(golden.len(), text.len(), "{name}: one goes on where the other ends");
}

#[test]
fn the_exposition_of_every_captured_server_is_the_golden_one() {
    for (version, role) in captures() {
        compare(&format!("{version}-{role}"), &exposition(vec![sample(version, role)]));
    }
}

#[test]
fn the_exposition_of_a_fleet_with_a_host_that_is_down_is_the_golden_one() {
    let failure = Failure { reason: Reason::Certificate, words: "it is for other names".into() };
    let history = History { polls: 2, failures: [0, 0, 0, 2, 0, 0, 0, 0, 0, 0], connections: 0 };
    let handshake =
        HandshakeReport { negotiated: None, anchor: None, ..report(Verification::WrongName) };
    let down =
        of_host("down.example.net:27017", 1_795_296_300_600, Err(failure), history, handshake);
    let up = ["primary", "secondary"].map(|role| sample("6.0.27", role));
    compare("fleet", &exposition(up.into_iter().chain([down]).collect()));
}

#[test]
fn every_family_is_shown_by_some_captured_server_unless_it_is_newer_than_them() {
    let mut shown = HashSet::new();
    for (version, role) in captures() {
        let view = View::new();
        view.points(&sample(version, role), &mut |family, _, _| {
            shown.insert(family.prometheus_name().to_owned());
        });
    }
    let all = families().iter().map(|family| family.prometheus_name());
    let missing: Vec<_> = all.filter(|name| !shown.contains(*name)).collect();
    assert_eq!(
        missing,
        [
            "mongodb_connections_rejected_total",
            "mongodb_tickets_queued",
            "mongodb_replica_set_initial_sync_data_bytes",
            "mongodb_replica_set_initial_sync_copied_bytes",
            "mongodb_replica_set_initial_sync_remaining_seconds",
        ]
    );
}

#[test]
fn no_series_stands_twice_and_each_family_is_introduced_once() {
    let fleet = captures().filter(|(version, _)| *version == "6.0.27");
    let text = exposition(fleet.map(|(version, role)| sample(version, role)).collect());
    let (mut series, mut introduced) = (HashSet::new(), HashSet::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ") {
            assert!(introduced.insert(name.split(' ').next().expect("a name")), "{line}");
        } else if !line.starts_with('#') {
            let (labels, value) = line.rsplit_once(' ').expect("a value");
            assert!(series.insert(labels), "{line}");
            let name = labels.split('{').next().expect("a name");
            assert!(introduced.contains(name), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(series.len() > 1_500, "{}", series.len());
}

/// Values computed by hand from the captures: version, role, family, labels besides `host`, value.
const BY_HAND: [(&str, &str, &str, &str, &str); 40] = [
    // serverStatus uptimeMillis 5700
    ("4.2.6", "primary", "mongodb_uptime_seconds", "", "5.7"),
    ("4.2.6", "primary", "mongodb_network_received_bytes_total", "", "440644"),
    // mem.resident 124 MiB
    ("4.2.6", "primary", "mongodb_memory_resident_bytes", "", "130023424"),
    // globalLock.totalTime 5698000 µs
    ("4.2.6", "primary", "mongodb_global_lock_seconds_total", "", "5.698"),
    // flowControl.isLaggedTimeMicros 1000015
    ("4.2.6", "primary", "mongodb_flow_control_engaged_time_seconds_total", "", "1.000015"),
    ("4.2.6", "primary", "mongodb_wiredtiger_cache_history_store_bytes", "", "182"),
    ("4.2.6", "primary", "mongodb_writable_primary", "", "1"),
    ("4.2.6", "primary", "mongodb_tickets_out", ",mode=\"read\"", "1"),
    ("4.2.6", "secondary", "mongodb_replication_applied_operations_total", "", "2183"),
    // extra_info.maximum_resident_set_kb 131880
    ("4.2.6", "secondary", "mongodb_memory_resident_maximum_bytes", "", "135045120"),
    ("4.2.6", "secondary", "mongodb_replicated_operations_total", ",type=\"insert\"", "2110"),
    // The member is at 1795295775, its view of the primary at 1795295774.
    (
        "4.2.6",
        "secondary",
        "mongodb_replica_set_member_lag_seconds",
        ",member=\"localhost:29311\"",
        "0",
    ),
    // opLatencies.reads.latency 24186 µs
    ("4.4.2", "primary", "mongodb_operation_latency_seconds_total", ",type=\"read\"", "0.024186"),
    ("4.4.2", "primary", "mongodb_operation_latency_operations_total", ",type=\"read\"", "139"),
    // metrics.getLastError.wtime.totalMillis 2642
    ("4.4.2", "primary", "mongodb_write_concern_wait_seconds_total", "", "2.642"),
    ("4.4.2", "primary", "mongodb_wiredtiger_cache_history_store_bytes", "", "17190"),
    ("4.4.2", "primary", "mongodb_tls_accepted_connections_total", ",version=\"1.3\"", "23"),
    // metrics.repl.network.getmores.totalMillis 1501
    ("4.4.2", "secondary", "mongodb_replication_fetch_seconds_total", "", "1.501"),
    ("4.4.2", "secondary", "mongodb_replication_empty_fetches_total", "", "4"),
    ("5.0.32", "primary", "mongodb_tls_accepted_connections_total", ",version=\"unknown\"", "16"),
    // extra_info.user_time_us 1015445
    ("5.0.32", "primary", "mongodb_process_cpu_seconds_total", ",mode=\"user\"", "1.015445"),
    ("5.0.32", "primary", "mongodb_connections_created_total", "", "12"),
    ("5.0.32", "secondary", "mongodb_index_builds_bulk_total", "", "17"),
    ("5.0.32", "secondary", "mongodb_replication_fetched_bytes_total", "", "1994"),
    ("6.0.5", "primary", "mongodb_tcmalloc_heap_bytes", "", "131182592"),
    ("6.0.5", "primary", "mongodb_asserts_total", ",kind=\"user\"", "29"),
    (
        "6.0.5",
        "secondary",
        "mongodb_network_decompressor_output_bytes_total",
        ",algorithm=\"snappy\"",
        "788749",
    ),
    // opLatencies.writes.latency 165736 µs
    ("6.0.27", "primary", "mongodb_operation_latency_seconds_total", ",type=\"write\"", "0.165736"),
    // transaction checkpoint total time 35 ms, most recent 16 ms
    ("6.0.27", "primary", "mongodb_wiredtiger_checkpoint_time_seconds_total", "", "0.035"),
    ("6.0.27", "primary", "mongodb_wiredtiger_checkpoint_last_duration_seconds", "", "0.016"),
    // log sync time duration 102819 µs
    ("6.0.27", "primary", "mongodb_wiredtiger_log_sync_seconds_total", "", "0.102819"),
    ("6.0.27", "primary", "mongodb_wiredtiger_cache_bytes", "", "2383664"),
    ("6.0.27", "primary", "mongodb_tickets_available", ",mode=\"read\"", "128"),
    ("6.0.27", "primary", "mongodb_elections_won_total", ",reason=\"election_timeout\"", "1"),
    // localTime 1795296300547 less uptimeMillis 9796
    ("6.0.27", "primary", "mongodb_start_time_seconds", "", "1795296290.751"),
    // electionCandidateMetrics.lastElectionDate 1795296296398
    (
        "6.0.27",
        "primary",
        "mongodb_replica_set_last_election_timestamp_seconds",
        "",
        "1795296296.398",
    ),
    // logicalSessionTimeoutMinutes 30
    ("6.0.27", "primary", "mongodb_session_timeout_seconds", "", "1800"),
    // SSLServerCertificateExpirationDate 2110654327000
    (
        "6.0.27",
        "primary",
        "mongodb_tls_reported_certificate_not_after_timestamp_seconds",
        "",
        "2110654327",
    ),
    // mem.virtual 2910 MiB
    ("6.0.27", "secondary", "mongodb_memory_virtual_bytes", "", "3051356160"),
    (
        "6.0.27",
        "arbiter",
        "mongodb_replica_set_member_state",
        ",member=\"localhost:29312\",state=\"ARBITER\"",
        "1",
    ),
];

#[test]
fn values_are_those_that_a_hand_computes_from_the_replies() {
    for (version, role, family, labels, value) in BY_HAND {
        let text = exposition(vec![sample(version, role)]);
        let series = format!("{family}{{host=\"{role}.example.net:27017\"{labels}}} ");
        let found: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(&series)).collect();
        assert_eq!(found, [value], "{version} {series}");
    }
}

#[test]
fn what_a_server_does_not_know_is_absent() {
    let arbiter = exposition(vec![sample("6.0.27", "arbiter")]);
    let standalone = exposition(vec![sample("6.0.27", "standalone")]);
    // An arbiter has no data: it sends the epoch for what it never wrote, and no optimeDate.
    assert!(arbiter.contains("kind=\"applied\""));
    assert!(!arbiter.contains("kind=\"durable\""));
    assert!(!arbiter.contains("mongodb_replica_set_stable_recovery_timestamp_seconds"));
    assert!(
        !arbiter
            .contains("_lag_seconds{host=\"arbiter.example.net:27017\",member=\"localhost:29312\"")
    );
    assert!(!standalone.contains("mongodb_replica_set_"));
    assert!(!standalone.contains("collector=\"replSetGetStatus\""));
}
