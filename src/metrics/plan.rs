//! Where the facts of the table stand in the columns of one schema.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{
    Points,
    family::{Family, families},
    row::{Measure, Series, Source},
};
use crate::sample::{Collector, Columns, Schema};

/// More elements than this under a `*` are left out; a replica set has at most 50 members. With it
/// the table itself bounds the series of a host: a test adds them up.
pub(super) const MAX_ELEMENTS: usize = 64;

/// Plans kept at once. Schemas are few (one for each collector, version and role in a fleet); a
/// server that invents leaves at every poll costs a plan each time, not memory.
const MAX_PLANS: usize = 1_024;

/// The columns that each family reads, in the order of [`families`].
#[derive(Debug)]
pub(super) struct Plan(Box<[Box<[Cell]>]>);

/// One series of a family.
#[derive(Debug, PartialEq, Eq)]
struct Cell {
    column: usize,
    label: CellLabel,
}

#[derive(Debug, PartialEq, Eq)]
enum CellLabel {
    None,
    Fixed(&'static str, &'static str),
    Key(&'static str, Box<str>),
    /// The text in this place of the same reply.
    Text(&'static str, usize),
}

impl Plan {
    fn new(collector: Collector, schema: &Schema) -> Self {
        let cells = |family: &Family| match &family.row.source {
            Source::Reply(from, series) if *from == collector => resolve(series, schema),
            _ => Box::default(),
        };
        Self(families().iter().map(cells).collect())
    }

    /// Tells of the points that family number `index` has in this reply.
    pub(super) fn tell(
        &self,
        index: usize,
        columns: &Columns,
        measure: Measure,
        points: &mut Points<'_>,
    ) {
        for cell in self.0.get(index).into_iter().flatten() {
            let number = columns.number_at(cell.column).and_then(|number| measure.convert(number));
            let Some(number) = number else { continue };
            match &cell.label {
                CellLabel::None => points.closed(&[], number),
                CellLabel::Fixed(name, value) => points.closed(&[(name, (*value).into())], number),
                CellLabel::Key(name, key) => points.open(&[(name, key.as_ref().into())], number),
                CellLabel::Text(name, place) => {
                    if let Some(text) = columns.text_at(*place).filter(|text| !text.is_empty()) {
                        points.open(&[(name, text.into())], number);
                    }
                }
            }
        }
    }
}

fn resolve(series: &Series, schema: &Schema) -> Box<[Cell]> {
    match *series {
        Series::One(paths) => {
            let column = paths.iter().find_map(|path| schema.number_index(path));
            column.map(|column| Cell { column, label: CellLabel::None }).into_iter().collect()
        }
        Series::By(label, paths, values) => values
            .iter()
            .filter_map(|(value, key)| {
                let mut paths = paths.iter().map(|path| path.replace('*', key));
                let column = paths.find_map(|path| schema.number_index(&path))?;
                Some(Cell { column, label: CellLabel::Fixed(label, value) })
            })
            .collect(),
        Series::Each(label, pattern) => each(pattern, schema)
            .map(|(column, key)| Cell { column, label: CellLabel::Key(label, key.into()) })
            .collect(),
        Series::Named(label, pattern, name) => each(pattern, schema)
            .filter_map(|(column, key)| {
                let place = schema.text_index(&name.replace('*', key))?;
                Some(Cell { column, label: CellLabel::Text(label, place) })
            })
            .collect(),
    }
}

/// The columns whose path fits the pattern, with the key that stands for its `*`.
fn each<'a>(
    pattern: &'static str,
    schema: &'a Schema,
) -> impl Iterator<Item = (usize, &'a str)> + 'a {
    let numbers = schema.numbers.iter().enumerate();
    numbers.filter_map(move |(column, path)| Some((column, key(pattern, path)?))).take(MAX_ELEMENTS)
}

/// The one component that stands in `path` where `pattern` has `*`.
pub(super) fn key<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let (prefix, suffix) = pattern.split_once('*')?;
    let key = path.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (!key.is_empty() && !key.contains('.')).then_some(key)
}

/// The plans of the schemas in use.
#[derive(Debug, Default)]
pub(super) struct Plans(Mutex<HashMap<(Collector, u64), Entry>>);

type Entry = (Weak<Schema>, Arc<Plan>);

impl Plans {
    /// The plan for a reply of this collector with this schema.
    pub(super) fn plan(&self, collector: Collector, schema: &Arc<Schema>) -> Arc<Plan> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = known.get(&(collector, schema.hash)) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::new(collector, schema));
        // Only a new leaf set costs a sweep, so the map stays as small as the set in use.
        known.retain(|_, (schema, _)| schema.strong_count() > 0);
        if known.len() < MAX_PLANS {
            let entry = (Arc::downgrade(schema), Arc::clone(&plan));
            known.insert((collector, schema.hash), entry);
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs, path::Path};

    use bson::{RawDocumentBuf, raw::CString, rawdoc};

    use super::*;
    use crate::sample::Interner;

