//! The commands that the agent sends.

use std::time::Duration;

use bson::{RawBson, RawDocumentBuf, cstr, rawdoc};

use super::scram::{ClientFirst, Mechanism};
use crate::wire::Dialect;

/// A command without arguments on the admin database. The server gives up after 90 % of
/// `timeout`, so that its answer still arrives before the client's deadline.
pub fn plain(name: &str, timeout: Duration) -> RawDocumentBuf {
    let mut command = RawDocumentBuf::new();
    append(&mut command, name, 1_i32);
    let limit = timeout.as_millis() * 9 / 10;
    command.append(cstr!("maxTimeMS"), i64::try_from(limit).unwrap_or(i64::MAX).max(1));
    command
}

/// The first message of a connection: who we are, and the first step of a login where there is
/// one. Sent as OP_QUERY, which every server from 2.6 on answers. `speculative` is the first
/// message of the mechanism that most likely is right, which saves a round trip on servers from
/// 4.4 on; others ignore it.
pub fn greeting(login: Option<(&str, &str, &ClientFirst)>) -> RawDocumentBuf {
    let mut command = rawdoc! {
        "isMaster": 1_i32,
        "helloOk": true,
        "client": {
            "application": { "name": "monitoring-agent" },
            "driver": { "name": "monitoring-agent", "version": env!("CARGO_PKG_VERSION") },
            "os": { "type": std::env::consts::OS, "architecture": std::env::consts::ARCH },
        },
    };
    if let Some((username, database, first)) = login {
        command.append(cstr!("saslSupportedMechs"), format!("{database}.{username}"));
        let mut start = sasl_start(first);
        start.append(cstr!("db"), database);
        command.append(cstr!("speculativeAuthenticate"), start);
    }
    command
}

/// Later hellos: `hello` where the server knows it, else `isMaster`.
pub fn hello(known: bool, timeout: Duration) -> RawDocumentBuf {
    plain(if known { "hello" } else { "isMaster" }, timeout)
}

/// How the server uses TLS: `sslMode` for those that do not know `tlsMode` yet (before 4.2).
pub fn tls_mode(timeout: Duration) -> RawDocumentBuf {
    let mut command = plain("getParameter", timeout);
    command.append(cstr!("tlsMode"), 1_i32);
    command.append(cstr!("sslMode"), 1_i32);
    command
}

/// Begins a SCRAM conversation on the database of the user.
pub fn sasl_start(first: &ClientFirst) -> RawDocumentBuf {
    rawdoc! {
        "saslStart": 1_i32,
        "mechanism": Mechanism::name(first.mechanism()),
        "payload": binary(first.payload().into_bytes()),
        "options": { "skipEmptyExchange": true },
    }
}

/// Continues a SCRAM conversation.
pub fn sasl_continue(conversation: i32, payload: &str) -> RawDocumentBuf {
    rawdoc! {
        "saslContinue": 1_i32,
        "conversationId": conversation,
        "payload": binary(payload.as_bytes().to_vec()),
    }
}

/// Logs in with the client certificate of the connection.
pub fn authenticate(username: Option<&str>) -> RawDocumentBuf {
    let mut command = rawdoc! { "authenticate": 1_i32, "mechanism": "MONGODB-X509" };
    if let Some(username) = username {
        command.append(cstr!("user"), username);
    }
    command
}

/// Finishes a command for a dialect: OP_MSG names its database in the document.
pub fn addressed(mut command: RawDocumentBuf, database: &str, dialect: Dialect) -> RawDocumentBuf {
    if dialect == Dialect::OpMsg {
        command.append(cstr!("$db"), database);
    }
    command
}

fn binary(bytes: Vec<u8>) -> RawBson {
    bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes }.into()
}

fn append(document: &mut RawDocumentBuf, key: &str, value: impl Into<RawBson>) {
    let key = bson::raw::CString::try_from(key).expect("command names hold no NUL");
    document.append(&key, value.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_gives_up_before_the_client_does() {
        let command = plain("serverStatus", Duration::from_secs(10));
        assert_eq!(command.get_i64("maxTimeMS").ok(), Some(9_000));
        let command = plain("ping", Duration::from_millis(1));
        assert_eq!(command.get_i64("maxTimeMS").ok(), Some(1), "0 would mean no limit");
    }

    #[test]
    fn only_op_msg_names_the_database_in_the_document() {
        let timeout = Duration::from_secs(1);
        let message = addressed(plain("ping", timeout), "admin", Dialect::OpMsg);
        assert_eq!(message.get_str("$db").ok(), Some("admin"));
        let query = addressed(plain("ping", timeout), "admin", Dialect::OpQuery);
        assert!(query.get("$db").expect("well formed").is_none());
    }
}
