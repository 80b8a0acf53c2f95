//! What can be wrong with the bytes of a peer.

use thiserror::Error;

/// The peer broke the framing; the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// The length in a header is smaller than the header.
    #[error("message claims {0} bytes, a header alone has 16")]
    LengthBelowHeader(i32),
    /// The length in a header is above what any server sends.
    #[error("message claims {claimed} bytes, limit is {limit}")]
    MessageTooLarge {
        /// What the header says.
        claimed: usize,
        /// [`super::MAX_MESSAGE_BYTES`].
        limit: usize,
    },
    /// These are the first bytes of an HTTP response.
    #[error("the peer speaks HTTP, not the MongoDB wire protocol")]
    Http,
    /// These are the first bytes of a TLS record.
    #[error("the peer answers with TLS records where plaintext was expected")]
    Tls,
    /// An opcode that no server answers with.
    #[error("unknown opcode {0}")]
    UnknownOpcode(i32),
    /// The reply is to another request.
    #[error("reply answers request {got}, {wanted} was asked")]
    UnexpectedReply {
        /// The request in flight.
        wanted: i32,
        /// What the header says.
        got: i32,
    },
    /// OP_MSG flag bits that a client must not ignore.
    #[error("OP_MSG has unknown required flags {0:#06x}")]
    UnknownFlags(u32),
    /// An OP_MSG section that no reply has.
    #[error("OP_MSG has a section of kind {0}, replies have kind 0")]
    UnknownSection(u8),
    /// An OP_REPLY without exactly one document.
    #[error("OP_REPLY holds {0} documents, a command's reply holds one")]
    DocumentCount(i32),
    /// Fewer bytes than the field needs.
    #[error("{field} needs {needed} bytes, {left} are left")]
    TooShort {
        /// The field.
        field: &'static str,
        /// Its size.
        needed: usize,
        /// What the enclosing unit still holds.
        left: usize,
    },
    /// A length that cannot be.
    #[error("{field} claims length {claimed}")]
    BadLength {
        /// The field.
        field: &'static str,
        /// What it says.
        claimed: i32,
    },
    /// A document or string without its closing NUL.
    #[error("{0} is not terminated")]
    Unterminated(&'static str),
    /// Bytes behind the end.
    #[error("{extra} bytes follow the {field}")]
    TrailingBytes {
        /// What had ended.
        field: &'static str,
        /// How many follow.
        extra: usize,
    },
    /// A BSON element type whose size nobody knows.
    #[error("unknown BSON element type {0:#04x}")]
    UnknownElement(u8),
    /// Nesting beyond the limit.
    #[error("document is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}