    /// Paths of servers and states that the captures do not show: 6.3 and newer, arbiters, a
    /// member in its initial sync.
    const NOT_CAPTURED: [&str; 16] = [
        "serverStatus connections.rejected",
        "serverStatus metrics.repl.buffer.apply.count",
        "serverStatus metrics.repl.buffer.apply.maxSizeBytes",
        "serverStatus metrics.repl.buffer.apply.sizeBytes",
        "serverStatus queues.execution.*.available",
        "serverStatus queues.execution.*.normalPriority.queueLength",
        "serverStatus queues.execution.*.out",
        "serverStatus queues.execution.*.totalTickets",
        "serverStatus wiredTiger.checkpoint.max time (msecs)",
        "serverStatus wiredTiger.checkpoint.most recent time (msecs)",
        "serverStatus wiredTiger.checkpoint.total succeed number of checkpoints",
        "serverStatus wiredTiger.checkpoint.total time (msecs)",
        "serverStatus wiredTiger.concurrentTransactions.*.queueLength",
        "replSetGetStatus initialSyncStatus.approxTotalBytesCopied",
        "replSetGetStatus initialSyncStatus.approxTotalDataSize",
        "replSetGetStatus initialSyncStatus.remainingInitialSyncEstimatedMillis",
    ];

    /// Every numeric path of the captures, behind the name of its collector.
    fn captured() -> HashSet<String> {
        let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
        let mut paths = HashSet::new();
        let entries = |folder: &Path| {
            let entries = fs::read_dir(folder).expect("a folder of captures");
            entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
        };
        for file in entries(&captures).iter().flat_map(|version| entries(version)) {
            for file in entries(&file) {
                let document = fs::read(&file).expect("a capture");
                let columns =
                    Columns::read(&document, None, &Interner::default()).expect("a document");
                let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
                let collector = if stem == "isMaster" { "hello" } else { stem };
                let numbers = columns.schema().numbers.iter();
                paths.extend(numbers.map(|path| format!("{collector} {path}")));
            }
        }
        paths
    }

    #[test]
    fn every_path_of_the_table_stands_in_a_capture_or_in_the_list_of_those_that_do_not() {
        let captured = captured();
        let mut missing = HashSet::new();
        for family in families() {
            let Source::Reply(collector, series) = &family.row.source else { continue };
            let collector = collector.name();
            let stands = |path: &str| captured.contains(&format!("{collector} {path}"));
            let mut check = |path: &str, found: bool| {
                if !found {
                    missing.insert(format!("{collector} {path}"));
                }
            };
            match series {
                Series::One(paths) => paths.iter().for_each(|path| check(path, stands(path))),
                Series::By(_, paths, values) => {
                    for path in *paths {
                        let all = values.iter().all(|(_, key)| stands(&path.replace('*', key)));
                        check(path, all);
                    }
                }
                Series::Each(_, path) | Series::Named(_, path, _) => {
                    let pattern = format!("{collector} {path}");
                    check(path, captured.iter().any(|path| key(&pattern, path).is_some()));
                }
            }
        }
        assert_eq!(missing, HashSet::from(NOT_CAPTURED.map(str::to_owned)));
    }

    fn schema(document: &RawDocumentBuf, interner: &Interner) -> Arc<Schema> {
        let columns = Columns::read(document.as_bytes(), None, interner).expect("a document");
        Arc::clone(columns.schema())
    }

    #[test]
    fn one_component_and_no_more_stands_for_the_star() {
        assert_eq!(key("members.*.health", "members.12.health"), Some("12"));
        assert_eq!(key("members.*.health", "members.1.2.health"), None);
        assert_eq!(key("members.*.health", "members..health"), None);
        assert_eq!(key("members.*.health", "members.1.state"), None);
        assert_eq!(key("members.*.health", "members.health"), None);
    }

    #[test]
    fn hosts_with_the_same_leaves_share_a_plan_and_those_of_no_host_are_forgotten() {
        let interner = &Interner::default();
        let plans = Plans::default();
        let first = schema(&rawdoc! { "uptimeMillis": 1 }, interner);
        let second = schema(&rawdoc! { "uptimeMillis": 2 }, interner);
        let plan = plans.plan(Collector::ServerStatus, &first);
        assert!(Arc::ptr_eq(&plan, &plans.plan(Collector::ServerStatus, &second)));
        assert!(!Arc::ptr_eq(&plan, &plans.plan(Collector::Hello, &second)));
        drop((first, second));
        let other = schema(&rawdoc! { "uptime": 1 }, interner);
        plans.plan(Collector::ServerStatus, &other);
        assert_eq!(plans.0.lock().expect("not poisoned").len(), 1);
    }

    #[test]
    fn a_server_that_invents_leaves_costs_no_memory() {
        let interner = Interner::default();
        let plans = Plans::default();
        let schemas: Vec<_> = (0..MAX_PLANS + 5)
            .map(|number| {
                let mut document = RawDocumentBuf::new();
                let key = CString::try_from(format!("leaf{number}")).expect("no NUL");
                document.append(key, 1);
                schema(&document, &interner)
            })
            .collect();
        for schema in &schemas {
            plans.plan(Collector::Hello, schema);
        }
        assert_eq!(plans.0.lock().expect("not poisoned").len(), MAX_PLANS);
    }
}
