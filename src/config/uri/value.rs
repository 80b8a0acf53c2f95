//! The value of one option of a connection string. No refusal repeats it.

use std::{path::PathBuf, time::Duration};

use super::{
    super::{login::AuthMechanism, value::Kind},
    options::{Reads, Subject, UriOption},
};
use crate::secret::Secret;

/// The same limit as for the keys that are about the same: ten minutes.
const MAX_MILLISECONDS: u64 = 600_000;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Flag(bool),
    Path(PathBuf),
    Secret(Secret),
    Source(String),
    Mechanism(AuthMechanism),
    Wait(Duration),
    /// Of an option without effect: kept to find out whether it stands twice.
    Unused(Secret),
}

/// What comes of a value, with words for what is odd. The connection-string specification wants
/// values that are no values to be warned about and left out; where that would leave a connection
/// less safe than it was meant to be, they are errors.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Plain(Value),
    Odd(Value, &'static str),
    LeftOut(&'static str),
    Refused(String),
}

/// Reads the value of a known option.
pub(super) fn read(option: &UriOption, text: &Secret) -> Reading {
    let written = text.expose();
    if written.is_empty() && option.subject != Subject::Tls {
        return Reading::LeftOut("empty, so it counts as not written");
    }
    let checked = |kind: Kind, value: Value| match kind.check(written) {
        Ok(()) => Reading::Plain(value),
        Err(what) => Reading::Refused(what),
    };
    match option.reads {
        Reads::Flag | Reads::Contrary => flag(option, written),
        Reads::CertificateRequirement => requirement(written),
        Reads::Path => checked(Kind::Path, Value::Path(PathBuf::from(written))),
        Reads::Secret => checked(Kind::Secret, Value::Secret(text.clone())),
        Reads::Source => match Kind::Database.check(written) {
            Ok(()) => Reading::Plain(Value::Source(written.to_owned())),
            Err(_) => Reading::Refused("expected the name of a database".to_owned()),
        },
        Reads::Mechanism => match AuthMechanism::read(written) {
            Ok(mechanism) => Reading::Plain(Value::Mechanism(mechanism)),
            Err(what) => Reading::Refused(what.to_owned()),
        },
        Reads::Milliseconds => milliseconds(written),
        Reads::Nothing => Reading::Plain(Value::Unused(text.clone())),
    }
}

fn flag(option: &UriOption, text: &str) -> Reading {
    let value = |flag: bool| Value::Flag(flag != (option.reads == Reads::Contrary));
    match (text.to_ascii_lowercase().as_str(), option.subject) {
        ("true", _) => Reading::Plain(value(true)),
        ("false", _) => Reading::Plain(value(false)),
        ("1" | "yes" | "y" | "t", _) => Reading::Odd(value(true), "an old spelling, write true"),
        ("0" | "-1" | "no" | "n" | "f", _) => {
            Reading::Odd(value(false), "an old spelling, write false")
        }
        (_, Subject::Tls) => Reading::Refused("expected true or false".to_owned()),
        (_, Subject::DirectConnection) => {
            Reading::LeftOut("expected true or false, so it counts as not written")
        }
        // Not left out: a key above the sections could relax what this was meant to keep.
        _ => Reading::Odd(
            Value::Flag(false),
            "expected true or false, so no check of certificates is left out for it",
        ),
    }
}

/// Python's CERT_OPTIONAL lets a server ask for no certificate of its client; for a client it is
/// the same as CERT_REQUIRED.
fn requirement(text: &str) -> Reading {
    match text.to_ascii_uppercase().as_str() {
        "CERT_NONE" => Reading::Plain(Value::Flag(true)),
        "CERT_OPTIONAL" | "CERT_REQUIRED" => Reading::Plain(Value::Flag(false)),
        _ => Reading::Refused("expected CERT_NONE, CERT_OPTIONAL or CERT_REQUIRED".to_owned()),
    }
}

fn milliseconds(text: &str) -> Reading {
    // `parse` alone would take a plus sign.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().ok().filter(|_| plain) {
        Some(0) => Reading::LeftOut(
            "0 would be no limit, which the agent does not have, so the key above the sections \
             applies",
        ),
        Some(wait @ 1..=MAX_MILLISECONDS) => {
            Reading::Plain(Value::Wait(Duration::from_millis(wait)))
        }
        _ => Reading::LeftOut(
            "expected whole milliseconds from 1 to 600000, so the key above the sections applies",
        ),
    }
}
