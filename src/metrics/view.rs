//! Samples under our own names: as points, and as the text that Prometheus scrapes.

use std::{collections::HashSet, sync::Arc};

use super::{
    Family, Label, Points, families,
    plan::{Plan, Plans},
    row::Source,
    text::{push_label, push_number},
};
use crate::sample::{Collector, Columns, Number, Sample};

/// The native view: the core families of samples. One is enough for a process; it may be used from
/// several threads.
#[derive(Debug, Default)]
pub struct View {
    plans: Plans,
}

impl View {
    /// A view that has not seen any reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells of every point of one sample, family by family in the order of [`families`], values
    /// in base units. The labels do not name the host. No series is told of twice.
    pub fn points(&self, sample: &Sample, each: &mut dyn FnMut(&Family, &[Label<'_>], Number)) {
        let planned = self.planned(sample);
        for (index, family) in families().iter().enumerate() {
            planned.tell(index, family, each);
        }
    }

    /// Appends the text exposition (0.0.4) of these hosts: for each family that has a series its
    /// HELP and TYPE, then the series of all hosts, each with the label `host` first. A host that
    /// is named twice is shown once.
    pub fn exposition(&self, samples: &[Arc<Sample>], out: &mut String) {
        let mut names = HashSet::new();
        let distinct = samples.iter().filter(|sample| names.insert(&sample.host.name));
        let hosts: Vec<_> = distinct
            .map(|sample| {
                let mut label = String::new();
                push_label(&mut label, true, "host", &sample.host.name);
                (label, self.planned(sample))
            })
            .collect();
        for (index, family) in families().iter().enumerate() {
            let start = out.len();
            out.push_str(family.header());
            let header_end = out.len();
            for (host, planned) in &hosts {
                let mut each = |family: &Family, labels: &[Label<'_>], number| {
                    push_line(out, family.prometheus_name(), host, labels, number);
                };
                planned.tell(index, family, &mut each);
            }
            if out.len() == header_end {
                out.truncate(start);
            }
        }
    }

    fn planned<'a>(&self, sample: &'a Sample) -> Planned<'a> {
        let replies = Collector::ALL.map(|collector| {
            let columns = sample.outcome.as_ref().ok()?.columns(collector)?;
            Some((columns, self.plans.plan(collector, columns.schema())))
        });
        Planned { sample, replies }
    }
}

