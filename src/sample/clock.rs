//! Stamps that never go backwards, whatever the wall clock does.

use tokio::time::Instant;

/// Turns monotonic time into stamps: stamp = anchor + monotonic time.
///
/// A wall clock that is ahead moves the anchor at once. One that is behind does not: the stamps go
/// on from the old anchor until wall time has caught up, because a receiver that was given an hour
/// of the future refuses everything until then.
#[derive(Debug)]
pub struct Clock {
    anchor: Instant,
    anchor_millis: i64,
}

impl Clock {
    /// Anchors the clock: at `now` of the monotonic clock, the wall clock said `wall_millis` since
    /// the Unix epoch.
    pub fn new(now: Instant, wall_millis: i64) -> Self {
        Self { anchor: now, anchor_millis: wall_millis }
    }

    /// The stamp of `now`, in milliseconds since the Unix epoch, given what the wall clock says.
    /// Never smaller than that of an earlier `now`.
    pub fn stamp(&mut self, now: Instant, wall_millis: i64) -> i64 {
        let elapsed = now.saturating_duration_since(self.anchor).as_millis();
        let stamp = self.anchor_millis.saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX));
        if wall_millis > stamp {
            *self = Self::new(now, wall_millis);
            return wall_millis;
        }
        stamp
    }

    /// How far a stamp of `now` is ahead of the wall clock, in milliseconds; 0 unless the wall
    /// clock was set back.
    pub fn ahead_millis(&mut self, now: Instant, wall_millis: i64) -> i64 {
        self.stamp(now, wall_millis).saturating_sub(wall_millis)
    }
}

/// What the wall clock says, in milliseconds since the Unix epoch.
pub fn wall_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wall_clock_set_back_does_not_take_the_stamps_back() {
        let start = Instant::now();
        let mut clock = Clock::new(start, 10_000_000);
        let later = start + Duration::from_secs(10);
        assert_eq!(clock.stamp(later, 10_000_000 - 3_600_000), 10_010_000);
        assert_eq!(clock.ahead_millis(later, 10_000_000 - 3_600_000), 3_610_000);
    }

    #[test]
    fn a_wall_clock_set_forward_is_followed_at_once() {
        let start = Instant::now();
        let mut clock = Clock::new(start, 1_000);
        let later = start + Duration::from_secs(1);
        assert_eq!(clock.stamp(later, 3_600_000), 3_600_000);
        assert_eq!(clock.stamp(later + Duration::from_secs(1), 3_601_000), 3_601_000);
        assert_eq!(clock.ahead_millis(later + Duration::from_secs(1), 3_601_000), 0);
    }
}
