//! A family of series: a row of the table with the names that follow from it.

use std::sync::OnceLock;

use super::{
    row::{Kind, Row, Series, Source},
    rows,
};

/// A named family of series. All of them are known before the first sample.
#[derive(Debug)]
pub struct Family {
    pub(super) row: &'static Row,
    prometheus_name: String,
    otlp_name: String,
    help: String,
    header: String,
}

/// All families, in reading order.
pub fn families() -> &'static [Family] {
    static FAMILIES: OnceLock<Vec<Family>> = OnceLock::new();
    FAMILIES.get_or_init(|| rows::TABLES.iter().copied().flatten().map(Family::new).collect())
}

impl Family {
    fn new(row: &'static Row) -> Self {
        let prometheus_name = prometheus_name(row);
        let help = format!("{} Source: {}.", row.help, source(&row.source));
        let kind = if row.kind == Kind::Counter { "counter" } else { "gauge" };
        let escaped = help.replace('\\', r"\\").replace('\n', r"\n");
        let header = format!(
            "# HELP {prometheus_name} {escaped}\n\
             # TYPE {prometheus_name} {kind}\n"
        );
        Self { row, prometheus_name, otlp_name: format!("mongodb.{}", row.name), help, header }
    }

    /// For example `mongodb_network_received_bytes_total`.
    pub fn prometheus_name(&self) -> &str {
        &self.prometheus_name
    }

    /// For example `mongodb.network.received`: without unit and `total`, which a receiver adds.
    pub fn otlp_name(&self) -> &str {
        &self.otlp_name
    }

    /// The unit in UCUM: `By`, `s`, an annotation such as `{operation}`, or nothing.
    pub fn otlp_unit(&self) -> &'static str {
        self.row.measure.otlp_unit()
    }

    /// What its values mean over time.
    pub fn kind(&self) -> Kind {
        self.row.kind
    }

    /// A sentence on the meaning, and where in the server's replies the values stand.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// The lines that introduce the family in the text exposition.
    pub(super) fn header(&self) -> &str {
        &self.header
    }
}

fn prometheus_name(row: &Row) -> String {
    let total = if row.kind == Kind::Counter { "_total" } else { "" };
    format!("mongodb_{}{}{total}", row.name.replace('.', "_"), row.measure.suffix())
}

/// Where the values come from, as HELP says it.
fn source(source: &Source) -> String {
    match source {
        Source::Derived(from, _) => (*from).to_owned(),
        Source::Reply(collector, series) => format!("{} {}", collector.name(), path(series)),
    }
}

/// The paths of a row, in which `*` stands for the label.
fn path(series: &Series) -> String {
    match *series {
        Series::One(paths) | Series::By(_, paths, _) => paths.join(" or "),
        Series::Each(_, path) | Series::Named(_, path, _) => path.to_owned(),
    }
}
