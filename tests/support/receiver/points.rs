//! The points of an OTLP batch, read through the official messages.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{KeyValue, any_value},
    metrics::v1::{Metric, NumberDataPoint, metric, number_data_point},
};

/// One number of one host at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// The resource's service.instance.id.
    pub(crate) host: String,
    /// All attributes of the resource.
    pub(crate) resource: BTreeMap<String, String>,
    /// The metric's name.
    pub(crate) name: String,
    /// The metric's unit.
    pub(crate) unit: String,
    /// Whether it is a monotonic sum; else it is a gauge or a sum that falls too.
    pub(crate) monotonic: bool,
    /// The attributes of the point.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Nanoseconds since the Unix epoch.
    pub(crate) time: u64,
    /// The number.
    pub(crate) value: f64,
}

/// All gauges and sums of a batch.
pub(super) fn of(batch: ExportMetricsServiceRequest) -> Vec<Point> {
    let mut points = Vec::new();
    for group in batch.resource_metrics {
        let resource = words(group.resource.map(|it| it.attributes).unwrap_or_default());
        for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let (monotonic, numbers) = numbers(&metric);
            points.extend(numbers.into_iter().map(|number| Point {
                host: resource.get("service.instance.id").cloned().unwrap_or_default(),
                resource: resource.clone(),
                name: metric.name.clone(),
                unit: metric.unit.clone(),
                monotonic,
                time: number.time_unix_nano,
                value: value(&number),
                attributes: words(number.attributes),
            }));
        }
    }
    points
}

fn numbers(metric: &Metric) -> (bool, Vec<NumberDataPoint>) {
    match &metric.data {
        Some(metric::Data::Gauge(gauge)) => (false, gauge.data_points.clone()),
        Some(metric::Data::Sum(sum)) => (sum.is_monotonic, sum.data_points.clone()),
        _ => (false, Vec::new()),
    }
}

fn value(number: &NumberDataPoint) -> f64 {
    match number.value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        #[expect(clippy::cast_precision_loss, reason = "it is compared with a scrape's double")]
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => f64::NAN,
    }
}

fn words(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|attribute| (attribute.key.clone(), word(attribute))).collect()
}

fn word(attribute: KeyValue) -> String {
    match attribute.value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
