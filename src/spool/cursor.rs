//! How one destination reads.

use std::{fmt, sync::Arc};

use super::queue::{Found, Queue};
use crate::sample::Sample;

/// Where one destination stands. Dropping it gives up what waits for the destination.
#[derive(Debug)]
pub struct Cursor {
    queue: Arc<Queue>,
}

/// The oldest samples that a destination has not taken, at least one. They stay in the spool until
/// [`Cursor::advance`]; while the batch lives they are in flight, and none of them is dropped for
/// want of room. One batch of a cursor lives at a time.
pub struct Batch {
    samples: Vec<Arc<Sample>>,
    /// A position after that of the last sample.
    end: u64,
    flight: u64,
    queue: Arc<Queue>,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} samples before position {})", self.samples.len(), self.end)
    }
}

impl Batch {
    /// In the order in which they were appended.
    pub fn samples(&self) -> &[Arc<Sample>] {
        &self.samples
    }

    /// Keeps only the first `samples`; the others wait for the next batch.
    pub fn truncate(&mut self, samples: usize) {
        self.samples.truncate(samples);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.queue.land(self.flight);
    }
}

impl Cursor {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// The oldest samples, at most `limit` (at least 1), as soon as there are any; `None` once the
    /// spool is closed and empty. Asked again without [`Cursor::advance`], it starts at the same
    /// sample, unless that had to make room in the meantime.
    ///
    /// # Cancel safety
    /// Safe in `select!`: nothing is taken before it returns.
    pub async fn next_batch(&mut self, limit: usize) -> Option<Batch> {
        loop {
            match self.queue.peek(limit.max(1)) {
                Found::Samples(samples, end, flight) => {
                    let queue = Arc::clone(&self.queue);
                    return Some(Batch { samples, end, flight, queue });
                }
                Found::End => return None,
                Found::Nothing => self.queue.news().await,
            }
        }
    }

    /// Lets go of a batch: the destination took it, or it was given up and counted.
    pub fn advance(&mut self, batch: Batch) {
        self.queue.advance(batch.end, batch.samples.len());
        drop(batch);
    }

    /// How many samples wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}
