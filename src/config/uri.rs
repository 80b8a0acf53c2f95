//! Connection strings in place of an address: `mongodb://user:password@host:port,…/database?option=…`
//!
//! ```text
//! syntax ─► given ─► Uri, which speaks in the words of the section's keys
//! parts,    options that the table knows,
//! decoded   in no conflict with each other
//! ```
//! The rules are those of MongoDB's connection-string and URI-options specifications; where they
//! leave a choice, the safer one is taken. The text is never shown, because it may hold a password.

use std::{path::PathBuf, time::Duration};

use super::{
    Address, Problems,
    login::AuthMechanism,
    said::{Origin, Said},
};
use crate::secret::Secret;

mod given;
mod options;
mod syntax;
#[cfg(test)]
mod tests;
mod value;

use given::{Given, WITH_OR_WITHOUT_KEY};
use options::Subject;
pub(super) use options::{ROWS, UriOption};

/// Fifty members, the most that a replica set has, with the longest names, and some options.
pub(super) const MAX_URI: usize = 16_384;

/// What a connection string says. Paths are as they were written.
pub(super) struct Uri {
    pub(super) line: usize,
    /// At least one.
    pub(super) hosts: Vec<Address>,
    pub(super) username: Option<Said<String>>,
    pub(super) password: Option<Said<Secret>>,
    /// Where the user is looked for unless an authSource says otherwise.
    pub(super) database: Option<String>,
    given: Given,
}

impl Uri {
    /// Reads the URI on a line. `None` after an error was reported that leaves nothing to judge;
    /// other errors are reported beside it.
    pub(super) fn read(text: &Secret, line: usize, problems: &mut Problems) -> Option<Self> {
        let parts = syntax::cut(text.expose())
            .map_err(|error| problems.error(line, "uri", error.to_string()))
            .ok()?;
        let given = Given::read(line, &parts.pairs, parts.late_at, problems);
        if parts.hosts.len() > 1
            && let Some(by) = given.true_flag(Subject::DirectConnection)
        {
            by.error("true is for one host alone, and there are several", problems);
        }
        let (username, password) = match parts.user {
            Some(user) => (Some(user.name), user.password),
            None => (None, None),
        };
        Some(Self {
            line,
            hosts: parts.hosts,
            username: username.map(|value| Said { value, by: Origin::uri(line, "the user") }),
            password: password.map(|value| Said { value, by: Origin::uri(line, "the password") }),
            database: parts.database,
            given,
        })
    }

    /// TLS, where the URI says it itself.
    pub(super) fn tls(&self) -> Option<Said<bool>> {
        self.given.flag(Subject::Tls)
    }

    /// Options that make no sense without TLS: they switch it on unless something says otherwise.
    pub(super) fn about_tls(&self) -> impl Iterator<Item = Origin> {
        self.given.about_tls()
    }

    /// The file of sslTrustedServerCertificates.
    pub(super) fn trusted(&self) -> Option<Said<PathBuf>> {
        self.given.path(Subject::TrustedFile)
    }

    /// The file of sslTrustedServerCrls; `None` inside is that there shall be none.
    pub(super) fn crls(&self) -> Option<Said<Option<PathBuf>>> {
        let none = || self.given.true_flag(Subject::DisableRevocation);
        let file = self.given.path(Subject::CrlFile).map(|said| said.map(Some));
        file.or_else(|| none().map(|by| Said { value: None, by }))
    }

    /// sslRequireValidServerCertificates.
    pub(super) fn require_valid(&self) -> Option<Said<bool>> {
        self.strict(Subject::AllowInvalidCertificates)
    }

    /// The contrary of sslAllowInvalidHostnames.
    pub(super) fn require_name(&self) -> Option<Said<bool>> {
        self.strict(Subject::AllowInvalidHostnames)
    }

    fn strict(&self, relaxed: Subject) -> Option<Said<bool>> {
        let relaxed = self.given.flag(relaxed).or_else(|| self.given.flag(Subject::Insecure));
        relaxed.map(|said| said.map(|relaxed| !relaxed))
    }

    /// The files of the client certificate and of its key, which can be the same.
    pub(super) fn certificate_and_key(&self) -> Option<Said<(PathBuf, PathBuf)>> {
        let both = self.given.path(Subject::CertificateKeyFile);
        let certificate = self.given.path(Subject::CertificateFile);
        let alone = |said: &Said<PathBuf>| said.by.part() == Some(WITH_OR_WITHOUT_KEY);
        match (both, certificate, self.given.path(Subject::PrivateKeyFile)) {
            (Some(both), ..) => Some(both.map(|file| (file.clone(), file))),
            (None, Some(certificate), Some(key)) => {
                Some(certificate.map(|certificate| (certificate, key.value)))
            }
            (None, Some(both), None) if alone(&both) => Some(both.map(|file| (file.clone(), file))),
            _ => None,
        }
    }

    /// sslClientCertificatePassword.
    pub(super) fn key_password(&self) -> Option<Said<Secret>> {
        self.given.secret(Subject::KeyPassword)
    }

    /// authSource, where an option says it.
    pub(super) fn auth_source(&self) -> Option<Said<String>> {
        self.given.source()
    }

    /// authMechanism.
    pub(super) fn mechanism(&self) -> Option<Said<AuthMechanism>> {
        self.given.mechanism()
    }

    /// The limit of a whole connect.
    pub(super) fn dial_timeout(&self) -> Option<Duration> {
        self.given.wait(Subject::ConnectTimeout)
    }

    /// The limit of one command.
    pub(super) fn command_timeout(&self) -> Option<Duration> {
        self.given.wait(Subject::SocketTimeout)
    }
}
