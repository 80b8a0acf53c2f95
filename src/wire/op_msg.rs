//! OP_MSG: what servers from 3.6 on speak.

use super::{Reader, WireError, header};

/// A CRC-32C follows the sections. The agent does not ask for one, and TLS makes it needless; it
/// is stepped over.
const CHECKSUM_PRESENT: u32 = 1;

/// Flag bits 0 to 15 must be understood; the others may be ignored (OP_MSG specification).
const REQUIRED_FLAGS: u32 = 0xffff;

pub(super) fn encode(request_id: i32, document: &[u8]) -> Vec<u8> {
    header::message(header::OP_MSG, request_id, |out| {
        out.extend_from_slice(&[0, 0, 0, 0, 0]);
        out.extend_from_slice(document);
    })
}

pub(super) fn decode(body: &[u8]) -> Result<&[u8], WireError> {
    let mut reader = Reader::new(body);
    let flags = u32::from_le_bytes(reader.array("OP_MSG flags")?);
    // Neither is moreToCome (2) allowed: the agent never asks for a stream of replies.
    if flags & REQUIRED_FLAGS & !CHECKSUM_PRESENT != 0 {
        return Err(WireError::UnknownFlags(flags));
    }
    match reader.u8("OP_MSG section kind")? {
        0 => {}
        kind => return Err(WireError::UnknownSection(kind)),
    }
    let document = reader.document_bytes("OP_MSG document")?;
    if flags & CHECKSUM_PRESENT != 0 {
        reader.skip(4, "OP_MSG checksum")?;
    }
    reader.finish("OP_MSG document")?;
    Ok(document)
}
