//! From samples to the body of a request.
//!
//! One resource a host, told apart by `service.instance.id`, or two agents would overwrite each
//! other's series. A receiver of the Prometheus family makes `job` and `instance` of the two
//! `service` attributes, and adds unit and `_total` to the names by itself.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
};

use flate2::{Compression, write::GzEncoder};
use prost::Message;

use super::proto::{
    CUMULATIVE, Data, ExportRequest, Gauge, KeyValue, Metric, Point, Resource, ResourceMetrics,
    Scope, ScopeMetrics, Sum, Value,
};
use crate::{
    metrics::{Family, Kind, Label, View},
    sample::{HostIdentity, Number, Sample},
};

/// Largest body before compression. The specification recommends receivers to take 20 MiB; the
/// defaults of proxies in front of them are a few MiB, and what is sent is a sixth of this.
const MAX_BODY_BYTES: usize = 4 << 20;

/// Counters that begin with the agent; all others begin with the server.
const COUNTED_BY_THE_AGENT: [&str; 3] =
    ["mongodb.polls", "mongodb.poll.failures", "mongodb.poll.connections_opened"];

/// Makes the requests for one destination.
#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) view: Arc<View>,
    /// The destination's labels; they become attributes of each resource.
    pub(super) labels: Vec<(String, String)>,
    /// In milliseconds since the Unix epoch.
    pub(super) agent_started_at: i64,
}

/// A body, compressed.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) gzip: Vec<u8>,
    /// How many of the samples it holds, counted from the first.
    pub(super) samples: usize,
}

impl Encoder {
    /// The body for as many of the samples as fit, at least one; `None` when they have no points,
    /// as empty requests must not be sent.
    pub(super) fn body(&self, samples: &[Arc<Sample>]) -> io::Result<Option<Body>> {
        self.body_within(MAX_BODY_BYTES, samples)
    }

    fn body_within(&self, limit: usize, samples: &[Arc<Sample>]) -> io::Result<Option<Body>> {
        let mut taken = samples;
        let mut request = self.request(taken);
        while request.encoded_len() > limit && taken.len() > 1 {
            taken = taken.get(..taken.len() / 2).unwrap_or_default();
            request = self.request(taken);
        }
        if request.resource_metrics.is_empty() {
            return Ok(None);
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&request.encode_to_vec())?;
        Ok(Some(Body { gzip: gzip.finish()?, samples: taken.len() }))
    }

    fn request(&self, samples: &[Arc<Sample>]) -> ExportRequest {
        let mut hosts: Vec<HostPoints> = Vec::new();
        let mut places = HashMap::new();
        for sample in samples {
            let place = *places.entry(&sample.host.name).or_insert(hosts.len());
            if place == hosts.len() {
                hosts.push(HostPoints::default());
            }
            if let Some(host) = hosts.get_mut(place) {
                host.host = Some(Arc::clone(&sample.host));
                host.add(&self.view, sample, self.agent_started_at);
            }
        }
        let resources = hosts.into_iter().filter_map(|host| host.resource(&self.labels));
        ExportRequest { resource_metrics: resources.collect() }
    }
}

/// The metrics of one host, each with the points of all its samples in time order.
#[derive(Default)]
struct HostPoints {
    host: Option<Arc<HostIdentity>>,
    metrics: Vec<Metric>,
    places: HashMap<String, usize>,
}

