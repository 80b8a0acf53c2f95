//! What the agent counts of itself, with the `prometheus` crate.
//!
//! All names begin with `monitoring_agent_`, which no series of a monitored host does, so the two
//! expositions can stand in one page. Labels come from closed sets, and every series of a closed
//! set exists from the start at 0: a rate can be taken over its first increment.

mod labels;

use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};

pub use self::labels::{DropReason, PathClass, VerdictClass};
use self::labels::{OUTCOMES, STATUS_CLASSES};

/// The agent's own metrics. Clones share the same numbers.
#[derive(Clone, Debug)]
pub struct Telemetry {
    registry: Registry,
    hosts: IntGauge,
    clock_offset: Gauge,
    renewals: Renewals,
    exporter_requests: IntCounterVec,
    rejected_connections: IntCounter,
    failed_connections: IntCounter,
    accept_failures: IntCounter,
    uploads: Uploads,
}

/// The families of what is read again while the agent runs.
#[derive(Clone, Debug)]
struct Renewals {
    configs: IntCounterVec,
    last_config_good: IntGauge,
    last_config_good_at: Gauge,
    files: IntCounterVec,
    refused_files: IntGauge,
}

/// The families of the uploads, one label set a destination.
#[derive(Clone, Debug)]
struct Uploads {
    delivered: IntCounterVec,
    dropped: IntCounterVec,
    rejected_points: IntCounterVec,
    requests: IntCounterVec,
    queue_samples: IntGaugeVec,
    queue_bytes: IntGaugeVec,
    last_success: GaugeVec,
    held: IntGaugeVec,
}

impl Telemetry {
    /// All metrics of an agent of this version that started `started_at_millis` after the Unix
    /// epoch.
    pub fn new(version: &str, started_at_millis: i64) -> Self {
        let registry = Registry::new();
        let families = Families(&registry);
        let build = families.int_gauges("build_info", "Version of the agent.", &["version"]);
        build.with_label_values(&[version]).set(1);
        let start = families.gauge("start_time_seconds", "Start of the agent since the epoch.");
        start.set(seconds(started_at_millis));
        let telemetry = Self {
            hosts: families.int_gauge("hosts", "Hosts that the configuration names."),
            clock_offset: families.gauge(
                "clock_offset_seconds",
                "How far the stamps of samples are ahead of a wall clock that was set back.",
            ),
            renewals: Renewals::new(&families, started_at_millis),
            exporter_requests: families.counters(
                "exporter_requests_total",
                "Requests that the agent's HTTP server answered.",
                &["path", "status"],
            ),
            rejected_connections: families.counter(
                "exporter_rejected_connections_total",
                "Connections refused because as many as allowed were open.",
            ),
            failed_connections: families.counter(
                "exporter_failed_connections_total",
                "Connections that broke a rule of HTTP or a limit of size or time.",
            ),
            accept_failures: families.counter(
                "exporter_accept_failures_total",
                "Times the operating system could not hand over a connection.",
            ),
            uploads: Uploads::new(&families),
            registry,
        };
        for path in PathClass::ALL {
            for status in STATUS_CLASSES {
                telemetry.exporter_requests.with_label_values(&[path.name(), status]);
            }
        }
        telemetry
    }

    /// How many hosts are configured.
    pub fn set_hosts(&self, hosts: usize) {
        self.hosts.set(i64::try_from(hosts).unwrap_or(i64::MAX));
    }

    /// The configuration was read again at `millis` since the Unix epoch, and applied or refused.
    pub fn config_reloaded(&self, applied: bool, millis: i64) {
        self.renewals.configs.with_label_values(&[outcome(applied)]).inc();
        self.renewals.last_config_good.set(applied.into());
        if applied {
            self.renewals.last_config_good_at.set(seconds(millis));
        }
    }

    /// A file that trust is made of changed, and its content was applied or refused.
    pub fn trust_file_renewed(&self, applied: bool) {
        self.renewals.files.with_label_values(&[outcome(applied)]).inc();
    }

    /// How many files' present content is refused.
    pub fn set_refused_files(&self, files: usize) {
        self.renewals.refused_files.set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// How far the stamps are ahead of the wall clock.
    pub fn set_clock_offset(&self, ahead: Duration) {
        self.clock_offset.set(ahead.as_secs_f64());
    }

    /// A request was answered with `status`, an HTTP status code.
    pub fn exporter_answered(&self, path: PathClass, status: u16) {
        let class = match status {
            ..400 => "2xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        self.exporter_requests.with_label_values(&[path.name(), class]).inc();
    }

    /// A connection was refused because too many were open.
    pub fn connection_rejected(&self) {
        self.rejected_connections.inc();
    }

    /// A connection ended by a fault or a limit.
    pub fn connection_failed(&self) {
        self.failed_connections.inc();
    }

    /// `accept` failed.
    pub fn accept_failed(&self) {
        self.accept_failures.inc();
    }

    /// The counters of one destination.
    pub fn destination(&self, name: &str) -> DestinationTelemetry {
        DestinationTelemetry::new(&self.uploads, name)
    }

    /// Appends the metrics in Prometheus' text format 0.0.4.
    pub fn exposition(&self, out: &mut String) {
        let before = out.len();
        // It fails for a family without samples, and gather() leaves those out.
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), out) {
            out.truncate(before);
            tracing::error!(%error, "the agent's own metrics could not be written");
        }
    }
}

