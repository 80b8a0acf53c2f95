//! Samples on their way to the destinations: appended once, read by each destination at its own
//! pace.
//!
//! Invariants, whatever holds the samples:
//! * [`Spool::append`] never waits, neither for a destination nor for room.
//! * Each destination reads through a [`Cursor`] of its own and sees the samples in the order in
//!   which they were appended, so those of one host in the order of their polls.
//! * A sample leaves a cursor by [`Cursor::advance`] (the destination took it, or it was given up
//!   and counted) or by being the oldest when there is no room; then it is counted, exactly, under
//!   `queue_full` of that destination.
//! * What is in flight (a [`Batch`] that lives) does not make room for others, so that no sample is
//!   counted both as lost and as delivered.
//!
//! Today the samples are kept in memory. Honest limits of that: what was not delivered when the
//! process ends is lost. At an orderly stop the uploaders have the grace to deliver it and count
//! what is left; at a crash or a kill nobody counts it. Samples are shared between destinations
//! (each queue holds the newest samples, back to where its destination stands), so that the memory
//! of all queues together is that of the longest, whose bound is [`Limits`], and what is in flight.

mod cursor;
mod memory;
mod queue;

use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use self::cursor::{Batch, Cursor};
use self::queue::Queue;
use crate::{
    sample::Sample,
    telemetry::{DestinationTelemetry, DropReason},
};

/// How much may wait for one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of the samples, in bytes.
    pub bytes: usize,
    /// Number of samples, those of hosts that are down included.
    pub samples: usize,
}

impl Default for Limits {
    /// 128 MiB: half an hour of 30 hosts at the default pace, a sample of 6.0 being about 24 kB.
    /// 200,000 samples: those of hosts that are down are small, and each still costs a request's
    /// share when they are delivered.
    fn default() -> Self {
        Self { bytes: 128 << 20, samples: 200_000 }
    }
}

/// The end that pollers append to. Clones append to the same spool.
#[derive(Clone, Debug)]
pub struct Spool {
    limits: Limits,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Weak: a destination that is gone must not go on collecting samples.
    queues: Vec<Weak<Queue>>,
    closed: bool,
}

impl Spool {
    /// An empty spool.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Arc::default() }
    }

    /// A cursor for one destination; it sees what is appended from now on. While another cursor of
    /// this name lives, the new one goes on where that one stands: so a destination whose settings
    /// changed loses nothing, if the old cursor is dropped after this.
    pub fn cursor(&self, name: Arc<str>, telemetry: DestinationTelemetry) -> Cursor {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let living = state.queues.iter().filter_map(Weak::upgrade);
        if let Some(queue) = living.into_iter().find(|queue| queue.is_of(&name)) {
            return Cursor::new(queue);
        }
        let queue = Arc::new(Queue::new(name, self.limits, telemetry));
        state.queues.push(Arc::downgrade(&queue));
        if state.closed {
            queue.close();
        }
        Cursor::new(queue)
    }

    /// Accepts a sample for every destination. Samples of one host must come in time order. After
    /// [`Spool::close`] it is counted as dropped.
    pub fn append(&self, sample: &Arc<Sample>) {
        let bytes = memory::of(sample);
        // One lock around all queues: two appends reach every queue in the same order.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.queues.retain(|queue| match queue.upgrade() {
            Some(queue) => {
                queue.push(Arc::clone(sample), bytes);
                true
            }
            None => false,
        });
    }

    /// Says that nothing more comes: the pollers have ended. Cursors end when they are empty.
    pub fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        state.queues.iter().filter_map(Weak::upgrade).for_each(|queue| queue.close());
    }
}

#[cfg(test)]
pub(crate) mod tests;