impl HostPoints {
    fn add(&mut self, view: &View, sample: &Sample, agent_started_at: i64) {
        let server_started_at =
            sample.outcome.as_ref().ok().and_then(|reading| reading.server_started_at);
        view.points(sample, &mut |family, labels, number| {
            let started_at = match family.kind() {
                Kind::Gauge | Kind::Info => None,
                Kind::Counter if COUNTED_BY_THE_AGENT.contains(&family.otlp_name()) => {
                    Some(agent_started_at)
                }
                Kind::Counter => server_started_at,
            };
            // A start in the future (the clocks differ) is as good as none, which OTLP has as 0.
            let started_at = started_at.filter(|started_at| *started_at <= sample.taken_at);
            let point = Point {
                start_time_unix_nano: started_at.map_or(0, nanoseconds),
                time_unix_nano: nanoseconds(sample.taken_at),
                value: Some(match number {
                    Number::Integer(integer) => Value::Integer(integer),
                    Number::Double(double) => Value::Double(double),
                }),
                attributes: labels.iter().map(attribute).collect(),
            };
            match self.metric(family).data.as_mut() {
                Some(Data::Gauge(gauge)) => gauge.data_points.push(point),
                Some(Data::Sum(sum)) => sum.data_points.push(point),
                None => {}
            }
        });
    }

    fn metric(&mut self, family: &Family) -> &mut Metric {
        let place = match self.places.get(family.otlp_name()) {
            Some(place) => *place,
            None => {
                self.places.insert(family.otlp_name().to_owned(), self.metrics.len());
                self.metrics.push(metric(family));
                self.metrics.len() - 1
            }
        };
        self.metrics.get_mut(place).expect("places are indexes of metrics, which only grow")
    }

    fn resource(self, labels: &[(String, String)]) -> Option<ResourceMetrics> {
        let host = self.host.filter(|_| !self.metrics.is_empty())?;
        let scope = Scope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Some(ResourceMetrics {
            resource: Some(Resource { attributes: resource_attributes(&host, labels) }),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics: self.metrics }],
        })
    }
}

