//! Room for replies, lent from one request to the next.
//!
//! A reply of 65 kB for each of hundreds of hosts, allocated and freed at every poll, leaves the
//! heap full of holes (30 kB a host measured). A few buffers that go round do not.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;

/// Buffers kept for the next request; more are in use at once only while more polls are under way,
/// and are freed after it.
const KEPT: usize = 8;

/// A buffer that one large reply made larger than this is freed rather than kept.
const MAX_KEPT_BYTES: usize = 256 << 10;

/// Room for reading at first: every hello and most serverStatus replies fit. Larger replies grow
/// it as their bytes arrive, so that a peer that only claims a length costs nothing.
const FIRST_BYTES: usize = 80 << 10;

static FREE: Mutex<Vec<BytesMut>> = Mutex::new(Vec::new());

/// An empty buffer.
pub(super) fn borrow() -> BytesMut {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    free.unwrap_or_else(|| BytesMut::with_capacity(FIRST_BYTES))
}

/// Gives a buffer back. Its content is overwritten by the next reply; it never held a secret, as
/// only what servers send is read into it.
pub(super) fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if free.len() < KEPT && (1..=MAX_KEPT_BYTES).contains(&buffer.capacity()) {
        free.push(buffer);
    }
}
