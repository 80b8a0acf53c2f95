//! `host`, `host:port` and `[IPv6]:port`, and the words for what is none of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::Address;

/// Where mongod and mongos listen unless told otherwise.
pub(super) const MONGODB_PORT: u16 = 27017;

/// RFC 1035, section 2.3.4, as text without the root's dot.
const MAX_NAME: usize = 253;

/// RFC 1035, section 2.3.4.
const MAX_LABEL: usize = 63;

/// Why a text is not an address. Parts of it are shown only where they cannot be a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum AddressError {
    #[error("a URI does not belong here, write host or host:port, or the URI as uri")]
    Uri,
    #[error("an address holds no user and no @, write host or host:port")]
    UserInformation,
    #[error("IPv6 addresses stand in brackets, write [{0}] or [{0}]:PORT")]
    BareIpv6(Ipv6Addr),
    #[error("more than one colon, write host:port, or an IPv6 address as in [2001:db8::1]:PORT")]
    Colons,
    #[error("what stands in brackets is not an IPv6 address, write it as in [2001:db8::1]:PORT")]
    Brackets,
    #[error("the host is missing, write host or host:port")]
    NoHost,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("the host name has a character outside ASCII, write its xn-- form")]
    NotAscii,
    #[error("the host name contains {0:?}, allowed are letters, digits, dots, - and _")]
    Character(char),
    #[error("the host name has a part of none or more than {MAX_LABEL} characters between dots")]
    Label,
    #[error("the host name has {0} characters, the limit is {MAX_NAME}")]
    TooLong(usize),
    #[error("the host name ends in a number and is not an IPv4 address")]
    NotIpv4,
}

impl Address {
    /// Reads what an operator wrote. `default_port` is taken when no port is given.
    pub(super) fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        if text.contains("://") {
            return Err(AddressError::Uri);
        }
        if text.contains('@') {
            return Err(AddressError::UserInformation);
        }
        if let Some(rest) = text.strip_prefix('[') {
            return bracketed(rest, default_port);
        }
        let (host, port) = match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => return Err(colons(text)),
            Some((host, digits)) => (host, port(digits)?),
            None => (text, default_port),
        };
        check_host(host)?;
        Ok(Self { host: host.to_owned(), port })
    }

    /// The same for two spellings of one server: capitals and a closing dot mean nothing in DNS.
    pub(super) fn identity(&self) -> (String, u16) {
        (self.host.trim_end_matches('.').to_ascii_lowercase(), self.port)
    }
}

fn bracketed(rest: &str, default_port: u16) -> Result<Address, AddressError> {
    let (inside, after) = rest.split_once(']').ok_or(AddressError::Brackets)?;
    let ip: Ipv6Addr = inside.parse().map_err(|_| AddressError::Brackets)?;
    let port = match after.strip_prefix(':') {
        Some(digits) => port(digits)?,
        None if after.is_empty() => default_port,
        None => return Err(AddressError::Port),
    };
    Ok(Address { host: ip.to_string(), port })
}

fn colons(text: &str) -> AddressError {
    text.parse().map_or(AddressError::Colons, AddressError::BareIpv6)
}

fn port(digits: &str) -> Result<u16, AddressError> {
    // `parse` alone would take a plus sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|&port: &u16| plain && port > 0);
    port.ok_or(AddressError::Port)
}

fn check_host(host: &str) -> Result<(), AddressError> {
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    if !host.is_ascii() {
        return Err(AddressError::NotAscii);
    }
    let strange =
        |character: &char| !(character.is_ascii_alphanumeric() || "-_.".contains(*character));
    if let Some(character) = host.chars().find(strange) {
        return Err(AddressError::Character(character));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > MAX_NAME {
        return Err(AddressError::TooLong(name.len()));
    }
    if name.split('.').any(|label| label.is_empty() || label.len() > MAX_LABEL) {
        return Err(AddressError::Label);
    }
    // Resolvers read 10.1 as 10.0.0.1, which is never what was meant.
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if name.rsplit('.').next().is_some_and(numeric) && host.parse::<Ipv4Addr>().is_err() {
        return Err(AddressError::NotIpv4);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
        for (text, host, port) in [
            ("db1.example.net", "db1.example.net", 27017),
            ("db1:27018", "db1", 27018),
            ("my_host.", "my_host.", 27017),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]", "::1", 27017),
            ("[2001:DB8:0:0::1]:65535", "2001:db8::1", 65535),
            ("3com.example", "3com.example", 27017),
        ] {
            let expected = Address { host: host.to_owned(), port };
            assert_eq!(Address::parse(text, MONGODB_PORT), Ok(expected), "{text}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = "abc.".repeat(64);
        for (text, expected) in [
            ("", AddressError::NoHost),
            (":27017", AddressError::NoHost),
            ("db1:", AddressError::Port),
            ("db1:0", AddressError::Port),
            ("db1:65536", AddressError::Port),
            ("db1:+1", AddressError::Port),
            ("db1:x", AddressError::Port),
            ("[::1]27017", AddressError::Port),
            ("::1", AddressError::BareIpv6(Ipv6Addr::LOCALHOST)),
            ("a:b:c", AddressError::Colons),
            ("[db1]:27017", AddressError::Brackets),
            ("[::1", AddressError::Brackets),
            ("mongodb://db1", AddressError::Uri),
            ("user:hunter2@db1", AddressError::UserInformation),
            ("db1 db2", AddressError::Character(' ')),
            ("db1/admin", AddressError::Character('/')),
            ("bücher.example", AddressError::NotAscii),
            ("a..b", AddressError::Label),
            (".", AddressError::Label),
            (&long, AddressError::Label),
            (&longer, AddressError::TooLong(255)),
            ("10.0.0.256", AddressError::NotIpv4),
            ("10.1", AddressError::NotIpv4),
            ("27017", AddressError::NotIpv4),
        ] {
            assert_eq!(Address::parse(text, MONGODB_PORT), Err(expected), "{text}");
        }
        assert_eq!(
            AddressError::BareIpv6(Ipv6Addr::LOCALHOST).to_string(),
            "IPv6 addresses stand in brackets, write [::1] or [::1]:PORT"
        );
    }

    #[test]
    fn two_spellings_of_one_server_have_one_identity() {
        let identity = |text| Address::parse(text, MONGODB_PORT).expect("valid").identity();
        assert_eq!(identity("DB1.example."), identity("db1.example:27017"));
        assert_ne!(identity("db1"), identity("db1:27018"));
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_read_back(text in ".{0,40}") {
            if let Ok(address) = Address::parse(&text, MONGODB_PORT) {
                prop_assert_eq!(Address::parse(&address.to_string(), 1), Ok(address));
            }
        }
    }
}
