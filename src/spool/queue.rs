//! What waits for one destination.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{DestinationTelemetry, DropReason, Limits};
use crate::sample::Sample;

/// A bounded queue with one reader.
#[derive(Debug)]
pub(super) struct Queue {
    name: Arc<str>,
    limits: Limits,
    telemetry: DestinationTelemetry,
    inner: Mutex<Inner>,
    /// Holds a permit while the reader has not looked since the last push.
    news: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The position that the next sample gets; positions are never used twice.
    next: u64,
    /// How many entries at the front were handed out, and in which flight.
    in_flight: usize,
    flight: u64,
    closed: bool,
    /// Lost for want of room since the queue was last empty.
    lost: u64,
}

#[derive(Debug)]
struct Entry {
    position: u64,
    bytes: usize,
    sample: Arc<Sample>,
}

/// What a reader finds.
pub(super) enum Found {
    /// The oldest samples, the position after the last of them, and the number of their flight.
    Samples(Vec<Arc<Sample>>, u64, u64),
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing will come.
    End,
}

impl Queue {
    pub(super) fn new(name: Arc<str>, limits: Limits, telemetry: DestinationTelemetry) -> Self {
        Self { name, limits, telemetry, inner: Mutex::default(), news: Notify::new() }
    }

    /// Whether this is the queue of the destination of this name.
    pub(super) fn is_of(&self, name: &str) -> bool {
        *self.name == *name
    }

    /// Appends; what does not fit any more goes, oldest first, and is counted.
    pub(super) fn push(&self, sample: Arc<Sample>, bytes: usize) {
        let mut inner = self.inner();
        if inner.closed {
            self.telemetry.dropped(DropReason::Stopped, 1);
            return;
        }
        let position = inner.next;
        inner.next += 1;
        inner.bytes += bytes;
        inner.entries.push_back(Entry { position, bytes, sample });
        let lost = inner.make_room(self.limits);
        if lost > 0 {
            self.telemetry.dropped(DropReason::QueueFull, lost);
            if inner.lost == 0 {
                tracing::error!(
                    destination = %self.name,
                    "the queue is full: from now on the oldest samples are lost"
                );
            }
            inner.lost += u64::try_from(lost).unwrap_or(u64::MAX);
        }
        self.show(&inner);
        drop(inner);
        self.news.notify_one();
    }

    /// The oldest samples, at most `limit`; they are in flight until they land, or others fly.
    pub(super) fn peek(&self, limit: usize) -> Found {
        let mut inner = self.inner();
        let taken = inner.entries.len().min(limit);
        inner.in_flight = taken;
        inner.flight += 1;
        match taken.checked_sub(1).and_then(|last| inner.entries.get(last)) {
            Some(last) => {
                let entries = inner.entries.iter().take(taken);
                let samples = entries.map(|entry| Arc::clone(&entry.sample)).collect();
                Found::Samples(samples, last.position + 1, inner.flight)
            }
            None if inner.closed && inner.entries.is_empty() => Found::End,
            None => Found::Nothing,
        }
    }

    /// Lets go of the first `samples`, as far as they are before `end`.
    pub(super) fn advance(&self, end: u64, samples: usize) {
        let mut inner = self.inner();
        for _ in 0..samples {
            if inner.entries.front().is_none_or(|entry| entry.position >= end) {
                break;
            }
            inner.bytes -= inner.entries.pop_front().map_or(0, |entry| entry.bytes);
        }
        if inner.entries.is_empty() && inner.lost > 0 {
            tracing::warn!(
                destination = %self.name,
                lost = inner.lost,
                "the queue was caught up after samples were lost"
            );
            inner.lost = 0;
        }
        self.show(&inner);
    }

    /// A flight is over; its samples may be dropped for want of room again.
    pub(super) fn land(&self, flight: u64) {
        let mut inner = self.inner();
        if inner.flight == flight {
            inner.in_flight = 0;
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.inner().closed = true;
        self.news.notify_one();
    }

    /// Returns when there may be something new to peek at. One reader only.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    pub(super) fn len(&self) -> usize {
        self.inner().entries.len()
    }

    fn show(&self, inner: &Inner) {
        self.telemetry.set_queue(inner.entries.len(), inner.bytes);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// How many samples had to go. Those in flight stay, so the next oldest goes, which may be the
    /// one that just came.
    fn make_room(&mut self, limits: Limits) -> usize {
        let mut lost = 0;
        while self.bytes > limits.bytes || self.entries.len() > limits.samples {
            let Some(entry) = self.entries.remove(self.in_flight) else { break };
            self.bytes -= entry.bytes;
            lost += 1;
        }
        lost
    }
}
