//! What must be computed from several fields of the members of a replica set.

use crate::{
    metrics::{
        Points,
        plan::{MAX_ELEMENTS, key},
    },
    sample::{Collector, Columns, Number, Sample},
};

/// The states of a member with the numbers that replSetGetStatus gives them. Source: "Replica Set
/// Member States" of MongoDB's manual.
const STATES: [(i64, &str); 10] = [
    (0, "STARTUP"),
    (PRIMARY, "PRIMARY"),
    (2, "SECONDARY"),
    (3, "RECOVERING"),
    (5, "STARTUP2"),
    (6, "UNKNOWN"),
    (7, "ARBITER"),
    (8, "DOWN"),
    (9, "ROLLBACK"),
    (10, "REMOVED"),
];

const PRIMARY: i64 = 1;

/// States in which the time of a member's last operation is the member's own and current.
const DATA_BEARING: [i64; 4] = [2, 3, 5, 9];

/// One element of `members`; what the server did not send is `None`.
struct Member<'a> {
    name: &'a str,
    columns: &'a Columns,
    prefix: String,
}

impl<'a> Member<'a> {
    fn number(&self, field: &str) -> Option<Number> {
        self.columns.number(&format!("{}{field}", self.prefix))
    }

    fn text(&self, field: &str) -> Option<&'a str> {
        self.columns.text(&format!("{}{field}", self.prefix))
    }

    fn state(&self) -> Option<i64> {
        self.number("state").map(Number::as_i64)
    }

    /// The time of the last applied operation in milliseconds since the Unix epoch; `None` where
    /// the server has not heard it, for which it sends 0.
    fn optime(&self) -> Option<i64> {
        self.number("optimeDate").map(Number::as_i64).filter(|&millis| millis > 0)
    }
}

fn members(sample: &Sample) -> impl Iterator<Item = Member<'_>> {
    let status = status(sample);
    let texts = status.into_iter().flat_map(|columns| {
        columns.schema().texts.iter().map(move |path| (columns, path.as_ref()))
    });
    let members = texts.filter_map(|(columns, path)| {
        let index = key("members.*.name", path)?;
        let name = columns.text(path).filter(|name| !name.is_empty())?;
        Some(Member { name, columns, prefix: format!("members.{index}.") })
    });
    members.take(MAX_ELEMENTS)
}

fn status(sample: &Sample) -> Option<&Columns> {
    sample.outcome.as_ref().ok()?.columns(Collector::ReplSetGetStatus)
}

pub(super) fn own_state(sample: &Sample, points: &mut Points<'_>) {
    let Some(state) = status(sample).and_then(|columns| columns.number("myState")) else { return };
    for (name, is) in state_set(state.as_i64()) {
        points.closed(&[("state", name.into())], is);
    }
}

pub(super) fn states(sample: &Sample, points: &mut Points<'_>) {
    for member in members(sample) {
        let Some(state) = member.state() else { continue };
        for (name, is) in state_set(state) {
            points.open(&[("member", member.name.into()), ("state", name.into())], is);
        }
    }
}

/// Each state with 1 if it is this one, else 0. A number without a name is UNKNOWN.
fn state_set(state: i64) -> impl Iterator<Item = (&'static str, Number)> {
    let named = STATES.iter().any(|(number, _)| *number == state);
    let state = if named { state } else { 6 };
    STATES.iter().map(move |(number, name)| (*name, Number::Integer((*number == state).into())))
}

pub(super) fn information(sample: &Sample, points: &mut Points<'_>) {
    for member in members(sample) {
        let id = member.number("_id").map(|id| id.as_i64().to_string());
        // Servers before 4.4 send both names, those before 4.0 only the second one.
        let source = member.text("syncSourceHost").or_else(|| member.text("syncingTo"));
        points.info(&[
            ("member", Some(member.name)),
            ("id", id.as_deref()),
            ("sync_source", source),
        ]);
    }
}

/// Lag against the primary's own last operation. Without a primary in sight nobody's lag is known.
/// From a secondary's view the primary's last operation is up to a heartbeat old, so a member can
/// seem ahead of it: that is a lag of 0.
pub(super) fn lag(sample: &Sample, points: &mut Points<'_>) {
    let primaries = members(sample).filter(|member| member.state() == Some(PRIMARY));
    // For a moment after a partition two members claim to be primary; the newer one is ahead.
    let Some(newest) = primaries.filter_map(|primary| primary.optime()).max() else { return };
    for member in members(sample) {
        let bears_data = member.state().is_some_and(|state| DATA_BEARING.contains(&state));
        let reached = member.number("health").is_none_or(|health| health.as_i64() != 0);
        if let Some(optime) = member.optime().filter(|_| bears_data && reached) {
            let millis = newest.saturating_sub(optime).max(0);
            let seconds = Number::Integer(millis).as_f64() / 1e3;
            points.open(&[("member", member.name.into())], Number::Double(seconds));
        }
    }
}
