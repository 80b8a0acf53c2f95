//! What a server says it is.

use bson::{RawBsonRef, RawDocument};

use super::reply::{number, text};
use crate::wire::Dialect;

/// Servers that speak OP_MSG announce this maxWireVersion (3.6) or more.
const OP_MSG_WIRE_VERSION: f64 = 6.0;

/// The parts of a hello reply that decide how to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// How to speak to this server from now on.
    pub dialect: Dialect,
    /// Whether it knows `hello`, else `isMaster`.
    pub knows_hello: bool,
    /// What it is.
    pub kind: NodeKind,
    /// The mechanisms that the user can log in with; empty when the server did not say (before
    /// 4.0, or an unknown user).
    pub mechanisms: Vec<String>,
    /// The answer to the first step of the login that the greeting carried.
    pub speculative: Option<SaslReply>,
}

/// What kind of node a server is: it decides which commands make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A mongod outside any replica set.
    Standalone,
    /// A member of a replica set, whatever its state, or one that is not initiated yet.
    Member,
    /// A member without data: nobody can log in.
    Arbiter,
    /// A router.
    Mongos,
}

/// One answer of a SASL conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaslReply {
    /// To be sent back with the next step.
    pub conversation: i32,
    /// Whether the server is satisfied.
    pub done: bool,
    /// The mechanism's message.
    pub payload: Vec<u8>,
}

impl Hello {
    /// Reads a reply; what is missing is taken as the oldest server would mean it.
    pub fn read(document: &RawDocument) -> Self {
        let op_msg = number(document, "maxWireVersion").unwrap_or(0.0) >= OP_MSG_WIRE_VERSION;
        Self {
            dialect: if op_msg { Dialect::OpMsg } else { Dialect::OpQuery },
            knows_hello: flag(document, "helloOk"),
            kind: kind(document),
            mechanisms: mechanisms(document),
            speculative: document
                .get_document("speculativeAuthenticate")
                .ok()
                .and_then(SaslReply::read),
        }
    }
}

impl SaslReply {
    /// Reads the fields of a saslStart or saslContinue reply; `None` when one is missing.
    pub fn read(document: &RawDocument) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "conversation ids are small")]
        let conversation = number(document, "conversationId")? as i32;
        let payload = document.get_binary("payload").ok()?.bytes.to_vec();
        Some(Self { conversation, done: flag(document, "done"), payload })
    }
}

fn kind(document: &RawDocument) -> NodeKind {
    if text(document, "msg") == Some("isdbgrid") {
        NodeKind::Mongos
    } else if flag(document, "arbiterOnly") {
        NodeKind::Arbiter
    } else if text(document, "setName").is_some() || flag(document, "isreplicaset") {
        NodeKind::Member
    } else {
        NodeKind::Standalone
    }
}

fn mechanisms(document: &RawDocument) -> Vec<String> {
    let Ok(array) = document.get_array("saslSupportedMechs") else { return Vec::new() };
    array
        .into_iter()
        // A closed set of short names; more is not from a MongoDB.
        .take(20)
        .filter_map(|mechanism| match mechanism {
            Ok(RawBsonRef::String(name)) => Some(name.to_owned()),
            _ => None,
        })
        .collect()
}

fn flag(document: &RawDocument, key: &str) -> bool {
    number(document, key).is_some_and(|number| number != 0.0)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn the_kind_of_node_is_told_from_what_it_says() {
        let cases = [
            (rawdoc! { "ismaster": true }, NodeKind::Standalone),
            (rawdoc! { "setName": "rs0", "secondary": true }, NodeKind::Member),
            (rawdoc! { "isreplicaset": true }, NodeKind::Member),
            (rawdoc! { "setName": "rs0", "arbiterOnly": true }, NodeKind::Arbiter),
            (rawdoc! { "msg": "isdbgrid" }, NodeKind::Mongos),
        ];
        for (document, expected) in cases {
            assert_eq!(Hello::read(&document).kind, expected, "{document:?}");
        }
    }

    #[test]
    fn servers_before_3_6_are_spoken_to_in_op_query() {
        assert_eq!(Hello::read(&rawdoc! {}).dialect, Dialect::OpQuery);
        assert_eq!(Hello::read(&rawdoc! { "maxWireVersion": 5 }).dialect, Dialect::OpQuery);
        assert_eq!(Hello::read(&rawdoc! { "maxWireVersion": 6 }).dialect, Dialect::OpMsg);
    }
}
