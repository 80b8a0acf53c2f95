//! `mmsBaseUrl`: the root of a management server, as narrow as it can be.

use serde::Deserialize;
use thiserror::Error;

use super::{Address, address::AddressError};

/// Longer URLs are cut by proxies on the way.
const MAX_URL: usize = 2048;

/// `http://` or `https://`, a host with an optional port, and an optional path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct BaseUrl {
    /// The whole URL without a closing slash.
    pub(super) text: String,
    /// The host in small letters, without the port.
    pub(super) host: String,
    /// Whether the scheme is https.
    pub(super) encrypted: bool,
}

/// Why a text is no base URL; never with the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum BaseUrlError {
    #[error("expected a URL that begins with https:// or http://")]
    Scheme,
    #[error("a URL with user information is not allowed, write mmsGroupId and mmsApiKey instead")]
    UserInformation,
    #[error("a URL with ? or # is not allowed, the agent appends its own path")]
    Query,
    #[error("the path of the URL contains a character that must be written as %XX")]
    Path,
    #[error("the URL has {0} bytes, the limit is {MAX_URL}")]
    TooLong(usize),
    #[error("in the URL, {0}")]
    Host(AddressError),
}

impl TryFrom<String> for BaseUrl {
    type Error = BaseUrlError;

    fn try_from(text: String) -> Result<Self, BaseUrlError> {
        if text.len() > MAX_URL {
            return Err(BaseUrlError::TooLong(text.len()));
        }
        let (scheme, rest) = text.split_once("://").ok_or(BaseUrlError::Scheme)?;
        let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => ("https", 443),
            "http" => ("http", 80),
            _ => return Err(BaseUrlError::Scheme),
        };
        if rest.contains('@') {
            return Err(BaseUrlError::UserInformation);
        }
        if rest.contains(['?', '#']) {
            return Err(BaseUrlError::Query);
        }
        let authority = rest.split('/').next().unwrap_or_default();
        let path = rest.strip_prefix(authority).unwrap_or_default();
        if !is_path(path) {
            return Err(BaseUrlError::Path);
        }
        let host = Address::parse(authority, port).map_err(BaseUrlError::Host)?.identity().0;
        let text = format!("{scheme}://{}", rest.trim_end_matches('/'));
        Ok(Self { text, host, encrypted: scheme == "https" })
    }
}

/// RFC 3986, section 3.3.
fn is_path(path: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:".contains(&byte);
    let mut escapes = path.split('%');
    let plain = escapes.next().unwrap_or_default();
    let escaped = |part: &str| {
        let (hex, rest) = part.as_bytes().split_at_checked(2)?;
        (hex.iter().all(u8::is_ascii_hexdigit) && rest.iter().copied().all(allowed)).then_some(())
    };
    plain.bytes().all(allowed) && escapes.all(|part| escaped(part).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BaseUrl, BaseUrlError> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_closing_slash_and_capitals_in_the_scheme_mean_nothing() {
        for (text, expected, host, encrypted) in [
            ("https://ops.example.net", "https://ops.example.net", "ops.example.net", true),
            (
                "HTTPS://Ops.example.net:8443//",
                "https://Ops.example.net:8443",
                "ops.example.net",
                true,
            ),
            ("http://10.0.0.1:8080/a%20b/", "http://10.0.0.1:8080/a%20b", "10.0.0.1", false),
            ("https://[::1]:8443/x", "https://[::1]:8443/x", "::1", true),
        ] {
            let expected = BaseUrl { text: expected.to_owned(), host: host.to_owned(), encrypted };
            assert_eq!(read(text), Ok(expected));
        }
    }

    #[test]
    fn everything_else_is_refused_without_repeating_it() {
        for (text, expected) in [
            ("ops.example.net", BaseUrlError::Scheme),
            ("ftp://ops.example.net", BaseUrlError::Scheme),
            ("https://user:hunter2@ops.example.net", BaseUrlError::UserInformation),
            ("https://ops.example.net/?key=hunter2", BaseUrlError::Query),
            ("https://ops.example.net/#a", BaseUrlError::Query),
            ("https://ops.example.net/a b", BaseUrlError::Path),
            ("https://ops.example.net/a%2", BaseUrlError::Path),
            ("https://ops.example.net/a%zz", BaseUrlError::Path),
            ("https://", BaseUrlError::Host(AddressError::NoHost)),
            ("https://ops.example.net:hunter2", BaseUrlError::Host(AddressError::Port)),
            (
                "https://::1/",
                BaseUrlError::Host(AddressError::BareIpv6("::1".parse().expect("IP"))),
            ),
        ] {
            let refused = read(text).expect_err("not a base URL");
            assert_eq!(refused, expected);
            assert!(!refused.to_string().contains("hunter2"));
        }
        assert_eq!(read(&"x".repeat(2049)), Err(BaseUrlError::TooLong(2049)));
    }
}
