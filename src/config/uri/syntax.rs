//! A connection string cut into its parts, each percent-decoded (connection-string
//! specification). No refusal repeats a part of it: with a wrongly encoded password, any part can
//! be a piece of the password.

use thiserror::Error;

use super::super::{
    Address,
    address::{AddressError, MONGODB_PORT},
};
use crate::secret::Secret;

/// What comes before everything else; capitals mean nothing in a scheme.
const SCHEME: &str = "mongodb://";
const SRV_SCHEME: &str = "mongodb+srv://";

/// MongoDB manual, "Naming Restrictions": names of databases are shorter than this, in bytes.
const DATABASE_LIMIT: usize = 64;

/// The parts. Not `Debug`: names of users and hosts are for those who ask for them.
pub(super) struct Parts {
    pub(super) user: Option<User>,
    /// At least one.
    pub(super) hosts: Vec<Address>,
    /// Without the collection that may follow it.
    pub(super) database: Option<String>,
    pub(super) pairs: Vec<Pair>,
    /// Whether an @ stands behind the hosts as such. It may stand in the value of an option, or
    /// begin the hosts behind a password that holds a bare / or ?.
    pub(super) late_at: bool,
}

/// The user information.
pub(super) struct User {
    pub(super) name: String,
    /// `None` when it is empty too: MongoDB has no empty passwords.
    pub(super) password: Option<Secret>,
}

/// One option as it was written.
pub(super) struct Pair {
    pub(super) name: String,
    /// Any may be a password.
    pub(super) value: Secret,
}

/// Why a text is no connection string.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum UriError {
    #[error("expected a connection string, which begins with mongodb://")]
    Scheme,
    #[error(
        "this version does not have mongodb+srv yet, write mongodb:// with every host and tls=true"
    )]
    Srv,
    #[error(
        "in the name and the password of a user, write @ as %40, : as %3A, / as %2F, ? as %3F and \
         % as %25"
    )]
    UserInformation,
    #[error("the user before the @ has no name")]
    NoUser,
    #[error("a % stands without two hexadecimal digits behind it, write % itself as %25")]
    Percent,
    #[error("what is written with % is not UTF-8")]
    NotUtf8,
    #[error("a control character is written with %")]
    Control,
    #[error("no host is named, write mongodb://host:port")]
    NoHost,
    #[error("the agent does not connect to unix sockets, write host:port")]
    UnixSocket,
    #[error("host {number} of the list: {error}")]
    Host { number: usize, error: AddressError },
    #[error(
        "the name of the database has more than 63 bytes, or one of the characters / \\ \" $ and \
         blank"
    )]
    Database,
    #[error("what follows the ? must be option=value, and & between two of them")]
    Option,
    #[error("options are separated by &, in a value write ; as %3B")]
    Semicolon,
}

