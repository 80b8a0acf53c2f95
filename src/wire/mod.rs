//! The bytes of the MongoDB wire protocol, without I/O.
//!
//! ```text
//! message = header (16 bytes) + body
//! header  = length i32 · request id i32 · response to i32 · opcode i32      (little-endian)
//! OP_MSG 2013   body = flags u32 · section: kind 0, one document [· checksum u32]
//! OP_QUERY 2004 body = flags · "DATABASE.$cmd" NUL · skip · limit · one document
//! OP_REPLY 1    body = flags · cursor i64 · first · count · documents
//! ```
//! Source: the MongoDB manual's "Wire Protocol" page and the OP_MSG specification. Parsing is
//! pure: [`next_message`] answers `None` for "feed me" and `Some(Err)` for "hang up". Whatever a
//! peer sends is read through [`Reader`], whose refusals name the field they wanted.

mod error;
mod header;
mod op_msg;
mod op_query;
mod reader;
mod stream;

pub use self::{
    error::WireError,
    header::{HEADER_BYTES, Header},
    reader::Reader,
    stream::{MAX_MESSAGE_BYTES, Message, ends_like_tls, next_message},
};

/// How a command travels: the answer is the same document either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OP_QUERY on `admin.$cmd`: the first message to any server, and all of them before 3.6.
    OpQuery,
    /// OP_MSG: servers that announce maxWireVersion 6 or more.
    OpMsg,
}

/// Encodes a command to a database. `document` must be a whole BSON document; for OP_MSG, whose
/// header names no database, it must hold `$db`.
pub fn encode(dialect: Dialect, request_id: i32, database: &str, document: &[u8]) -> Vec<u8> {
    match dialect {
        Dialect::OpQuery => op_query::encode(request_id, database, document),
        Dialect::OpMsg => op_msg::encode(request_id, document),
    }
}

/// The one document of a reply to `request_id`.
///
/// # Errors
/// The message answers another request, has another opcode than OP_MSG or OP_REPLY, or its parts
/// do not fit: in each case the connection is of no more use.
pub fn decode(message: &Message, request_id: i32) -> Result<&[u8], WireError> {
    let header = message.header();
    if header.response_to != request_id {
        return Err(WireError::UnexpectedReply { wanted: request_id, got: header.response_to });
    }
    match header.opcode {
        header::OP_MSG => op_msg::decode(message.body()),
        header::OP_REPLY => op_query::decode(message.body()),
        opcode => Err(WireError::UnknownOpcode(opcode)),
    }
}
