//! How large the next request is, and what to do with what was sent: a pure state machine.
//!
//! A batch that is too large, refused, or failed on for minutes is halved: the halves are new
//! requests, and what is smallest and still fails is dropped, so that one bad sample never holds
//! up or takes along the others. Two things keep that from doing harm:
//!
//! * A server that refuses everything must not be asked sample by sample for ever. When
//!   [`BARREN_AFTER`] single samples in a row were refused, whole batches are given up, with
//!   growing waits between them, until something is taken again.
//! * A server that fails on everything (5xx) is most likely down, and then nothing may be dropped.
//!   Only when it takes a sample that it already has (the touchstone: the last one delivered, which
//!   disturbs no order) and then fails again on the first that waits, that one is to blame.

use std::time::Duration;

use tokio::time::Instant;

use super::verdict::Verdict;
use crate::telemetry::DropReason;

/// Samples in one request. About 350 points each: a receiver answers well within a second, and a
/// request that has to be repeated costs little.
pub(super) const MAX_SAMPLES: usize = 128;

/// How long a server may answer 5xx to a batch before the batch itself is suspected: restarts and
/// overloads of receivers are over by then.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// Refused single samples in a row, after which the server is taken to refuse everything.
const BARREN_AFTER: u32 = 8;

/// What the next request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The oldest samples, at most this many.
    Front(usize),
    /// The last sample delivered, once more.
    Touchstone,
}

/// What becomes of the samples that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The destination has them.
    Delivered,
    /// They are given up.
    Dropped(DropReason),
    /// They are sent again.
    Kept,
}

/// When the next request may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// At once.
    No,
    /// After the back-off for this many failures in a row, and not before what the server said.
    Backoff(u32, Option<Duration>),
    /// After the slow pace of deliveries that are held.
    Hold,
}