/// Cuts a connection string.
pub(super) fn cut(text: &str) -> Result<Parts, UriError> {
    let rest = match strip_prefix(text, SCHEME) {
        Some(rest) => rest,
        None if strip_prefix(text, SRV_SCHEME).is_some() => return Err(UriError::Srv),
        None => return Err(UriError::Scheme),
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, list) = match authority.rsplit_once('@') {
        Some((user, list)) => (Some(self::user(user)?), list),
        None => (None, authority),
    };
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    if path.contains('@') {
        return Err(UriError::UserInformation);
    }
    if list.is_empty() {
        let socket = path.contains(".sock");
        return Err(if socket { UriError::UnixSocket } else { UriError::NoHost });
    }
    let late_at = query.contains('@');
    // What looks like a broken host or option is then rather a piece of a password.
    let cause = |error| if late_at { UriError::UserInformation } else { error };
    let hosts = list.split(',').enumerate().map(|(index, item)| host(index + 1, item));
    Ok(Parts {
        user,
        hosts: hosts.collect::<Result<_, _>>().map_err(cause)?,
        database: database(path.strip_prefix('/').unwrap_or_default())?,
        pairs: pairs(query).map_err(cause)?,
        late_at,
    })
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn user(text: &str) -> Result<User, UriError> {
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    if name.contains('@') || password.contains(['@', ':']) {
        return Err(UriError::UserInformation);
    }
    if name.is_empty() {
        return Err(UriError::NoUser);
    }
    let password = (!password.is_empty()).then(|| decoded(password).map(Secret::new));
    Ok(User { name: decoded(name)?, password: password.transpose()? })
}

fn host(number: usize, text: &str) -> Result<Address, UriError> {
    let text = decoded(text)?;
    if text.contains('/') || text.ends_with(".sock") {
        return Err(UriError::UnixSocket);
    }
    Address::parse(&text, MONGODB_PORT).map_err(|error| UriError::Host { number, error })
}

/// The database, without the collection that the specification lets stand behind a dot.
fn database(text: &str) -> Result<Option<String>, UriError> {
    let text = decoded(text)?;
    let database = text.split('.').next().unwrap_or_default();
    if text.contains(['/', '\\', ' ', '"', '$']) || database.len() >= DATABASE_LIMIT {
        return Err(UriError::Database);
    }
    Ok((!database.is_empty()).then(|| database.to_owned()))
}

fn pairs(query: &str) -> Result<Vec<Pair>, UriError> {
    if query.is_empty() {
        return Ok(Vec::new());
    }
    if query.contains(';') {
        return Err(UriError::Semicolon);
    }
    query.split('&').map(pair).collect()
}

fn pair(text: &str) -> Result<Pair, UriError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok(Pair { name: name.to_owned(), value: Secret::new(decoded(value)?) })
        }
        _ => Err(UriError::Option),
    }
}