/// The counters of one destination, resolved once.
#[derive(Clone, Debug)]
pub struct DestinationTelemetry {
    delivered: IntCounter,
    dropped: [IntCounter; DropReason::ALL.len()],
    rejected_points: IntCounter,
    requests: [IntCounter; VerdictClass::ALL.len()],
    queue_samples: IntGauge,
    queue_bytes: IntGauge,
    /// The series appears with the first success: before it there is no time to tell.
    last_success: GaugeVec,
    name: Box<str>,
    held: IntGauge,
}

impl DestinationTelemetry {
    fn new(uploads: &Uploads, name: &str) -> Self {
        let dropped =
            |reason: DropReason| uploads.dropped.with_label_values(&[name, reason.name()]);
        let requests =
            |verdict: VerdictClass| uploads.requests.with_label_values(&[name, verdict.name()]);
        Self {
            delivered: uploads.delivered.with_label_values(&[name]),
            dropped: DropReason::ALL.map(dropped),
            rejected_points: uploads.rejected_points.with_label_values(&[name]),
            requests: VerdictClass::ALL.map(requests),
            queue_samples: uploads.queue_samples.with_label_values(&[name]),
            queue_bytes: uploads.queue_bytes.with_label_values(&[name]),
            last_success: uploads.last_success.clone(),
            name: name.into(),
            held: uploads.held.with_label_values(&[name]),
        }
    }

    /// Samples were taken by the destination, at `millis` since the Unix epoch.
    pub fn delivered(&self, samples: usize, millis: i64) {
        self.delivered.inc_by(count(samples));
        self.last_success.with_label_values(&[&self.name]).set(seconds(millis));
    }

    /// Samples will never reach the destination.
    pub fn dropped(&self, reason: DropReason, samples: usize) {
        if let Some(counter) = self.dropped.get(reason as usize) {
            counter.inc_by(count(samples));
        }
    }

    /// The destination took a request, but not these data points of it.
    pub fn points_rejected(&self, points: u64) {
        self.rejected_points.inc_by(points);
    }

    /// A request was judged.
    pub fn judged(&self, verdict: VerdictClass) {
        if let Some(counter) = self.requests.get(verdict as usize) {
            counter.inc();
        }
    }

    /// What waits for the destination now.
    pub fn set_queue(&self, samples: usize, bytes: usize) {
        self.queue_samples.set(i64::try_from(samples).unwrap_or(i64::MAX));
        self.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether deliveries are held until an operator acts.
    pub fn set_held(&self, held: bool) {
        self.held.set(held.into());
    }

    /// Samples delivered since the start.
    pub fn delivered_total(&self) -> u64 {
        self.delivered.get()
    }

    /// Data points left out since the start.
    pub fn points_rejected_total(&self) -> u64 {
        self.rejected_points.get()
    }

    /// Samples dropped for `reason` since the start.
    pub fn dropped_total(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).map_or(0, IntCounter::get)
    }
}

impl Renewals {
    fn new(families: &Families<'_>, started_at_millis: i64) -> Self {
        let renewals = Self {
            configs: families.counters(
                "config_reloads_total",
                "Times the configuration was read again, by what became of it.",
                &["outcome"],
            ),
            last_config_good: families.int_gauge(
                "config_last_reload_successful",
                "1 while the newest configuration that was read is the one in force.",
            ),
            last_config_good_at: families.gauge(
                "config_last_reload_success_timestamp_seconds",
                "When the configuration in force was read, since the epoch.",
            ),
            files: families.counters(
                "trust_file_renewals_total",
                "Times a file of certificates or revocation lists changed, by what became of it.",
                &["outcome"],
            ),
            refused_files: families.int_gauge(
                "trust_files_refused",
                "Files of certificates or revocation lists whose present content is refused, while \
                 an older one is in force.",
            ),
        };
        renewals.last_config_good.set(1);
        renewals.last_config_good_at.set(seconds(started_at_millis));
        for outcome in OUTCOMES {
            renewals.configs.with_label_values(&[outcome]);
            renewals.files.with_label_values(&[outcome]);
        }
        renewals
    }
}

impl Uploads {
    fn new(families: &Families<'_>) -> Self {
        const EACH: &[&str] = &["destination"];
        Self {
            delivered: families.counters(
                "upload_delivered_samples_total",
                "Samples that the destination took.",
                EACH,
            ),
            dropped: families.counters(
                "upload_dropped_samples_total",
                "Samples that will never reach the destination.",
                &["destination", "reason"],
            ),
            rejected_points: families.counters(
                "upload_rejected_data_points_total",
                "Data points left out by a destination that took the rest of the request.",
                EACH,
            ),
            requests: families.counters(
                "upload_requests_total",
                "Requests to the destination, by what became of them.",
                &["destination", "verdict"],
            ),
            queue_samples: families.int_gauges(
                "upload_queue_samples",
                "Samples that wait for the destination.",
                EACH,
            ),
            queue_bytes: families.int_gauges(
                "upload_queue_bytes",
                "Memory of the samples that wait for the destination.",
                EACH,
            ),
            last_success: families.gauges(
                "upload_last_success_timestamp_seconds",
                "When the destination last took a request, since the epoch.",
                EACH,
            ),
            held: families.int_gauges(
                "upload_held",
                "1 while the destination's answer is one that only an operator can change.",
                EACH,
            ),
        }
    }
}

