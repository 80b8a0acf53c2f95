//! What a value may look like. `serde_ini` deserializes one value at a time, so that a refusal
//! belongs to one line.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_ini::{Deserializer, Item, parse};

use super::{
    Address, LogLevel, address::MONGODB_PORT, base_url::BaseUrl, login::AuthMechanism, uri::MAX_URI,
};

/// Names of users and the like; SASLprep and HTTP know no limit, operators never need more.
const MAX_TEXT: usize = 1024;

/// PATH_MAX of Linux, without the closing NUL.
const MAX_PATH: usize = 4095;

/// The kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// [`Flag`].
    Flag,
    /// [`Ssl`].
    Ssl,
    /// Whole seconds.
    Seconds { least: u64, most: u64 },
    /// [`LogLevel`].
    LogLevel,
    /// [`Listen`].
    Listen,
    /// One `host` or `host:port`.
    Address,
    /// Several, separated by commas; each item is judged where the hosts are built.
    Hosts,
    /// [`BaseUrl`].
    BaseUrl,
    /// The project at a management server.
    GroupId,
    /// The name of a database, or `$external`.
    Database,
    /// [`AuthMechanism`].
    Mechanism,
    /// A connection string, judged where its hosts are built; never shown.
    Uri,
    /// A file or folder; nobody looks whether it exists.
    Path,
    /// Any text on one line.
    Text,
    /// A password or key: any text, never shown.
    Secret,
}

impl Kind {
    /// Says what is wrong with a value and what is allowed.
    ///
    /// # Errors
    /// The words for the operator, without the value if it can be a secret.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Flag => single::<Flag>(text).map(drop),
            Self::Ssl => single::<Ssl>(text).map(drop),
            Self::Seconds { least, most } => seconds(text, least, most),
            Self::LogLevel => single::<LogLevel>(text).map(drop),
            Self::Listen => single::<Listen>(text).map(drop),
            Self::Address => single::<HostAddress>(text).map(drop),
            Self::BaseUrl => single::<BaseUrl>(text).map(drop),
            Self::GroupId => group_id(text),
            Self::Database => database(text),
            Self::Mechanism => single::<AuthMechanism>(text).map(drop),
            Self::Uri => at_most(text, MAX_URI),
            Self::Path => at_most(text, MAX_PATH),
            Self::Text | Self::Secret => at_most(text, MAX_TEXT),
            Self::Hosts => Ok(()),
        }
    }
}

/// Reads one value as a `T`.
fn single<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Single<T> {
        value: T,
    }
    let item = Item::Value { key: "value".to_owned(), value: text.to_owned() };
    deserialize(std::iter::once(item)).map(|Single { value }| value)
}

/// Reads entries as the fields of a `T`.
pub(super) fn deserialize<T: DeserializeOwned>(
    items: impl Iterator<Item = Item>,
) -> Result<T, String> {
    let mut deserializer = Deserializer::new(items.map(Ok::<_, parse::Error<Infallible>>));
    T::deserialize(&mut deserializer).map_err(|error| match error {
        serde_ini::de::Error::Custom(words) => words,
        broken => broken.to_string(),
    })
}

/// A value as it may be shown beside what is allowed.
pub(super) fn shown(text: &str) -> String {
    /// Enough to recognise what was written.
    const MAX_SHOWN: usize = 40;
    if text.contains('@') {
        return "a value with an @, not shown because it may hold a password".to_owned();
    }
    match text.char_indices().nth(MAX_SHOWN) {
        Some((cut, _)) => format!("{:?}…", text.get(..cut).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

fn at_most(text: &str, limit: usize) -> Result<(), String> {
    if text.len() <= limit {
        return Ok(());
    }
    Err(format!("the value has {} bytes, the limit is {limit}", text.len()))
}

fn seconds(text: &str, least: u64, most: u64) -> Result<(), String> {
    match single::<u64>(text) {
        Ok(seconds) if (least..=most).contains(&seconds) => Ok(()),
        _ => Err(format!("expected whole seconds from {least} to {most}, found {}", shown(text))),
    }
}

/// It becomes a part of the URL's path and the user of HTTP Basic authentication, which ends at
/// the first colon (RFC 7617).
fn group_id(text: &str) -> Result<(), String> {
    /// Real ones have 24.
    const MAX_GROUP_ID: usize = 128;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.len() <= MAX_GROUP_ID && text.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("expected up to {MAX_GROUP_ID} letters, digits, - or _, found {}", shown(text)))
}

/// MongoDB manual, "Naming Restrictions"; `$external` is where users without a password live.
fn database(text: &str) -> Result<(), String> {
    let plain = || !text.contains(['/', '\\', '.', ' ', '"', '$']);
    if text == "$external" || text.len() < 64 && plain() {
        return Ok(());
    }
    Err(format!("expected the name of a database, found {}", shown(text)))
}

/// A boolean as operators write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Flag(pub(super) bool);

impl TryFrom<String> for Flag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Self(true)),
            "false" | "no" | "off" | "0" => Ok(Self(false)),
            _ => Err(format!("expected true or false, found {}", shown(&text))),
        }
    }
}

/// The values of `ssl` in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Ssl {
    Never,
    Always,
    /// TLS, and plaintext only while the server provably has none.
    Prefer,
}