/// A sample with the plans of its replies.
struct Planned<'a> {
    sample: &'a Sample,
    /// In the order of [`Collector::ALL`].
    replies: [Option<(&'a Columns, Arc<Plan>)>; Collector::ALL.len()],
}

impl Planned<'_> {
    fn tell(
        &self,
        index: usize,
        family: &Family,
        each: &mut dyn FnMut(&Family, &[Label<'_>], Number),
    ) {
        let mut points = Points::new(family, each);
        match &family.row.source {
            Source::Derived(_, derive) => derive(self.sample, &mut points),
            Source::Reply(collector, _) => {
                if let Some(Some((columns, plan))) = self.replies.get(*collector as usize) {
                    plan.tell(index, columns, family.row.measure, &mut points);
                }
            }
        }
    }
}

fn push_line(out: &mut String, name: &str, host: &str, labels: &[Label<'_>], number: Number) {
    out.push_str(name);
    out.push('{');
    out.push_str(host);
    for (label, value) in labels {
        push_label(out, false, label, value);
    }
    out.push_str("} ");
    push_number(out, number);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bson::{RawDocumentBuf, rawdoc};

    use super::*;
    use crate::{
        config::Address,
        net::Transport,
        sample::{Collected, Failure, History, HostIdentity, Interner, Reading, Reason},
    };

    fn host(name: &str) -> Arc<HostIdentity> {
        let address = Address { host: "db1".into(), port: 27017 };
        Arc::new(HostIdentity { name: name.into(), address, tls: true, require_valid: true })
    }

    fn sample(name: &str, outcome: Result<Reading, Failure>) -> Sample {
        Sample {
            host: host(name),
            taken_at: 1_800_000_000_250,
            took: Duration::from_millis(20),
            outcome,
            history: History { polls: 3, ..History::default() },
            handshake: None,
        }
    }

    /// A sample of a host that is up, with these replies.
    fn up(name: &str, replies: &[(Collector, RawDocumentBuf)]) -> Sample {
        let interner = Interner::default();
        let collected = Collector::ALL.map(|collector| {
            let reply = replies.iter().find(|(from, _)| *from == collector);
            reply.map(|(_, document)| Collected {
                taken_at: 1_799_999_999_250,
                took: Duration::from_micros(1_500),
                outcome: Columns::read(document.as_bytes(), None, &interner)
                    .map(Arc::new)
                    .map_err(|_| unreachable!("the document is whole")),
            })
        });
        sample(name, Ok(Reading { transport: Transport::Tls, server_started_at: None, collected }))
    }

    fn lines(samples: Vec<Sample>) -> Vec<String> {
        let samples: Vec<_> = samples.into_iter().map(Arc::new).collect();
        let mut text = String::new();
        View::new().exposition(&samples, &mut text);
        assert!(text.ends_with('\n'));
        text.lines().map(str::to_owned).collect()
    }

    /// The lines of one family, without HELP and TYPE.
    fn series(samples: Vec<Sample>, family: &str) -> Vec<String> {
        let mut lines = lines(samples);
        lines.retain(|line| line.starts_with(&format!("{family}{{")));
        lines
    }

    fn members(members: bson::RawArrayBuf) -> Sample {
        let status = rawdoc! { "myState": 2, "members": members };
        up("a", &[(Collector::ReplSetGetStatus, status)])
    }

    #[test]
    fn all_hosts_stand_together_below_one_help_and_type() {
        let status = |received: i64| rawdoc! { "network": { "bytesIn": received } };
        let up = |name, received| up(name, &[(Collector::ServerStatus, status(received))]);
        let lines = lines(vec![up("db1:27017", 7), up("say \"b\"\\", 8)]);
        let at = lines.iter().position(|line| line.starts_with("# HELP mongodb_network_received"));
        let at = at.expect("the family");
        assert_eq!(
            lines.get(at..at + 4).expect("four lines"),
            [
                "# HELP mongodb_network_received_bytes_total Bytes received from clients and \
                 members, after decompression. Source: serverStatus network.bytesIn.",
                "# TYPE mongodb_network_received_bytes_total counter",
                "mongodb_network_received_bytes_total{host=\"db1:27017\"} 7",
                r#"mongodb_network_received_bytes_total{host="say \"b\"\\"} 8"#,
            ]
        );
    }

    #[test]
    fn a_host_that_is_down_shows_that_and_its_history_and_nothing_else() {
        let failure = Failure { reason: Reason::Timeout, words: "no answer".into() };
        let mut down = sample("a", Err(failure));
        down.history.failures = [0, 0, 0, 0, 2, 0, 0, 0, 0, 0];
        let mut shown = lines(vec![down]);
        shown.retain(|line| !line.starts_with('#'));
        assert_eq!(
            shown,
            [
                "mongodb_up{host=\"a\"} 0",
                "mongodb_polls_total{host=\"a\"} 3",
                "mongodb_poll_failures_total{host=\"a\",reason=\"resolve\"} 0",
                "mongodb_poll_failures_total{host=\"a\",reason=\"connect\"} 0",
                "mongodb_poll_failures_total{host=\"a\",reason=\"tls\"} 0",
                "mongodb_poll_failures_total{host=\"a\",reason=\"certificate\"} 0",
                "mongodb_poll_failures_total{host=\"a\",reason=\"timeout\"} 2",
                "mongodb_poll_failures_total{host=\"a\",reason=\"authentication\"} 0",
                "mongodb_poll_failures_total{host=\"a\",reason=\"permission\"} 0",
                "mongodb_poll_failures_total{host=\"a\",reason=\"protocol\"} 0",
                "mongodb_poll_failures_total{host=\"a\",reason=\"closed\"} 0",
                "mongodb_poll_failures_total{host=\"a\",reason=\"server\"} 0",
                "mongodb_poll_duration_seconds{host=\"a\"} 0.02",
                "mongodb_poll_start_timestamp_seconds{host=\"a\"} 1800000000.25",
                "mongodb_poll_connections_opened_total{host=\"a\"} 0",
                "mongodb_tls_enabled{host=\"a\"} 1",
                "mongodb_tls_validation_off{host=\"a\"} 0",
            ]
        );
    }

    #[test]
    fn a_collector_that_failed_takes_only_its_own_series_with_it() {
        let mut sample = up("a", &[(Collector::Hello, rawdoc! { "isWritablePrimary": true })]);
        let failure = Failure { reason: Reason::Permission, words: "not authorized".into() };
        if let Ok(Reading { collected: [server_status, ..], .. }) = &mut sample.outcome {
            *server_status = Some(Collected {
                taken_at: 1_800_000_000_251,
                took: Duration::from_millis(1),
                outcome: Err(failure),
            });
        }
        let shown = lines(vec![sample]);
        let of = |family: &str| -> Vec<_> {
            let start = format!("{family}{{");
            shown.iter().filter(|line| line.starts_with(&start)).collect()
        };
        assert_eq!(
            of("mongodb_collector_success"),
            [
                "mongodb_collector_success{host=\"a\",collector=\"serverStatus\"} 0",
                "mongodb_collector_success{host=\"a\",collector=\"hello\"} 1",
            ]
        );
        assert_eq!(
            of("mongodb_collector_age_seconds"),
            [
                "mongodb_collector_age_seconds{host=\"a\",collector=\"serverStatus\"} 0",
                "mongodb_collector_age_seconds{host=\"a\",collector=\"hello\"} 1",
            ]
        );
        assert_eq!(of("mongodb_writable_primary"), ["mongodb_writable_primary{host=\"a\"} 1"]);
        assert_eq!(of("mongodb_up"), ["mongodb_up{host=\"a\"} 1"]);
    }

    #[test]
    fn one_bad_field_costs_one_series() {
        let status = rawdoc! {
            "asserts": { "regular": -1, "warning": "many", "msg": f64::NAN, "user": 4 },
            "tcmalloc": { "generic": { "heap_size": f64::INFINITY } },
        };
        let sample = || vec![up("a", &[(Collector::ServerStatus, status.clone())])];
        assert_eq!(
            series(sample(), "mongodb_asserts_total"),
            ["mongodb_asserts_total{host=\"a\",kind=\"user\"} 4"]
        );
        assert_eq!(
            series(sample(), "mongodb_tcmalloc_heap_bytes"),
            ["mongodb_tcmalloc_heap_bytes{host=\"a\"} +Inf"]
        );
    }

    #[test]
    fn a_renamed_path_keeps_its_family_and_the_older_place_wins() {
        let both = rawdoc! {
            "wiredTiger": { "concurrentTransactions": { "read": { "out": 1 } } },
            "queues": { "execution": { "read": { "out": 2 }, "write": { "out": 3 } } },
        };
        assert_eq!(
            series(vec![up("a", &[(Collector::ServerStatus, both)])], "mongodb_tickets_out"),
            [
                "mongodb_tickets_out{host=\"a\",mode=\"read\"} 1",
                "mongodb_tickets_out{host=\"a\",mode=\"write\"} 3",
            ]
        );
    }

    #[test]
    fn lag_is_measured_from_the_primary_and_only_where_it_is_known() {
        let at = bson::DateTime::from_millis;
        let sample = members(
            bson::rawbson!([
                { "name": "p:1", "health": 1, "state": 1, "optimeDate": at(100_000) },
                { "name": "behind:1", "health": 1, "state": 2, "optimeDate": at(88_500) },
                { "name": "ahead:1", "health": 1, "state": 2, "optimeDate": at(101_000) },
                { "name": "down:1", "health": 0, "state": 8, "optimeDate": at(0) },
                { "name": "new:1", "health": 1, "state": 5, "optimeDate": at(0) },
                { "name": "arbiter:1", "health": 1, "state": 7 },
            ])
            .as_array()
            .expect("an array")
            .to_owned(),
        );
        assert_eq!(
            series(vec![sample], "mongodb_replica_set_member_lag_seconds"),
            [
                "mongodb_replica_set_member_lag_seconds{host=\"a\",member=\"behind:1\"} 11.5",
                "mongodb_replica_set_member_lag_seconds{host=\"a\",member=\"ahead:1\"} 0",
            ]
        );
        let leaderless = members(
            bson::rawbson!([
                { "name": "s:1", "health": 1, "state": 2, "optimeDate": at(100_000) },
                { "name": "t:1", "health": 1, "state": 2, "optimeDate": at(90_000) },
            ])
            .as_array()
            .expect("an array")
            .to_owned(),
        );
        let lag = series(vec![leaderless], "mongodb_replica_set_member_lag_seconds");
        assert_eq!(lag, [""; 0]);
    }

    #[test]
    fn a_member_that_is_listed_twice_or_without_a_name_makes_no_second_series() {
        let sample = || {
            members(
                bson::rawbson!([
                    { "name": "m:1", "health": 1, "state": 2 },
                    { "name": "m:1", "health": 0, "state": 8 },
                    { "name": "", "health": 0, "state": 8 },
                    { "health": 0, "state": 8 },
                    { "name": "n:1", "health": 0, "state": 42 },
                ])
                .as_array()
                .expect("an array")
                .to_owned(),
            )
        };
        assert_eq!(
            series(vec![sample()], "mongodb_replica_set_member_health"),
            [
                "mongodb_replica_set_member_health{host=\"a\",member=\"m:1\"} 1",
                "mongodb_replica_set_member_health{host=\"a\",member=\"n:1\"} 0",
            ]
        );
        let mut states = series(vec![sample()], "mongodb_replica_set_member_state");
        assert_eq!(states.len(), 20);
        states.retain(|line| line.ends_with(" 1"));
        let state = "mongodb_replica_set_member_state{host=\"a\",member=";
        assert_eq!(
            states,
            [
                format!("{state}\"m:1\",state=\"SECONDARY\"}} 1"),
                format!("{state}\"n:1\",state=\"UNKNOWN\"}} 1"),
            ]
        );
    }

    #[test]
    fn what_is_not_known_of_a_server_is_no_label() {
        let info = |replies: &[_]| series(vec![up("a", replies)], "mongodb_info").concat();
        assert_eq!(info(&[]), "mongodb_info{host=\"a\"} 1");
        let enterprise = rawdoc! { "version": "8.0.4", "modules": ["enterprise"] };
        assert_eq!(
            info(&[
                (Collector::BuildInfo, enterprise),
                (Collector::Hello, rawdoc! { "configsvr": 2 })
            ]),
            "mongodb_info{host=\"a\",version=\"8.0.4\",edition=\"enterprise\",\
             cluster_role=\"configsvr\"} 1"
        );
        let percona = rawdoc! { "version": "7.0.8", "psmdbVersion": "7.0.8-5" };
        let status = rawdoc! { "version": "7.0.9", "process": "mongos" };
        let replies = [
            (Collector::BuildInfo, percona),
            (Collector::ServerStatus, status),
            (Collector::Hello, rawdoc! { "msg": "isdbgrid" }),
        ];
        assert_eq!(
            info(&replies),
            "mongodb_info{host=\"a\",version=\"7.0.9\",edition=\"percona\",process=\"mongos\",\
             cluster_role=\"mongos\"} 1"
        );
    }

    #[test]
    fn the_transport_is_the_observed_one_and_the_mode_the_stated_one() {
        let stated = |document| vec![up("a", &[(Collector::GetParameter, document)])];
        let mode = |document| {
            let lines = series(stated(document), "mongodb_tls_server_mode");
            let on = lines.iter().filter_map(|line| line.strip_suffix(" 1"));
            (lines.len(), on.map(str::to_owned).collect::<Vec<_>>())
        };
        let label = |name| format!("mongodb_tls_server_mode{{host=\"a\",mode=\"{name}\"}}");
        let both = rawdoc! { "tlsMode": "preferTLS", "sslMode": "preferSSL" };
        assert_eq!(mode(both), (4, vec![label("preferTLS")]));
        assert_eq!(mode(rawdoc! { "sslMode": "requireSSL" }), (4, vec![label("requireTLS")]));
        assert_eq!(mode(rawdoc! { "tlsMode": "strange" }), (0, vec![]));
        let mut plaintext = up("a", &[]);
        if let Ok(reading) = &mut plaintext.outcome {
            reading.transport = Transport::Plaintext;
        }
        let shown = lines(vec![plaintext]);
        for wanted in [
            "mongodb_tls_enabled{host=\"a\"} 0",
            "mongodb_tls_observed{host=\"a\",transport=\"tls\"} 0",
            "mongodb_tls_observed{host=\"a\",transport=\"plaintext\"} 1",
        ] {
            assert!(shown.iter().any(|line| line == wanted), "{wanted}");
        }
    }

    #[test]
    fn a_host_that_is_given_twice_is_shown_once() {
        let lines = series(vec![up("a", &[]), up("a", &[]), up("b", &[])], "mongodb_up");
        assert_eq!(lines, ["mongodb_up{host=\"a\"} 1", "mongodb_up{host=\"b\"} 1"]);
    }

    #[test]
    fn points_bear_base_units_and_do_not_name_the_host() {
        let status = rawdoc! { "mem": { "resident": 2 }, "opLatencies": { "reads": { "latency": 1_500_000_i64 } } };
        let sample = up("a", &[(Collector::ServerStatus, status)]);
        let mut found = Vec::new();
        View::new().points(&sample, &mut |family, labels, number| {
            assert!(labels.iter().all(|(name, _)| *name != "host"));
            if matches!(family.otlp_name(), "mongodb.memory.resident" | "mongodb.operation.latency")
            {
                let labels: Vec<_> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
                found.push((family.otlp_unit(), labels.join(","), number));
            }
        });
        assert_eq!(
            found,
            [
                ("By", String::new(), Number::Integer(2_097_152)),
                ("s", "type=read".into(), Number::Double(1.5)),
            ]
        );
    }
}