/// RFC 3986, section 2.1. A plus sign is a plus sign.
fn decoded(text: &str) -> Result<String, UriError> {
    // As long as the text at most, so that no part of a password stays behind in memory.
    let mut bytes = Vec::with_capacity(text.len());
    let mut escapes = text.split('%');
    bytes.extend(escapes.next().unwrap_or_default().bytes());
    for escape in escapes {
        let (digits, rest) = escape.split_at_checked(2).ok_or(UriError::Percent)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(UriError::Percent);
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| UriError::Percent)?);
        bytes.extend(rest.bytes());
    }
    let text = String::from_utf8(bytes).map_err(|_| UriError::NotUtf8)?;
    if text.chars().any(char::is_control) { Err(UriError::Control) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> UriError {
        match cut(text) {
            Ok(_) => panic!("{text} was taken"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_uri_has_a_user_hosts_a_database_and_options() {
        for (text, expected) in [
            ("mongodb://db1", "- db1:27017 - []"),
            ("MongoDB://db1/", "- db1:27017 - []"),
            ("mongodb://db1:27018/?", "- db1:27018 - []"),
            ("mongodb://[::1]:27018,[2001:DB8::1]", "- [::1]:27018,[2001:db8::1]:27017 - []"),
            ("mongodb://a,10.0.0.1:1,c/x", "- a:27017,10.0.0.1:1,c:27017 x []"),
            ("mongodb://%64b1/my%3Ddb", "- db1:27017 my=db []"),
            ("mongodb://db1/db.collection.x", "- db1:27017 db []"),
            ("mongodb://db1/admin%3F?w=1", "- db1:27017 admin? [w=1]"),
            ("mongodb://db1?tls=true", "- db1:27017 - [tls=true]"),
            ("mongodb://u:p@db1", "u/p db1:27017 - []"),
            ("mongodb://u@db1", "u/- db1:27017 - []"),
            ("mongodb://u:@db1", "u/- db1:27017 - []"),
            ("mongodb://%40l%3Ace%2F%3D:%25@db1/a", "@l:ce/=/% db1:27017 a []"),
            (
                "mongodb://!$&'()*+,;=:!$&'()*+,;=@127.0.0.1/admin",
                "!$&'()*+,;=/!$&'()*+,;= 127.0.0.1:27017 admin []",
            ),
            ("mongodb://b\u{fc}r:%C3%A9@db1", "b\u{fc}r/\u{e9} db1:27017 - []"),
            (
                "mongodb://u:p@db1/admin?replicaset=my@set&a=b=c&d=%26+",
                "u/p db1:27017 admin [replicaset=my@set a=b=c d=&+]",
            ),
        ] {
            let parts = cut(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let user = parts.user.map_or("-".to_owned(), |user| {
                let password = user.password.as_ref().map_or("-", Secret::expose);
                format!("{}/{password}", user.name)
            });
            let hosts: Vec<String> = parts.hosts.iter().map(ToString::to_string).collect();
            let database = parts.database.as_deref().unwrap_or("-");
            let pairs: Vec<String> = parts
                .pairs
                .iter()
                .map(|pair| format!("{}={}", pair.name, pair.value.expose()))
                .collect();
            let shown = format!("{user} {} {database} [{}]", hosts.join(","), pairs.join(" "));
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        let long = format!("mongodb://a/{}", "x".repeat(64));
        let host = |number, error| UriError::Host { number, error };
        for (text, expected) in [
            ("", UriError::Scheme),
            ("mongo://db1", UriError::Scheme),
            ("mongodb:/db1", UriError::Scheme),
            ("db1:27017", UriError::Scheme),
            ("mongodb+srv://cluster.example.net/", UriError::Srv),
            ("mongodb://", UriError::NoHost),
            ("mongodb:///", UriError::NoHost),
            ("mongodb://?tls=true", UriError::NoHost),
            ("mongodb://u:p@/", UriError::NoHost),
            ("mongodb:///tmp/mongodb-27017.sock", UriError::UnixSocket),
            ("mongodb://%2Ftmp%2Fmongodb-27017.sock/db", UriError::UnixSocket),
            ("mongodb://a,mongodb-27017.sock", UriError::UnixSocket),
            ("mongodb://a,,b", host(2, AddressError::NoHost)),
            ("mongodb://a,", host(2, AddressError::NoHost)),
            ("mongodb://localhost::1", host(1, AddressError::Colons)),
            ("mongodb://a,b:-1/", host(2, AddressError::Port)),
            ("mongodb://a:0/", host(1, AddressError::Port)),
            ("mongodb://a:65536", host(1, AddressError::Port)),
            ("mongodb://a:x", host(1, AddressError::Port)),
            ("mongodb://[::1]:0", host(1, AddressError::Port)),
            ("mongodb://[::1", host(1, AddressError::Brackets)),
            ("mongodb://::1", host(1, AddressError::BareIpv6("::1".parse().expect("IP")))),
            ("mongodb://alice:foo:bar@a", UriError::UserInformation),
            ("mongodb://alice@@a", UriError::UserInformation),
            ("mongodb://alice@foo:bar@a", UriError::UserInformation),
            ("mongodb://alice/@localhost/db", UriError::UserInformation),
            ("mongodb://alice/bob:foo@localhost/db", UriError::UserInformation),
            ("mongodb://alice:foo/bar@localhost/db", UriError::UserInformation),
            ("mongodb://alice:foo?bar@localhost/db", UriError::UserInformation),
            ("mongodb://@a", UriError::NoUser),
            ("mongodb://:p@a", UriError::NoUser),
            ("mongodb://u:100%@a", UriError::Percent),
            ("mongodb://u:%4@a", UriError::Percent),
            ("mongodb://u:%+4@a", UriError::Percent),
            ("mongodb://%zz:p@a", UriError::Percent),
            ("mongodb://u:%4\u{e9}@a", UriError::Percent),
            ("mongodb://u:%ff@a", UriError::NotUtf8),
            ("mongodb://u:%00@a", UriError::Control),
            ("mongodb://a/?tlsCAFile=%0a", UriError::Control),
            ("mongodb://a/x%", UriError::Percent),
            ("mongodb://a/x%20y", UriError::Database),
            ("mongodb://a/$external", UriError::Database),
            ("mongodb://a/b/c", UriError::Database),
            (&long, UriError::Database),
            ("mongodb://a/?tls", UriError::Option),
            ("mongodb://a/?=true", UriError::Option),
            ("mongodb://a/?tls=true&", UriError::Option),
            ("mongodb://a/?tls=true;tlsCAFile=x", UriError::Semicolon),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
    }
}