impl TryFrom<String> for Ssl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("prefer") {
            return Ok(Self::Prefer);
        }
        let shown = shown(&text);
        match Flag::try_from(text) {
            Ok(Flag(true)) => Ok(Self::Always),
            Ok(Flag(false)) => Ok(Self::Never),
            Err(_) => Err(format!("expected true, false or prefer, found {shown}")),
        }
    }
}

/// An [`Address`] with MongoDB's default port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct HostAddress(pub(super) Address);

impl TryFrom<String> for HostAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Address::parse(&text, MONGODB_PORT).map(Self).map_err(|error| error.to_string())
    }
}

/// Where to listen, `None` for nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Listen(pub(super) Option<SocketAddr>);

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        let named = [(":", Ipv4Addr::UNSPECIFIED), ("localhost:", Ipv4Addr::LOCALHOST)];
        let complete = named
            .iter()
            .find_map(|(name, ip)| text.strip_prefix(name).map(|port| format!("{ip}:{port}")));
        match complete.as_deref().unwrap_or(&text).parse() {
            Ok(address) => Ok(Self(Some(address))),
            Err(_) => Err(format!(
                "expected IP:PORT, [IPv6]:PORT, :PORT for all IPv4 addresses, or off, found {}",
                shown(&text)
            )),
        }
    }
}

impl TryFrom<String> for LogLevel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // ROUTINE, FATAL and DOOM are levels of the original agent.
        match text.to_ascii_uppercase().as_str() {
            "ERROR" | "FATAL" | "DOOM" => Ok(Self::Error),
            "WARN" => Ok(Self::Warn),
            "INFO" | "ROUTINE" => Ok(Self::Info),
            "DEBUG" => Ok(Self::Debug),
            _ => Err(format!("expected ERROR, WARN, INFO or DEBUG, found {}", shown(&text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_in_every_spelling() {
        for text in ["true", "True", "YES", "on", "1"] {
            assert_eq!(single(text), Ok(Flag(true)), "{text}");
        }
        for text in ["false", "False", "NO", "off", "0"] {
            assert_eq!(single(text), Ok(Flag(false)), "{text}");
        }
        let refused = single::<Flag>("maybe");
        assert_eq!(refused, Err("expected true or false, found \"maybe\"".to_owned()));
    }

    #[test]
    fn ssl_is_a_boolean_or_prefer() {
        assert_eq!(single("yes"), Ok(Ssl::Always));
        assert_eq!(single("0"), Ok(Ssl::Never));
        assert_eq!(single("Prefer"), Ok(Ssl::Prefer));
        let refused = single::<Ssl>("preferred");
        assert_eq!(refused, Err("expected true, false or prefer, found \"preferred\"".to_owned()));
    }

    #[test]
    fn seconds_are_whole_and_within_their_range() {
        let check = |text| Kind::Seconds { least: 1, most: 60 }.check(text);
        for text in ["1", "60", "007"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in ["0", "61", "-1", "1.5", "10s", "0x10", "99999999999999999999"] {
            let expected = format!("expected whole seconds from 1 to 60, found {text:?}");
            assert_eq!(check(text), Err(expected));
        }
    }

    #[test]
    fn the_endpoint_listens_where_it_is_told() {
        for (text, expected) in [
            ("127.0.0.1:9216", Some("127.0.0.1:9216")),
            (":9216", Some("0.0.0.0:9216")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("[::1]:9216", Some("[::1]:9216")),
            ("Off", None),
        ] {
            let expected = expected.map(|address| address.parse().expect("a socket address"));
            assert_eq!(single(text), Ok(Listen(expected)), "{text}");
        }
        for text in ["9216", "127.0.0.1", "::1:9216", "db1:9216", "127.0.0.1:65536", "none"] {
            assert!(single::<Listen>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn levels_of_the_original_agent_are_understood() {
        for (text, expected) in [
            ("debug", LogLevel::Debug),
            ("Info", LogLevel::Info),
            ("ROUTINE", LogLevel::Info),
            ("WARN", LogLevel::Warn),
            ("error", LogLevel::Error),
            ("FATAL", LogLevel::Error),
            ("DOOM", LogLevel::Error),
        ] {
            assert_eq!(single(text), Ok(expected), "{text}");
        }
        assert!(single::<LogLevel>("verbose").is_err());
    }

    #[test]
    fn texts_are_bounded_and_names_are_plain() {
        assert!(Kind::Secret.check(&"x".repeat(MAX_TEXT)).is_ok());
        let too_long = Kind::Secret.check(&"x".repeat(MAX_TEXT + 1));
        assert_eq!(too_long, Err("the value has 1025 bytes, the limit is 1024".to_owned()));
        assert_eq!(Kind::GroupId.check("5f3a_b-C"), Ok(()));
        assert!(["a:b", "../x", "a b", "é"].iter().all(|text| Kind::GroupId.check(text).is_err()));
        assert!(["admin", "$external"].iter().all(|text| Kind::Database.check(text).is_ok()));
        assert!(["a.b", "$extern", "a b"].iter().all(|text| Kind::Database.check(text).is_err()));
    }

    #[test]
    fn a_shown_value_is_short_escaped_and_never_holds_user_information() {
        assert_eq!(shown("a\u{1b}b"), "\"a\\u{1b}b\"");
        assert_eq!(shown(&"é".repeat(41)), format!("\"{}\"…", "é".repeat(40)));
        assert!(!shown("user:hunter2@db1").contains("hunter2"));
    }
}
