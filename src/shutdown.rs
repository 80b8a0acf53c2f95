//! The stop signal: pulled once, seen by everyone who watches.
//!
//! It travels with the data: pollers stop first, then the spool is closed, uploaders try until the
//! deadline that the signal carries, and the exporter goes last.

use tokio::{sync::watch, time::Instant};

/// A new signal: the end that asks, and the end that is asked.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(None);
    (Trigger(sender), Shutdown(receiver))
}

/// The end that asks. Dropping it asks too, with a deadline that has passed: whoever lost the
/// task that could stop them must not run on for ever.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Option<Instant>>);

impl Trigger {
    /// Asks everyone to stop, and to have ended by `deadline`. Asking again moves the deadline.
    pub fn pull(&self, deadline: Instant) {
        self.0.send_replace(Some(deadline));
    }
}

/// The end that is asked; each task holds its own clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Option<Instant>>);

impl Shutdown {
    /// Returns once a stop was asked for, at once if it already was.
    ///
    /// # Cancel safety
    /// Safe in `select!`: nothing is consumed, and a later call sees the same signal.
    pub async fn requested(&mut self) {
        // An error says that the trigger is gone, which asks as well.
        let _asked = self.0.wait_for(Option::is_some).await.is_ok();
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.deadline().is_some()
    }

    /// By when everything must have ended; `None` while nobody asked to stop.
    pub fn deadline(&self) -> Option<Instant> {
        let asked = *self.0.borrow();
        asked.or_else(|| self.0.has_changed().is_err().then(Instant::now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_clone_sees_the_signal_and_its_deadline_again_and_again() {
        let (trigger, mut stop) = channel();
        let mut clone = stop.clone();
        assert_eq!((stop.deadline(), stop.is_requested()), (None, false));
        let waiting = tokio::time::timeout(Duration::from_secs(1), stop.requested()).await;
        assert!(waiting.is_err(), "nobody asked yet");
        let deadline = Instant::now() + Duration::from_secs(10);
        trigger.pull(deadline);
        stop.requested().await;
        stop.requested().await;
        clone.requested().await;
        assert_eq!((stop.deadline(), clone.is_requested()), (Some(deadline), true));
    }

    #[tokio::test]
    async fn a_lost_trigger_asks_to_stop_at_once() {
        let (trigger, mut stop) = channel();
        drop(trigger);
        stop.requested().await;
        assert!(stop.deadline().expect("asked") <= Instant::now());
    }
}
