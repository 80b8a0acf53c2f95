//! The main job: watch a replica set over TLS, serve its numbers, deliver them.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};

use crate::{
    shared,
    support::{
        agent::Agent,
        exposition::Exposition,
        guard::Folder,
        receiver::{Account, Point, Receiver},
        replica_set::{MEMBERS, MONITOR, ReplicaSet},
        settings::Settings,
        sockets, wait,
    },
};

const API_KEY: &str = "canary-of-the-api-key";

/// A series, its labels, where serverStatus has it, and what one of the server's units is in ours.
type Compared = (&'static str, &'static [(&'static str, &'static str)], &'static str, f64);

/// Each of them only ever grows, or stays.
const COMPARED: &[Compared] = &[
    ("mongodb_connections_created_total", &[], "connections.totalCreated", 1.0),
    ("mongodb_network_received_bytes_total", &[], "network.bytesIn", 1.0),
    ("mongodb_network_sent_bytes_total", &[], "network.bytesOut", 1.0),
    ("mongodb_network_requests_total", &[], "network.numRequests", 1.0),
    ("mongodb_asserts_total", &[("kind", "regular")], "asserts.regular", 1.0),
    ("mongodb_asserts_total", &[("kind", "user")], "asserts.user", 1.0),
    ("mongodb_operations_total", &[("type", "insert")], "opcounters.insert", 1.0),
    ("mongodb_operations_total", &[("type", "query")], "opcounters.query", 1.0),
    ("mongodb_operations_total", &[("type", "update")], "opcounters.update", 1.0),
    ("mongodb_operations_total", &[("type", "delete")], "opcounters.delete", 1.0),
    ("mongodb_operations_total", &[("type", "getmore")], "opcounters.getmore", 1.0),
    ("mongodb_operations_total", &[("type", "command")], "opcounters.command", 1.0),
    ("mongodb_replicated_operations_total", &[("type", "insert")], "opcountersRepl.insert", 1.0),
    ("mongodb_documents_total", &[("type", "inserted")], "metrics.document.inserted", 1.0),
    ("mongodb_documents_total", &[("type", "returned")], "metrics.document.returned", 1.0),
    ("mongodb_query_scanned_keys_total", &[], "metrics.queryExecutor.scanned", 1.0),
    ("mongodb_query_scanned_documents_total", &[], "metrics.queryExecutor.scannedObjects", 1.0),
    ("mongodb_cursors_opened_total", &[], "metrics.cursor.totalOpened", 1.0),
    ("mongodb_cursors_timed_out_total", &[], "metrics.cursor.timedOut", 1.0),
    ("mongodb_ttl_passes_total", &[], "metrics.ttl.passes", 1.0),
    (
        "mongodb_operation_latency_seconds_total",
        &[("type", "read")],
        "opLatencies.reads.latency",
        1e-6,
    ),
    (
        "mongodb_operation_latency_operations_total",
        &[("type", "read")],
        "opLatencies.reads.ops",
        1.0,
    ),
    ("mongodb_process_page_faults_total", &[], "extra_info.page_faults", 1.0),
    ("mongodb_process_cpu_seconds_total", &[("mode", "user")], "extra_info.user_time_us", 1e-6),
    ("mongodb_uptime_seconds", &[], "uptimeMillis", 1e-3),
    (
        "mongodb_tickets_limit",
        &[("mode", "read")],
        "wiredTiger.concurrentTransactions.read.totalTickets",
        1.0,
    ),
    (
        "mongodb_wiredtiger_cache_maximum_bytes",
        &[],
        "wiredTiger.cache.maximum bytes configured",
        1.0,
    ),
    (
        "mongodb_wiredtiger_checkpoints_total",
        &[],
        "wiredTiger.transaction.transaction checkpoints",
        1.0,
    ),
    (
        "mongodb_wiredtiger_transactions_begun_total",
        &[],
        "wiredTiger.transaction.transaction begins",
        1.0,
    ),
    ("mongodb_wiredtiger_log_written_bytes_total", &[], "wiredTiger.log.log bytes written", 1.0),
];

#[test]
fn a_replica_set_over_tls_is_polled_served_and_delivered() {
    let set = shared::replica_set();
    let folder = Folder::create().expect("a folder");
    let account = Account { group_id: "main-job".to_owned(), api_key: API_KEY.to_owned() };
    let receiver = Receiver::start(account, 0).expect("a receiver");
    let settings = Settings::new().set("logLevel", "DEBUG").watch(set);
    let settings = settings.deliver(&receiver, &folder).expect("a certificate is written");
    let config = settings.write(&folder).expect("a configuration is written");
    let mut agent = Agent::start(shared::binary(), &config, &folder).expect("the agent starts");

    every_host_is_up(&agent, set);
    each_host_has_one_connection(&agent, set);
    certificates_are_reported(&agent);
    values_are_those_of_the_server(&agent, set);
    what_is_delivered_is_what_is_served(&agent, set, &receiver);
    health_is_told(&agent);
    no_secret_is_seen(&agent, &receiver);

    agent.signal("HUP").expect("a signal is sent");
    agent.line_with(&["the configuration was read again"]).expect("the agent speaks of the signal");
    let polls = total(&agent.scrape().expect("a scrape"), "mongodb_polls_total");
    agent
        .scrape_until("polls go on after SIGHUP", |it| {
            (total(it, "mongodb_polls_total") > polls + 3.0).then_some(())
        })
        .expect("polls go on");
    let status = agent.stop_with("TERM").expect("the agent stops");
    assert_eq!(status.code(), Some(0), "{}", agent.log());
    everything_polled_was_delivered(&receiver, polls);
}

fn every_host_is_up(agent: &Agent, set: &ReplicaSet) {
    let exposition = agent
        .scrape_until("all hosts are up and were polled twice", |it| {
            let twice = it.matching("mongodb_polls_total", &[]).iter().all(|(_, n)| *n >= 2.0);
            (total(it, "mongodb_up") == MEMBERS as f64 && twice).then(|| it.families().clone())
        })
        .expect("all hosts come up");
    let of_hosts = exposition.iter().filter(|name| name.starts_with("mongodb_")).count();
    assert!(of_hosts >= 80, "{of_hosts} families");
    let scrape = agent.scrape().expect("a scrape");
    for host in set.hosts() {
        assert_eq!(scrape.value("mongodb_up", &[("host", &host)]), Some(1.0), "{host}");
        for collector in ["serverStatus", "hello", "replSetGetStatus", "buildInfo"] {
            let labels = [("host", host.as_str()), ("collector", collector)];
            assert_eq!(scrape.value("mongodb_collector_success", &labels), Some(1.0), "{labels:?}");
        }
    }
}

fn each_host_has_one_connection(agent: &Agent, set: &ReplicaSet) {
    for number in 0..MEMBERS {
        let port = set.member(number).port();
        let count = sockets::established_to(agent.id(), port).expect("the kernel tells");
        assert_eq!(count, 1, "connections to member {number}");
    }
}

fn certificates_are_reported(agent: &Agent) {
    let scrape = agent.scrape().expect("a scrape");
    let valid = [("verification", "valid"), ("version", "1.3")];
    assert_eq!(scrape.matching("mongodb_tls_connection_info", &valid).len(), MEMBERS);
    let name = "mongodb_tls_certificate_not_after_timestamp_seconds";
    let now = now_millis() / 1e3;
    for (kind, days) in [("server", 90.0), ("intermediate", 3650.0), ("ca", 3650.0)] {
        let expiries = scrape.matching(name, &[("certificate", kind)]);
        assert_eq!(expiries.len(), MEMBERS, "{kind}");
        for (_, expiry) in expiries {
            let left = (expiry - now) / 86_400.0;
            assert!((days - 0.1..=days).contains(&left), "{kind}: {left} days");
        }
    }
}

/// What a client reads before and after the agent's poll encloses what the agent read.
fn values_are_those_of_the_server(agent: &Agent, set: &ReplicaSet) {
    for (number, host) in set.hosts().iter().enumerate() {
        let before = server_status(set, number);
        let moment = now_millis();
        let scrape = agent
            .scrape_until("a poll after the first reading", |it| {
                let name = "mongodb_poll_start_timestamp_seconds";
                (it.value(name, &[("host", host)])? * 1e3 > moment).then(|| agent.scrape().ok())?
            })
            .expect("polls go on");
        let after = server_status(set, number);
        for (name, labels, path, unit) in COMPARED {
            let mut labels = labels.to_vec();
            labels.push(("host", host));
            let value = scrape.value(name, &labels);
            let value = value.unwrap_or_else(|| panic!("{name} {labels:?} is not there"));
            let (low, high) = (at(&before, path) * unit, at(&after, path) * unit);
            let slack = high.abs() * 1e-9;
            assert!(
                (low - slack..=high + slack).contains(&value),
                "{name} {labels:?} is {value}, the server had {low} before and {high} after"
            );
        }
    }
}

/// Every point of a delivered sample stands in the exposition of the same sample.
fn what_is_delivered_is_what_is_served(agent: &Agent, set: &ReplicaSet, receiver: &Receiver) {
    for host in set.hosts() {
        let (scrape, points) = wait::until("the scraped sample arrives", wait::PATIENCE, || {
            let scrape = agent.scrape().ok()?;
            let name = "mongodb_poll_start_timestamp_seconds";
            let millis = (scrape.value(name, &[("host", &host)])? * 1e3).round();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a date")]
            let time = millis as u64 * 1_000_000;
            let arrived = wait::until("this sample", std::time::Duration::from_secs(5), || {
                let points = receiver.received().sample(&host, time);
                (!points.is_empty()).then_some(points)
            });
            Some((scrape, arrived.ok()?))
        })
        .expect("samples arrive");
        assert!(points.len() >= 80, "{} points", points.len());
        for point in &points {
            assert_eq!(point.resource.get("service.name").map(String::as_str), Some("mongodb"));
            let labels: Vec<(&str, &str)> = point
                .attributes
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect();
            let name = prometheus_name(point);
            let same: Vec<f64> = scrape
                .matching(&name, &labels)
                .into_iter()
                .filter(|(found, _)| found.get("host") == Some(&host))
                .filter(|(found, _)| found.len() == labels.len() + 1)
                .map(|(_, value)| value)
                .collect();
            assert_eq!(same, [point.value], "{name} {labels:?} of {point:?}");
        }
    }
}

/// The translation of the OTLP compatibility specification, as far as the agent's units go.
fn prometheus_name(point: &Point) -> String {
    let mut name = point.name.replace('.', "_");
    let units = BTreeMap::from([("By", "_bytes"), ("s", "_seconds")]);
    let suffix = units.get(point.unit.as_str()).copied().unwrap_or_default();
    if !name.ends_with(suffix) {
        name += suffix;
    }
    if point.unit == "1" && !point.monotonic {
        name += "_ratio";
    }
    if point.monotonic {
        name += "_total";
    }
    name
}

fn health_is_told(agent: &Agent) {
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/nothing-here", 404)] {
        assert_eq!(agent.fetch(path).expect("an answer").status, status, "{path}");
    }
    let metrics = agent.fetch("/metrics").expect("an answer");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{}", metrics.head);
}