#[derive(Debug)]
pub(super) struct Progress {
    /// Size of the next request.
    limit: usize,
    /// Size that it grows back to; smaller than [`MAX_SAMPLES`] after a 413.
    ceiling: usize,
    /// So many of the first samples were refused, or failed on, together and not apart yet.
    bad: usize,
    /// Requests in a row that failed.
    failures: u32,
    /// Single samples in a row that were refused.
    refused: u32,
    /// When the server began to answer 5xx and nothing else.
    failing_since: Option<Instant>,
    suspect: Suspect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspect {
    /// Nothing is suspected.
    Nothing,
    /// The first sample that waits, if the server takes the touchstone.
    TouchstoneNext,
    /// It does: the first sample again, and it is dropped if it fails.
    FrontAgain,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            limit: MAX_SAMPLES,
            ceiling: MAX_SAMPLES,
            bad: 0,
            failures: 0,
            refused: 0,
            failing_since: None,
            suspect: Suspect::Nothing,
        }
    }

    /// What to send now.
    pub(super) fn attempt(&self) -> Attempt {
        match self.suspect {
            Suspect::TouchstoneNext => Attempt::Touchstone,
            Suspect::Nothing | Suspect::FrontAgain => Attempt::Front(self.limit),
        }
    }

    /// Forgets how often requests failed: the next waits are short again.
    pub(super) fn hurry(&mut self) {
        self.failures = 0;
    }

    /// Learns what came of [`Progress::attempt`], which carried `sent` samples. `touchstone` says
    /// whether there is one.
    pub(super) fn learn(
        &mut self,
        verdict: &Verdict,
        sent: usize,
        touchstone: bool,
        now: Instant,
    ) -> (Outcome, Wait) {
        if self.suspect == Suspect::TouchstoneNext {
            return (Outcome::Kept, self.learn_of_touchstone(verdict));
        }
        let again = std::mem::replace(&mut self.suspect, Suspect::Nothing) == Suspect::FrontAgain;
        match *verdict {
            Verdict::Delivered { .. } => {
                self.learn_of_delivery(sent);
                (Outcome::Delivered, Wait::No)
            }
            Verdict::Split if sent > 1 => {
                self.limit = sent / 2;
                self.ceiling = self.limit;
                (Outcome::Kept, Wait::No)
            }
            Verdict::Split => {
                self.refused = self.refused.saturating_add(1);
                let barren = self.refused >= BARREN_AFTER;
                let wait = if barren { self.back_off(None) } else { Wait::No };
                (Outcome::Dropped(DropReason::TooLarge), wait)
            }
            Verdict::Refused => self.learn_of_refusal(sent),
            Verdict::Retry { not_before, suspicious: true } => {
                self.learn_of_failure(sent, touchstone, again, now, not_before)
            }
            Verdict::Retry { not_before, suspicious: false } => {
                self.failing_since = None;
                (Outcome::Kept, self.back_off(not_before))
            }
            Verdict::Hold { .. } => {
                self.failing_since = None;
                (Outcome::Kept, Wait::Hold)
            }
        }
    }

    fn learn_of_delivery(&mut self, sent: usize) {
        self.failures = 0;
        self.refused = 0;
        // A ceiling found by a 413 is lifted slowly, or every other request would meet it.
        self.ceiling = (self.ceiling + 1).min(MAX_SAMPLES);
        self.bad = self.bad.saturating_sub(sent);
        if self.bad > 0 {
            // What is bad is in the rest.
            self.limit = (self.bad / 2).clamp(1, self.ceiling);
        } else {
            self.limit = self.ceiling;
            self.failing_since = None;
        }
    }

    fn learn_of_touchstone(&mut self, verdict: &Verdict) -> Wait {
        self.suspect = Suspect::Nothing;
        match verdict {
            Verdict::Delivered { .. } => {
                self.suspect = Suspect::FrontAgain;
                self.failures = 0;
                Wait::No
            }
            Verdict::Hold { .. } => Wait::Hold,
            Verdict::Retry { not_before, .. } => self.back_off(*not_before),
            // It was taken once, so this says nothing about the sample that is suspected.
            Verdict::Refused | Verdict::Split => self.back_off(None),
        }
    }

    fn learn_of_refusal(&mut self, sent: usize) -> (Outcome, Wait) {
        let barren = self.refused >= BARREN_AFTER;
        if sent > 1 && !barren {
            self.halve(sent);
            return (Outcome::Kept, Wait::No);
        }
        self.bad = 0;
        self.refused = self.refused.saturating_add(1);
        let mut wait = Wait::No;
        if barren {
            self.limit = self.limit.saturating_mul(2).clamp(1, self.ceiling);
            wait = self.back_off(None);
        }
        (Outcome::Dropped(DropReason::Refused), wait)
    }

    fn learn_of_failure(
        &mut self,
        sent: usize,
        touchstone: bool,
        again: bool,
        now: Instant,
        not_before: Option<Duration>,
    ) -> (Outcome, Wait) {
        let since = *self.failing_since.get_or_insert(now);
        if again && sent == 1 {
            self.bad = 0;
            return (Outcome::Dropped(DropReason::Failing), self.back_off(not_before));
        }
        if now.saturating_duration_since(since) >= PATIENCE {
            if sent > 1 {
                self.halve(sent);
            } else if touchstone {
                self.suspect = Suspect::TouchstoneNext;
            }
        }
        (Outcome::Kept, self.back_off(not_before))
    }

    fn back_off(&mut self, not_before: Option<Duration>) -> Wait {
        self.failures = self.failures.saturating_add(1);
        Wait::Backoff(self.failures, not_before)
    }

    fn halve(&mut self, sent: usize) {
        self.bad = sent;
        self.limit = sent / 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVERED: Verdict = Verdict::Delivered { rejected: 0 };
    const DOWN: Verdict = Verdict::Retry { not_before: None, suspicious: false };
    const FAILS: Verdict = Verdict::Retry { not_before: None, suspicious: true };
    const HOLD: Verdict = Verdict::Hold { why: "credentials" };

    type Server = Box<dyn FnMut(&[u32], Instant) -> Verdict>;

    /// A server that judges by the samples it is sent, and the queue before it.
    struct World {
        progress: Progress,
        waiting: Vec<u32>,
        server: Server,
        now: Instant,
        touchstone: Option<u32>,
        delivered: Vec<u32>,
        dropped: Vec<u32>,
        requests: usize,
    }

    impl World {
        fn new(samples: u32, server: impl FnMut(&[u32], Instant) -> Verdict + 'static) -> Self {
            Self {
                progress: Progress::new(),
                waiting: (0..samples).collect(),
                server: Box::new(server),
                now: Instant::now(),
                touchstone: None,
                delivered: Vec::new(),
                dropped: Vec::new(),
                requests: 0,
            }
        }

        /// One request, and the longest wait that may follow it.
        fn step(&mut self) {
            let sent: Vec<u32> = match self.progress.attempt() {
                Attempt::Front(limit) => self.waiting.iter().take(limit).copied().collect(),
                Attempt::Touchstone => self.touchstone.into_iter().collect(),
            };
            let verdict = (self.server)(&sent, self.now);
            self.requests += 1;
            let known = self.touchstone.is_some();
            let (outcome, wait) = self.progress.learn(&verdict, sent.len(), known, self.now);
            let end = if outcome == Outcome::Kept { 0 } else { sent.len() };
            let gone = self.waiting.drain(..end);
            match outcome {
                Outcome::Delivered => {
                    self.touchstone = sent.last().copied();
                    self.delivered.extend(gone);
                }
                Outcome::Dropped(_) => self.dropped.extend(gone),
                Outcome::Kept => {}
            }
            self.now += match wait {
                Wait::No => Duration::ZERO,
                Wait::Backoff(_, not_before) => not_before.unwrap_or(Duration::from_secs(60)),
                Wait::Hold => Duration::from_secs(300),
            };
        }

        fn run(&mut self) {
            while !self.waiting.is_empty() {
                self.step();
                assert!(self.requests < 1_000, "it goes nowhere");
            }
        }
    }

    fn refuses(bad: &'static [u32]) -> impl FnMut(&[u32], Instant) -> Verdict {
        move |sent, _| {
            if sent.iter().any(|it| bad.contains(it)) { Verdict::Refused } else { DELIVERED }
        }
    }

    #[test]
    fn a_refused_sample_is_found_by_halving_and_no_other_is_lost() {
        for bad in [&[0][..], &[77], &[127], &[199], &[4, 5, 6], &[0, 64, 128, 199]] {
            let mut world = World::new(200, refuses(bad));
            world.run();
            assert_eq!(world.dropped, bad);
            let good: Vec<u32> = (0..200).filter(|it| !bad.contains(it)).collect();
            assert_eq!(world.delivered, good, "in order, each once");
            assert!(world.requests < 18 * bad.len(), "{} requests for {bad:?}", world.requests);
        }
    }

    #[test]
    fn a_server_that_refuses_everything_is_asked_ever_more_slowly_and_every_loss_is_counted() {
        let mut world = World::new(2_000, |_: &[u32], _| Verdict::Refused);
        world.run();
        assert_eq!(world.dropped.len(), 2_000);
        assert!(world.requests < 40, "{} requests", world.requests);
        world.waiting.push(1);
        let before = world.now;
        world.step();
        assert!(world.now > before, "each further refusal is followed by a wait");
        world.server = Box::new(|_, _| DELIVERED);
        world.waiting = (0..500).collect();
        world.delivered.clear();
        world.run();
        assert_eq!(world.delivered.len(), 500);
    }

    #[test]
    fn too_large_a_request_is_split_until_it_fits_and_a_sample_that_never_does_is_dropped() {
        let size = |sample: &u32| if *sample == 300 { 1_000 } else { 10 };
        let server = move |sent: &[u32], _| {
            let total: usize = sent.iter().map(size).sum();
            if total > 400 { Verdict::Split } else { DELIVERED }
        };
        let mut world = World::new(600, server);
        world.run();
        assert_eq!(world.dropped, [300]);
        assert_eq!(world.delivered.len(), 599);
        assert!(world.requests < 80, "{} requests for 599 samples, 40 fit", world.requests);
    }

    #[test]
    fn an_outage_of_any_kind_and_length_loses_nothing() {
        for answer in [DOWN, FAILS, HOLD] {
            let start = Instant::now();
            let server = move |_: &[u32], now: Instant| {
                let up = now < start + Duration::from_secs(60)
                    || now > start + Duration::from_secs(7_200);
                if up { DELIVERED } else { answer.clone() }
            };
            let mut world = World::new(150, server);
            world.now = start;
            world.step();
            world.now += Duration::from_secs(120);
            world.run();
            assert_eq!((world.delivered.len(), world.dropped.len()), (150, 0));
            assert!(world.delivered.is_sorted());
        }
    }

    #[test]
    fn a_sample_that_a_living_server_fails_on_is_dropped_after_minutes_and_no_other_is() {
        let server = |sent: &[u32], _| if sent.contains(&150) { FAILS } else { DELIVERED };
        let mut world = World::new(300, server);
        let start = world.now;
        world.run();
        assert_eq!(world.dropped, [150]);
        assert_eq!(world.delivered.len(), 299);
        assert!(world.now >= start + PATIENCE);
    }

    #[test]
    fn an_outage_that_ends_while_the_touchstone_is_sent_costs_no_sample() {
        let mut world = World::new(129, |_: &[u32], _| DELIVERED);
        world.step();
        world.server = Box::new(|_, _| FAILS);
        while world.progress.attempt() != Attempt::Touchstone {
            world.step();
        }
        world.server = Box::new(|_, _| DELIVERED);
        world.run();
        assert_eq!((world.delivered.len(), world.dropped.len()), (129, 0));
    }

    #[test]
    fn the_back_off_counts_failures_in_a_row_and_carries_what_the_server_asked_for() {
        let mut progress = Progress::new();
        let asked = Some(Duration::from_secs(17));
        let busy = Verdict::Retry { not_before: asked, suspicious: false };
        let mut learn = |verdict: &Verdict| progress.learn(verdict, 1, false, Instant::now()).1;
        assert_eq!(learn(&DOWN), Wait::Backoff(1, None));
        assert_eq!(learn(&busy), Wait::Backoff(2, asked));
        assert_eq!(learn(&FAILS), Wait::Backoff(3, None));
        assert_eq!(learn(&DELIVERED), Wait::No);
        assert_eq!(learn(&DOWN), Wait::Backoff(1, None));
        assert_eq!(learn(&HOLD), Wait::Hold);
        progress.hurry();
        let (_, wait) = progress.learn(&DOWN, 1, false, Instant::now());
        assert_eq!(wait, Wait::Backoff(1, None));
    }
}