fn metric(family: &Family) -> Metric {
    let data = match family.kind() {
        Kind::Counter => Data::Sum(Sum {
            data_points: Vec::new(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        Kind::Gauge | Kind::Info => Data::Gauge(Gauge::default()),
    };
    Metric {
        name: family.otlp_name().to_owned(),
        description: family.help().to_owned(),
        unit: family.otlp_unit().to_owned(),
        data: Some(data),
    }
}

fn resource_attributes(host: &HostIdentity, labels: &[(String, String)]) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::text("service.name", "mongodb"),
        KeyValue::text("service.instance.id", host.name.as_ref()),
        KeyValue::text("server.address", host.address.host.as_str()),
        KeyValue::integer("server.port", host.address.port.into()),
    ];
    for (name, value) in labels {
        // Keys of attributes are unique; what identifies the host cannot be overwritten.
        if attributes.iter().all(|attribute| attribute.key != *name) {
            attributes.push(KeyValue::text(name, value.as_str()));
        }
    }
    attributes
}

fn attribute((name, value): &Label<'_>) -> KeyValue {
    KeyValue::text(*name, value.as_ref())
}

/// Nanoseconds since the epoch; what lies before it is 0, which OTLP reads as unknown.
fn nanoseconds(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use std::{io::Read, time::Duration};

    use opentelemetry_proto::tonic::{
        collector::metrics::v1::ExportMetricsServiceRequest,
        common::v1::{KeyValue as OfficialKeyValue, any_value},
        metrics::v1::{AggregationTemporality, NumberDataPoint, metric, number_data_point},
    };

    use super::*;
    use crate::{
        metrics::families,
        net::Transport,
        sample::{Collected, Collector, Columns, Interner, Reading},
        spool::tests::sample,
    };

    const AGENT_START: i64 = 1_000_000;
    const SERVER_START: i64 = 1_500_000;

    fn encoder(labels: &[(&str, &str)]) -> Encoder {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Encoder {
            view: Arc::new(View::new()),
            labels: labels.collect(),
            agent_started_at: AGENT_START,
        }
    }

    /// What a real 6.0 primary answered.
    fn up(host: &str, taken_at: i64) -> Arc<Sample> {
        let collected = Collector::ALL.map(|collector| {
            let file = format!(
                "{}/tests/data/captures/6.0.5/primary/{}.bson",
                env!("CARGO_MANIFEST_DIR"),
                collector.name()
            );
            // How the server uses TLS was not captured.
            let document = std::fs::read(file).ok()?;
            let columns = Columns::read(&document, None, &Interner::default());
            let outcome = Ok(Arc::new(columns.expect("a document")));
            Some(Collected { taken_at, took: Duration::from_millis(3), outcome })
        });
        assert_eq!(collected.iter().flatten().count(), 4);
        let mut up = sample(host, taken_at);
        let inner = Arc::get_mut(&mut up).expect("not shared");
        inner.outcome = Ok(Reading {
            transport: Transport::Tls,
            server_started_at: Some(SERVER_START),
            collected,
        });
        up
    }

    fn decode(body: &Body) -> ExportMetricsServiceRequest {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(body.gzip.as_slice())
            .read_to_end(&mut bytes)
            .expect("whole gzip");
        ExportMetricsServiceRequest::decode(bytes.as_slice()).expect("official decoding")
    }

    fn attributes(attributes: &[OfficialKeyValue]) -> Vec<(String, String)> {
        let text = |attribute: &OfficialKeyValue| {
            let value = attribute.value.clone().and_then(|value| value.value).expect("a value");
            match value {
                any_value::Value::StringValue(text) => text,
                any_value::Value::IntValue(integer) => format!("int {integer}"),
                other => panic!("{other:?} is not sent"),
            }
        };
        attributes.iter().map(|it| (it.key.clone(), text(it))).collect()
    }

    #[test]
    fn each_host_is_one_resource_that_its_name_identifies() {
        let samples = [sample("b", 2_000_000), up("a", 2_000_000), sample("b", 2_010_000)];
        let encoder = encoder(&[("agent", "box"), ("service.instance.id", "evil"), ("agent", "2")]);
        let body = encoder.body(&samples).expect("encodes").expect("has points");
        assert_eq!(body.samples, 3);
        let request = decode(&body);
        let resources: Vec<_> = request
            .resource_metrics
            .iter()
            .map(|it| attributes(&it.resource.as_ref().expect("a resource").attributes))
            .collect();
        let expected = |host: &str| {
            [
                ("service.name", "mongodb"),
                ("service.instance.id", host),
                ("server.address", host),
                ("server.port", "int 27017"),
                ("agent", "box"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        assert_eq!(resources, [expected("b"), expected("a")]);
        for resource in &request.resource_metrics {
            let [scope] = resource.scope_metrics.as_slice() else { panic!("one scope") };
            let scope = scope.scope.as_ref().expect("a scope");
            let ours = ("monitoring-agent", env!("CARGO_PKG_VERSION"));
            assert_eq!((scope.name.as_str(), scope.version.as_str()), ours);
        }
    }

    /// The points of every metric of the request's only host.
    fn points(request: &ExportMetricsServiceRequest) -> Vec<(String, bool, Vec<NumberDataPoint>)> {
        let [resource] = request.resource_metrics.as_slice() else { panic!("one host") };
        let [scope] = resource.scope_metrics.as_slice() else { panic!("one scope") };
        let metrics = scope.metrics.iter().map(|it| {
            let family = families().iter().find(|family| family.otlp_name() == it.name);
            let family = family.expect("a family of the table");
            assert_eq!(
                (it.unit.as_str(), it.description.as_str()),
                (family.otlp_unit(), family.help())
            );
            match it.data.clone().expect("data") {
                metric::Data::Sum(sum) => {
                    assert_eq!(family.kind(), Kind::Counter, "{}", it.name);
                    assert!(sum.is_monotonic);
                    assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
                    (it.name.clone(), true, sum.data_points)
                }
                metric::Data::Gauge(gauge) => {
                    assert_ne!(family.kind(), Kind::Counter, "{}", it.name);
                    (it.name.clone(), false, gauge.data_points)
                }
                other => panic!("{other:?} is not sent"),
            }
        });
        metrics.collect()
    }

    #[test]
    fn the_official_messages_read_back_what_the_view_tells_field_by_field() {
        let encoder = encoder(&[]);
        let samples = [up("a", 2_000_000), sample("a", 2_010_000), up("a", 2_020_000)];
        let request = decode(&encoder.body(&samples).expect("encodes").expect("has points"));
        let mut sent = HashMap::new();
        for (name, counter, points) in points(&request) {
            for point in points {
                let nanos = point.time_unix_nano;
                let start = point.start_time_unix_nano;
                let value = point.value.expect("a value");
                let key = (name.clone(), nanos, attributes(&point.attributes));
                assert_eq!(sent.insert(key, (counter, start, value)), None, "{name} twice");
            }
        }
        let mut told = 0;
        for sample in &samples {
            let nanos = u64::try_from(sample.taken_at).expect("positive") * 1_000_000;
            encoder.view.points(sample, &mut |family, labels, number| {
                told += 1;
                let labels = labels.iter().map(|(name, it)| ((*name).to_owned(), it.to_string()));
                let key = (family.otlp_name().to_owned(), nanos, labels.collect());
                let (counter, start, value) = sent.get(&key).expect("sent");
                let expected = match number {
                    Number::Integer(integer) => number_data_point::Value::AsInt(integer),
                    Number::Double(double) => number_data_point::Value::AsDouble(double),
                };
                assert_eq!(*value, expected, "{}", family.otlp_name());
                let begin = if !*counter {
                    0
                } else if family.otlp_name().starts_with("mongodb.poll") {
                    1_000_000_000_000
                } else {
                    1_500_000_000_000
                };
                assert_eq!(*start, begin, "{}", family.otlp_name());
            });
        }
        assert_eq!(told, sent.len());
        assert!(told > 200, "{told} points");
    }

    #[test]
    fn counters_of_the_agent_are_in_the_table() {
        for name in COUNTED_BY_THE_AGENT {
            let family = families().iter().find(|family| family.otlp_name() == name);
            assert_eq!(family.map(Family::kind), Some(Kind::Counter), "{name}");
        }
        let prefixed = families().iter().filter(|family| {
            family.kind() == Kind::Counter && family.otlp_name().starts_with("mongodb.poll")
        });
        assert_eq!(prefixed.count(), COUNTED_BY_THE_AGENT.len());
    }

    #[test]
    fn a_start_that_is_later_than_the_point_or_not_known_is_left_out() {
        let encoder = encoder(&[]);
        let mut unknown = up("a", 2_000_000);
        let inner = Arc::get_mut(&mut unknown).expect("not shared");
        if let Ok(reading) = &mut inner.outcome {
            reading.server_started_at = None;
        }
        for sample in [up("a", SERVER_START - 1), unknown] {
            let request = decode(&encoder.body(&[sample]).expect("encodes").expect("has points"));
            let starts: Vec<u64> = points(&request)
                .into_iter()
                .filter(|(name, counter, _)| *counter && !name.starts_with("mongodb.poll"))
                .flat_map(|(_, _, points)| points)
                .map(|point| point.start_time_unix_nano)
                .collect();
            assert!(starts.len() > 50, "{}", starts.len());
            assert!(starts.iter().all(|start| *start == 0));
        }
    }

    #[test]
    fn a_body_holds_as_many_samples_as_fit_and_at_least_one() {
        let encoder = encoder(&[]);
        let samples: Vec<_> = (0..8).map(|n| up(&format!("host{n}"), 2_000_000)).collect();
        let one = encoder.request(samples.get(..1).expect("eight")).encoded_len();
        for (limit, fit) in [(one * 9, 8), (one * 5, 4), (one * 3, 2), (one * 3 / 2, 1), (10, 1)] {
            let body = encoder.body_within(limit, &samples).expect("encodes").expect("has points");
            assert_eq!(body.samples, fit, "{limit} bytes, {one} each");
            assert_eq!(decode(&body).resource_metrics.len(), fit);
        }
    }

    #[test]
    fn nothing_makes_no_request() {
        assert!(encoder(&[]).body(&[]).expect("encodes").is_none());
    }
}
