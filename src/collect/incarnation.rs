//! When the server started, once for each of its incarnations.

use crate::sample::{Collected, Columns, Number};

/// One life of a server process. localTime − uptime flaps by a millisecond between two replies,
/// and a start time that moves means "the counters were reset" to every receiver: so it is pinned,
/// and renewed only when uptime goes back or the process is another.
#[derive(Debug, Default)]
pub(super) struct Incarnation {
    pid: Option<Number>,
    uptime_millis: i64,
    started_at: Option<i64>,
}

impl Incarnation {
    /// Start of the server in milliseconds since the Unix epoch, after the latest serverStatus.
    pub(super) fn started_at(&mut self, status: Option<&Collected>) -> Option<i64> {
        if let Some(Ok(columns)) = status.map(|status| &status.outcome) {
            self.see(columns);
        }
        self.started_at
    }

    fn see(&mut self, status: &Columns) {
        let Some(uptime_millis) = uptime_millis(status) else { return };
        let pid = status.number("pid");
        let renewed = uptime_millis < self.uptime_millis || pid != self.pid;
        if self.started_at.is_none() || renewed {
            let local_time = status.number("localTime").map(Number::as_i64);
            self.started_at = local_time.map(|now| now.saturating_sub(uptime_millis));
        }
        (self.pid, self.uptime_millis) = (pid, uptime_millis);
    }
}

/// `uptimeMillis`, or `uptime` in seconds on servers that know only that.
fn uptime_millis(status: &Columns) -> Option<i64> {
    let exact = status.number("uptimeMillis").map(Number::as_i64);
    exact.or_else(|| Some(status.number("uptime")?.as_i64().saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::sample::Interner;

    fn status(pid: i64, uptime: i64, local_time: i64) -> Columns {
        let document = rawdoc! {
            "pid": pid, "uptimeMillis": uptime, "localTime": bson::DateTime::from_millis(local_time),
        };
        Columns::read(document.as_bytes(), None, &Interner::default()).expect("reads")
    }

    #[test]
    fn the_start_is_pinned_while_the_process_lives_and_renewed_when_it_is_another() {
        let mut incarnation = Incarnation::default();
        let mut start = |columns: &Columns| {
            incarnation.see(columns);
            incarnation.started_at
        };
        assert_eq!(start(&status(1, 1_000, 50_000)), Some(49_000));
        assert_eq!(start(&status(1, 2_000, 51_001)), Some(49_000), "a millisecond of flapping");
        assert_eq!(start(&status(1, 500, 60_000)), Some(59_500), "uptime went back");
        assert_eq!(start(&status(2, 900, 61_000)), Some(60_100), "another process");
    }

    #[test]
    fn a_status_without_uptime_tells_nothing() {
        let document = rawdoc! { "ok": 1 };
        let columns = Columns::read(document.as_bytes(), None, &Interner::default());
        let mut incarnation = Incarnation::default();
        incarnation.see(&columns.expect("reads"));
        assert_eq!(incarnation.started_at(None), None);
    }
}
