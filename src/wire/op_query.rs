//! OP_QUERY on `DATABASE.$cmd` and OP_REPLY: the first message to any server, and the only dialect
//! of those before 3.6.

use super::{Reader, WireError, header};

/// A secondary answers commands only with this flag (slaveOk).
const SECONDARY_OK: i32 = 4;

pub(super) fn encode(request_id: i32, database: &str, document: &[u8]) -> Vec<u8> {
    header::message(header::OP_QUERY, request_id, |out| {
        out.extend_from_slice(&SECONDARY_OK.to_le_bytes());
        // A NUL would end the name early; database names hold none.
        out.extend(database.bytes().filter(|&byte| byte != 0));
        out.extend_from_slice(b".$cmd\0");
        out.extend_from_slice(&0_i32.to_le_bytes());
        out.extend_from_slice(&(-1_i32).to_le_bytes());
        out.extend_from_slice(document);
    })
}

pub(super) fn decode(body: &[u8]) -> Result<&[u8], WireError> {
    let mut reader = Reader::new(body);
    reader.skip(16, "OP_REPLY flags and cursor")?;
    match reader.i32("OP_REPLY document count")? {
        1 => {}
        count => return Err(WireError::DocumentCount(count)),
    }
    let document = reader.document_bytes("OP_REPLY document")?;
    reader.finish("OP_REPLY document")?;
    Ok(document)
}
