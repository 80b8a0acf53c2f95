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
/// defaults of proxies in front of them are a few MiB, and what is sent is a twentieth of this.
const MAX_BODY_BYTES: usize = 4 << 20;

/// Counters that begin with the agent; all others begin with the server.
const COUNTED_BY_THE_AGENT: [&str; 3] =
    ["mongodb.polls", "mongodb.poll.failures", "mongodb.poll.connections"];

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