fn no_secret_is_seen(agent: &Agent, receiver: &Receiver) {
    let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", agent.id()));
    let mut seen = vec![
        ("the log", agent.log()),
        ("the metrics", agent.fetch("/metrics").expect("an answer").body),
        ("the arguments", arguments.expect("the kernel tells")),
    ];
    for delivery in &receiver.received().deliveries {
        seen.push(("an upload", String::from_utf8_lossy(&delivery.body).into_owned()));
        seen.push(("the head of an upload", delivery.head.clone()));
    }
    assert!(seen.len() > 3, "nothing was uploaded");
    for (place, text) in seen {
        for secret in [MONITOR.password, API_KEY] {
            assert!(!text.contains(secret), "a secret stands in {place}:\n{text}");
        }
    }
}

/// At least what was polled before the stop was asked for.
fn everything_polled_was_delivered(receiver: &Receiver, polls: f64) {
    let received = receiver.received();
    let samples = received.sample_count();
    assert!(samples as f64 >= polls, "{samples} samples arrived of at least {polls} polled");
    assert!(received.deliveries.iter().all(|it| it.status == Some(200)));
}

fn server_status(set: &ReplicaSet, member: usize) -> Document {
    let mut client = set.client(member, Some(MONITOR)).expect("the monitor logs in");
    client.command("admin", &doc! { "serverStatus": 1 }).expect("the monitor may ask")
}

fn at(document: &Document, path: &str) -> f64 {
    let mut value = Bson::Document(document.clone());
    for key in path.split('.') {
        let below = value.as_document().and_then(|it| it.get(key)).cloned();
        value = below.unwrap_or_else(|| panic!("serverStatus has no {path}"));
    }
    match value {
        Bson::Double(number) => number,
        Bson::Int32(number) => number.into(),
        Bson::Int64(number) => number as f64,
        other => panic!("{path} is {other}"),
    }
}

fn total(exposition: &Exposition, name: &str) -> f64 {
    exposition.matching(name, &[]).iter().map(|(_, value)| value).sum()
}

fn now_millis() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    now.expect("after 1970").as_secs_f64() * 1e3
}
