//! What the agent itself found out about a host: whether it is up, and how polling goes.

use std::time::Duration;

use crate::{
    metrics::{
        Points,
        row::{
            Measure::{Of, Plain, Seconds},
            Row, Source, counter, gauge, info,
        },
    },
    sample::{Collected, Collector, Columns, Number, Reading, Reason, Sample},
};

pub(super) const ROWS: &[Row] = &[
    gauge(
        "up",
        Plain,
        "Whether the last poll succeeded: hello was answered, and so was the login where one is \
         configured.",
        Source::Derived("the poll", up),
    ),
    info(
        "info",
        "What the server is: version, edition, process, replica set, role in a cluster, storage \
         engine.",
        Source::Derived("serverStatus, hello and buildInfo", server_info),
    ),
    gauge(
        "start_time",
        Seconds,
        "When this incarnation of the server started, since the Unix epoch.",
        Source::Derived("serverStatus localTime and uptimeMillis", start_time),
    ),
    counter(
        "polls",
        Of("{poll}"),
        "Polls of this host that began and ended since the agent started.",
        Source::Derived("the agent", polls),
    ),
    counter(
        "poll.failures",
        Of("{poll}"),
        "Polls of this host that failed since the agent started, by reason.",
        Source::Derived("the agent", failures),
    ),
    gauge(
        "poll.duration",
        Seconds,
        "How long the last poll took, with connect and login if it needed them.",
        Source::Derived("the agent", duration),
    ),
    gauge(
        "poll.start.timestamp",
        Seconds,
        "When the last poll began, since the Unix epoch.",
        Source::Derived("the agent", began),
    ),
    counter(
        "poll.connections_opened",
        Of("{connection}"),
        "Connections that the agent opened to this host since the agent started.",
        Source::Derived("the agent", connections),
    ),
    gauge(
        "collector.success",
        Plain,
        "Whether the collector's last command was answered.",
        Source::Derived("the agent", collector_success),
    ),
    gauge(
        "collector.duration",
        Seconds,
        "How long the collector's last command took, from request to decoded reply.",
        Source::Derived("the agent", collector_duration),
    ),
    gauge(
        "collector.age",
        Seconds,
        "How old the collector's reply was when the last poll began, 0 when that poll fetched it.",
        Source::Derived("the agent", collector_age),
    ),
];

fn up(sample: &Sample, points: &mut Points<'_>) {
    points.closed(&[], Number::Integer(sample.outcome.is_ok().into()));
}

fn start_time(sample: &Sample, points: &mut Points<'_>) {
    if let Ok(Reading { server_started_at: Some(millis), .. }) = sample.outcome {
        points.closed(&[], Number::Double(Number::Integer(millis).as_f64() / 1e3));
    }
}

fn polls(sample: &Sample, points: &mut Points<'_>) {
    points.closed(&[], count(sample.history.polls));
}

fn failures(sample: &Sample, points: &mut Points<'_>) {
    for (reason, failures) in Reason::ALL.iter().zip(sample.history.failures) {
        points.closed(&[("reason", reason.name().into())], count(failures));
    }
}

fn duration(sample: &Sample, points: &mut Points<'_>) {
    points.closed(&[], Number::Double(sample.took.as_secs_f64()));
}

fn began(sample: &Sample, points: &mut Points<'_>) {
    points.closed(&[], Number::Double(Number::Integer(sample.taken_at).as_f64() / 1e3));
}

fn connections(sample: &Sample, points: &mut Points<'_>) {
    points.closed(&[], count(sample.history.connections));
}

fn count(count: u64) -> Number {
    Number::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

fn collector_success(sample: &Sample, points: &mut Points<'_>) {
    for_each_collector(sample, points, |collected| {
        Number::Integer(collected.outcome.is_ok().into())
    });
}

fn collector_duration(sample: &Sample, points: &mut Points<'_>) {
    for_each_collector(sample, points, |collected| Number::Double(collected.took.as_secs_f64()));
}

fn collector_age(sample: &Sample, points: &mut Points<'_>) {
    for_each_collector(sample, points, |collected| {
        let millis = u64::try_from(sample.taken_at.saturating_sub(collected.taken_at));
        Number::Double(Duration::from_millis(millis.unwrap_or(0)).as_secs_f64())
    });
}

fn for_each_collector(
    sample: &Sample,
    points: &mut Points<'_>,
    number: impl Fn(&Collected) -> Number,
) {
    let Ok(reading) = &sample.outcome else { return };
    for collector in Collector::ALL {
        if let Some(collected) = reading.collected(collector) {
            points.closed(&[("collector", collector.name().into())], number(collected));
        }
    }
}

fn server_info(sample: &Sample, points: &mut Points<'_>) {
    let Ok(reading) = &sample.outcome else { return };
    let text = |collector, path| reading.columns(collector)?.text(path);
    let version = text(Collector::ServerStatus, "version");
    points.info(&[
        ("version", version.or_else(|| text(Collector::BuildInfo, "version"))),
        ("edition", reading.columns(Collector::BuildInfo).map(edition)),
        ("process", text(Collector::ServerStatus, "process")),
        ("replica_set", text(Collector::Hello, "setName")),
        ("cluster_role", cluster_role(reading)),
        ("storage_engine", text(Collector::ServerStatus, "storageEngine.name")),
    ]);
}

/// Enterprise builds list a module of that name; Percona's builds have a version of their own.
fn edition(build_info: &Columns) -> &'static str {
    let texts = build_info.schema().texts.iter();
    let mut modules = texts.filter(|path| path.starts_with("modules."));
    if modules.any(|path| build_info.text(path) == Some("enterprise")) {
        "enterprise"
    } else if build_info.text("psmdbVersion").is_some() {
        "percona"
    } else {
        "community"
    }
}

/// The part the server plays in a sharded cluster; `None` for those outside of one.
fn cluster_role(reading: &Reading) -> Option<&'static str> {
    let hello = reading.columns(Collector::Hello)?;
    if hello.text("msg") == Some("isdbgrid") {
        return Some("mongos");
    }
    if hello.number("configsvr").is_some() {
        return Some("configsvr");
    }
    let status = reading.columns(Collector::ServerStatus)?;
    status.text("sharding.configsvrConnectionString").map(|_| "shardsvr")
}
