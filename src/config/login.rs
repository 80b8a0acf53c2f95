//! How the agent logs in on one host: by what its section and its URI say, or as the global user.

use serde::Deserialize;

use super::{
    Login, Problems, ScramLogin, TlsPolicy,
    credentials::{self, SecretKeys},
    interpret::Top,
    said::{Origin, Said, agreed},
    section::HostValues,
    settings::Settings,
    uri::Uri,
};
use crate::{mongo::scram::Mechanism, secret::Secret};

/// Where the users of certificates live.
const EXTERNAL: &str = "$external";

/// The values of `authMechanism`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum AuthMechanism {
    /// By a password.
    Scram(Mechanism),
    /// By the client certificate.
    Certificate,
}

impl AuthMechanism {
    /// Reads a name in whatever capitals.
    ///
    /// # Errors
    /// The words for the operator, without the text.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_uppercase().as_str() {
            "SCRAM-SHA-1" => Ok(Self::Scram(Mechanism::Sha1)),
            "SCRAM-SHA-256" => Ok(Self::Scram(Mechanism::Sha256)),
            "MONGODB-X509" => Ok(Self::Certificate),
            "PLAIN" => Err("this version does not have PLAIN yet, write SCRAM-SHA-1, \
                            SCRAM-SHA-256 or MONGODB-X509"),
            "GSSAPI" => Err("this version does not have GSSAPI (Kerberos) yet, write \
                             SCRAM-SHA-1, SCRAM-SHA-256 or MONGODB-X509"),
            "MONGODB-CR" => Err("MongoDB 4.0 did away with MONGODB-CR, write SCRAM-SHA-1"),
            _ => Err("expected SCRAM-SHA-1, SCRAM-SHA-256 or MONGODB-X509"),
        }
    }
}

impl TryFrom<String> for AuthMechanism {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text)
    }
}

/// What a section and its URI say of the login.
struct Own {
    username: Option<Said<String>>,
    password: Option<Said<Secret>>,
    /// Where they are mentioned, usable or not.
    user_by: Option<Origin>,
    password_by: Option<Origin>,
    mechanism: Option<Said<AuthMechanism>>,
    source: Option<Said<String>>,
    /// The source where nothing is said.
    default_source: String,
}

/// The login of a host with this policy; `tls` is none when nothing is encrypted.
pub(super) fn login(
    top: &Top<'_>,
    settings: &Settings<'_>,
    values: &HostValues,
    uri: Option<&Uri>,
    tls: Option<&TlsPolicy>,
    problems: &mut Problems,
) -> Option<Login> {
    let own = own(top, settings, values, uri, problems);
    match own.mechanism {
        Some(Said { value: AuthMechanism::Certificate, by }) => {
            Some(by_certificate(own, by, tls, problems))
        }
        _ => by_password(top, own, problems),
    }
}

fn own(
    top: &Top<'_>,
    settings: &Settings<'_>,
    values: &HostValues,
    uri: Option<&Uri>,
    problems: &mut Problems,
) -> Own {
    const KEYS: SecretKeys = SecretKeys { key: "password", file_key: "passwordFile" };
    let said = |name, value: &Option<String>| settings.said(name, value.clone());
    let file = values.password_file.as_deref();
    let password = credentials::secret(top, settings, &KEYS, (&values.password, file), problems);
    let uri_password = uri.and_then(|uri| uri.password.clone());
    let uri_user = uri.and_then(|uri| uri.username.clone());
    let mechanism = settings.said("authMechanism", values.auth_mechanism);
    let source = settings.said("authSource", Some(values.auth_source.clone()));
    Own {
        user_by: settings.origin("username").or_else(|| Some(uri_user.as_ref()?.by)),
        password_by: KEYS.origin(settings).or_else(|| Some(uri_password.as_ref()?.by)),
        username: agreed(said("username", &values.username), uri_user, problems),
        password: agreed(password, uri_password, problems),
        mechanism: agreed(mechanism, uri.and_then(Uri::mechanism), problems),
        source: agreed(source, uri.and_then(Uri::auth_source), problems),
        default_source: uri
            .and_then(|uri| uri.database.clone())
            .unwrap_or_else(|| values.auth_source.clone()),
    }
}

