//! Whether a reply says yes, and what a no means.

use bson::{RawBsonRef, RawDocument};
use thiserror::Error;

/// Longest part of a server's message that is kept: it goes into logs.
const MAX_MESSAGE_CHARS: usize = 300;

/// A reply that is not a plain success.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReplyError {
    /// The bytes are no BSON document.
    #[error("the reply is not a readable BSON document")]
    Malformed,
    /// The server says no.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// The server answered the command with an error.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the server answered with error {code} ({name}): {message}")]
pub struct ServerError {
    /// MongoDB's error code; 0 when the server named none.
    pub code: i32,
    /// Its name; `unnamed` on servers before 3.4.
    pub name: String,
    /// The server's words, without control characters, cut to 300 characters.
    pub message: String,
}

/// What an error means for whoever asked. Source: MongoDB's error_codes.yml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 18 AuthenticationFailed, 11 UserNotFound: the credentials are wrong.
    Authentication,
    /// 13 Unauthorized: the user lacks a role, or nobody is logged in.
    Permission,
    /// 59 CommandNotFound, 115 CommandNotSupported: the server does not know the command.
    UnknownCommand,
    /// 76 NoReplicationEnabled, 94 NotYetInitialized: not a member of a replica set (yet).
    NoReplicaSet,
    /// 50 MaxTimeMSExpired: the server gave up.
    Timeout,
    /// 72 InvalidOptions, or no code at all: what getParameter says of parameters that the server
    /// does not have.
    NoSuchOption,
    /// Any other.
    Other,
}

impl ServerError {
    /// What the code means.
    pub fn kind(&self) -> ErrorKind {
        match self.code {
            18 | 11 => ErrorKind::Authentication,
            13 => ErrorKind::Permission,
            59 | 115 => ErrorKind::UnknownCommand,
            76 | 94 => ErrorKind::NoReplicaSet,
            50 => ErrorKind::Timeout,
            72 | 0 => ErrorKind::NoSuchOption,
            _ => ErrorKind::Other,
        }
    }
}

/// The document of a reply that says ok.
///
/// # Errors
/// See [`ReplyError`]. A reply without `ok` is read as a refusal, as every real one has it.
pub fn check(document: &[u8]) -> Result<&RawDocument, ReplyError> {
    let document = RawDocument::from_bytes(document).map_err(|_| ReplyError::Malformed)?;
    if number(document, "ok") == Some(1.0) {
        return Ok(document);
    }
    let message = text(document, "errmsg").or_else(|| text(document, "$err"));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "error codes are small; the cast saturates"
    )]
    let code = number(document, "code").unwrap_or(0.0) as i32;
    Err(ReplyError::Server(ServerError {
        code,
        name: clean(text(document, "codeName").unwrap_or("unnamed")),
        message: clean(message.unwrap_or("no message")),
    }))
}

/// A field of any numeric type or a boolean: types change between versions.
pub(super) fn number(document: &RawDocument, key: &str) -> Option<f64> {
    match document.get(key).ok()?? {
        RawBsonRef::Double(double) => Some(double),
        RawBsonRef::Int32(integer) => Some(integer.into()),
        #[expect(clippy::cast_precision_loss, reason = "flags and codes are small")]
        RawBsonRef::Int64(integer) => Some(integer as f64),
        RawBsonRef::Boolean(boolean) => Some(f64::from(u8::from(boolean))),
        _ => None,
    }
}

pub(super) fn text<'a>(document: &'a RawDocument, key: &str) -> Option<&'a str> {
    document.get_str(key).ok()
}

/// A server's words, safe for a log line.
fn clean(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn refused(document: bson::RawDocumentBuf) -> ServerError {
        match check(document.as_bytes()).expect_err("refused") {
            ReplyError::Server(error) => error,
            ReplyError::Malformed => panic!("the document is well formed"),
        }
    }

    #[test]
    fn ok_of_every_numeric_type_is_a_success() {
        for ok in [
            rawdoc! { "ok": 1.0 },
            rawdoc! { "ok": 1 },
            rawdoc! { "ok": 1_i64 },
            rawdoc! { "ok": true },
        ] {
            assert!(check(ok.as_bytes()).is_ok());
        }
    }

    #[test]
    fn wrong_password_missing_role_and_unknown_command_are_told_apart() {
        let kind = |code: i32| refused(rawdoc! { "ok": 0.0, "code": code, "errmsg": "no" }).kind();
        assert_eq!(kind(18), ErrorKind::Authentication);
        assert_eq!(kind(13), ErrorKind::Permission);
        assert_eq!(kind(59), ErrorKind::UnknownCommand);
        assert_eq!(kind(76), ErrorKind::NoReplicaSet);
        assert_eq!(kind(50), ErrorKind::Timeout);
        assert_eq!(kind(1), ErrorKind::Other);
    }

    #[test]
    fn a_message_cannot_forge_a_log_line_nor_fill_the_log() {
        let error = refused(rawdoc! { "ok": 0, "errmsg": format!("a\nb{}", "x".repeat(1_000)) });
        assert!(error.message.starts_with("a b"));
        assert_eq!(error.message.len(), 300);
        assert_eq!(error.name, "unnamed");
    }

    #[test]
    fn garbage_and_replies_without_ok_are_no_success() {
        assert_eq!(check(b"\x05\0\0\0"), Err(ReplyError::Malformed));
        assert_eq!(refused(rawdoc! {}).message, "no message");
    }
}