/// Makes and registers families. A name that is taken or malformed is a fault of this file, which
/// the first test meets.
struct Families<'a>(&'a Registry);

impl Families<'_> {
    fn options(name: &str, help: &str) -> Opts {
        Opts::new(format!("monitoring_agent_{name}"), help)
    }

    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let family = made.expect("names and labels are literals of this file, and well formed");
        self.0.register(Box::new(family.clone())).expect("each family is registered once");
        family
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::with_opts(Self::options(name, help)))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Self::options(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::with_opts(Self::options(name, help)))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Self::options(name, help), labels))
    }

    fn int_gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::with_opts(Self::options(name, help)))
    }

    fn int_gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Self::options(name, help), labels))
    }
}

fn outcome(applied: bool) -> &'static str {
    let [yes, no] = OUTCOMES;
    if applied { yes } else { no }
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double exactly")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

fn count(samples: usize) -> u64 {
    u64::try_from(samples).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lines(telemetry: &Telemetry) -> Vec<String> {
        let mut text = String::new();
        telemetry.exposition(&mut text);
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_family_has_help_and_type_and_the_agents_prefix_and_keeps_the_naming_rules() {
        let telemetry = Telemetry::new("0.1.0", 1_700_000_000_500);
        telemetry.destination("mms").delivered(1, 1_700_000_001_000);
        let lines = lines(&telemetry);
        let mut families = BTreeSet::new();
        for line in &lines {
            let Some(rest) = line.strip_prefix("# TYPE ") else { continue };
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(name.starts_with("monitoring_agent_"), "{name}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(lines.iter().any(|line| line.starts_with(&format!("# HELP {name} "))));
            families.insert(name.to_owned());
        }
        assert_eq!(families.len(), 21);
        assert!(lines.contains(&"monitoring_agent_build_info{version=\"0.1.0\"} 1".to_owned()));
        assert!(lines.contains(&"monitoring_agent_start_time_seconds 1700000000.5".to_owned()));
    }

    #[test]
    fn closed_sets_stand_at_zero_from_the_start_and_the_last_success_does_not() {
        let telemetry = Telemetry::new("0.1.0", 0);
        let _mms = telemetry.destination("mms");
        let lines = lines(&telemetry);
        let of = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
        assert_eq!(of("monitoring_agent_exporter_requests_total{"), 15);
        assert_eq!(of("monitoring_agent_upload_dropped_samples_total{"), 5);
        assert_eq!(of("monitoring_agent_upload_requests_total{"), 5);
        assert_eq!(of("monitoring_agent_upload_last_success_timestamp_seconds"), 0);
    }

    #[test]
    fn an_agent_without_destinations_can_be_written() {
        let lines = lines(&Telemetry::new("0.1.0", 0));
        assert!(!lines.iter().any(|line| line.contains("upload_")));
        assert!(lines.contains(&"monitoring_agent_hosts 0".to_owned()));
    }

    #[test]
    fn what_is_counted_is_shown_under_its_labels() {
        let telemetry = Telemetry::new("0.1.0", 0);
        let destination = telemetry.clone().destination("m\"s");
        telemetry.exporter_answered(PathClass::Other, 404);
        telemetry.exporter_answered(PathClass::Metrics, 200);
        telemetry.exporter_answered(PathClass::Readyz, 503);
        telemetry.set_clock_offset(Duration::from_millis(1_500));
        destination.delivered(3, 4_500);
        destination.dropped(DropReason::Stopped, 7);
        destination.judged(VerdictClass::Split);
        destination.set_queue(5, 600);
        destination.set_held(true);
        let lines = lines(&telemetry);
        for expected in [
            "exporter_requests_total{path=\"other\",status=\"4xx\"} 1",
            "exporter_requests_total{path=\"metrics\",status=\"2xx\"} 1",
            "exporter_requests_total{path=\"readyz\",status=\"5xx\"} 1",
            "clock_offset_seconds 1.5",
            r#"upload_delivered_samples_total{destination="m\"s"} 3"#,
            r#"upload_last_success_timestamp_seconds{destination="m\"s"} 4.5"#,
            r#"upload_dropped_samples_total{destination="m\"s",reason="stopped"} 7"#,
            r#"upload_requests_total{destination="m\"s",verdict="split"} 1"#,
            r#"upload_queue_samples{destination="m\"s"} 5"#,
            r#"upload_queue_bytes{destination="m\"s"} 600"#,
            r#"upload_held{destination="m\"s"} 1"#,
        ] {
            let expected = format!("monitoring_agent_{expected}");
            assert!(lines.contains(&expected), "{expected} is not in {lines:#?}");
        }
    }
}