/// MONGODB-X509: the certificate that the connection shows is all of it.
fn by_certificate(own: Own, by: Origin, tls: Option<&TlsPolicy>, problems: &mut Problems) -> Login {
    match tls {
        None => by.error("MONGODB-X509 needs TLS, write ssl = true", problems),
        Some(TlsPolicy { identity: None, .. }) => {
            by.error("MONGODB-X509 needs a client certificate, set sslClientCertificate", problems);
        }
        Some(_) => {}
    }
    if let Some(password) = own.password_by {
        let what = "MONGODB-X509 knows no password, the certificate stands for it: remove it";
        password.error(what, problems);
    }
    if let Some(Said { by, .. }) = own.source.filter(|source| source.value != EXTERNAL) {
        by.error("users of MONGODB-X509 live on $external, remove it", problems);
    }
    Login::Certificate { username: own.username.map(|username| username.value) }
}

fn by_password(top: &Top<'_>, own: Own, problems: &mut Problems) -> Option<Login> {
    match (own.user_by, own.password_by) {
        (Some(user), None) => {
            user.error("a password is missing, set password or passwordFile", problems);
        }
        (None, Some(password)) => password.error("a user is missing, set username", problems),
        _ => {}
    }
    let external = own.source.as_ref().filter(|source| source.value == EXTERNAL);
    if let Some(Said { by, .. }) = external {
        let what = "$external holds no users with passwords, write the database that the user was \
                    created on";
        by.error(what, problems);
    }
    let pair = own.username.zip(own.password).map(|(user, password)| (user.value, password.value));
    let Some((username, password)) = pair.or_else(|| top.login.clone()) else {
        if own.user_by.or(own.password_by).is_none() {
            without_user(own.mechanism, own.source, problems);
        }
        return None;
    };
    let mechanism = match own.mechanism {
        Some(Said { value: AuthMechanism::Scram(mechanism), .. }) => Some(mechanism),
        _ => None,
    };
    let auth_source = own.source.map_or(own.default_source, |source| source.value);
    Some(Login::Scram(ScramLogin { username, password, auth_source, mechanism }))
}

/// Who asks for a mechanism believes that there is a login.
fn without_user(
    mechanism: Option<Said<AuthMechanism>>,
    source: Option<Said<String>>,
    problems: &mut Problems,
) {
    if let Some(Said { by, .. }) = mechanism {
        by.error("this host has no user, set username and password", problems);
    }
    if let Some(Said { by, .. }) = source.filter(|source| source.value != EXTERNAL) {
        by.warn("without effect, this host has no user", problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mechanism_is_spoken_or_refused_in_its_own_words() {
        assert_eq!(AuthMechanism::read("scram-sha-1"), Ok(AuthMechanism::Scram(Mechanism::Sha1)));
        let sha256 = AuthMechanism::Scram(Mechanism::Sha256);
        assert_eq!(AuthMechanism::read("SCRAM-SHA-256"), Ok(sha256));
        assert_eq!(AuthMechanism::read("MONGODB-X509"), Ok(AuthMechanism::Certificate));
        for (name, word) in [
            ("PLAIN", "this version does not have PLAIN yet"),
            ("GSSAPI", "this version does not have GSSAPI (Kerberos) yet"),
            ("MONGODB-CR", "did away with MONGODB-CR"),
            ("MONGODB-AWS", "expected SCRAM-SHA-1, SCRAM-SHA-256 or MONGODB-X509"),
            ("", "expected SCRAM-SHA-1"),
        ] {
            let refused = AuthMechanism::read(name).expect_err("not spoken");
            assert!(refused.contains(word), "{name}: {refused}");
        }
    }
}
