//! The sixteen bytes in front of each message.

use super::{Reader, WireError};

/// Size of a header, itself included in a message's length.
pub const HEADER_BYTES: usize = 16;

pub(super) const OP_REPLY: i32 = 1;
pub(super) const OP_QUERY: i32 = 2004;
pub(super) const OP_MSG: i32 = 2013;

/// A message's header without its length, which framing has checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender's number for this message.
    pub request_id: i32,
    /// The number of the message that this one answers.
    pub response_to: i32,
    /// What the body is.
    pub opcode: i32,
}

impl Header {
    /// Reads a header, the length included.
    ///
    /// # Errors
    /// [`WireError::TooShort`] when there are fewer than sixteen bytes.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        reader.skip(4, "message length")?;
        Ok(Self {
            request_id: reader.i32("request id")?,
            response_to: reader.i32("response to")?,
            opcode: reader.i32("opcode")?,
        })
    }
}

/// Encodes a message; the length is put in last, and until then is one that every peer refuses.
pub(super) fn message(opcode: i32, request_id: i32, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    for field in [i32::MAX, request_id, 0, opcode] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    body(&mut out);
    let length = i32::try_from(out.len()).expect("requests are a few kilobytes");
    out.splice(..4, length.to_le_bytes());
    out
}
