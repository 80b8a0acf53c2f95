//! Passwords and keys, each given in the configuration or in a file of its own.

use std::path::Path;

use super::{
    Problems,
    interpret::Top,
    private_file::PrivateFileError,
    said::{Origin, Said},
    settings::Settings,
};
use crate::secret::Secret;

/// The names of the two keys of one secret.
pub(super) struct SecretKeys {
    pub(super) key: &'static str,
    pub(super) file_key: &'static str,
}

impl SecretKeys {
    /// Where the secret is mentioned, usable or not.
    pub(super) fn origin(&self, settings: &Settings<'_>) -> Option<Origin> {
        settings.origin(self.key).or_else(|| settings.origin(self.file_key))
    }
}

/// The global user with its password, both or none.
pub(super) fn global_login(top: &Top<'_>, problems: &mut Problems) -> Option<(String, Secret)> {
    const USERNAME: &str = "globalAuthUsername";
    const KEYS: SecretKeys =
        SecretKeys { key: "globalAuthPassword", file_key: "globalAuthPasswordFile" };
    let (settings, values) = (&top.settings, &top.values);
    let written = &values.global_auth_password;
    let file = values.global_auth_password_file.as_deref();
    let password = secret(top, settings, &KEYS, (written, file), problems);
    match (settings.origin(USERNAME), KEYS.origin(settings)) {
        (Some(by), None) => {
            let what = "a password is missing, set globalAuthPassword or globalAuthPasswordFile";
            by.error(what, problems);
        }
        (None, Some(by)) => by.error("a user is missing, set globalAuthUsername", problems),
        _ => {}
    }
    values.global_auth_username.clone().zip(password.map(|said| said.value))
}

/// The secret of a key and of the key that names a file; both at once contradict each other.
pub(super) fn secret(
    top: &Top<'_>,
    settings: &Settings<'_>,
    SecretKeys { key, file_key }: &SecretKeys,
    (written, file): (&Option<Secret>, Option<&Path>),
    problems: &mut Problems,
) -> Option<Said<Secret>> {
    let Some(by) = settings.origin(file_key) else {
        return settings.said(key, written.clone());
    };
    let mut refuse = |what: String| problems.error(by.line, settings.spelled(file_key), what);
    if let Some(other) = settings.line(key) {
        let key = settings.spelled(key);
        refuse(format!("{key} is set on line {other} too, keep one of them"));
        return None;
    }
    let file = file?;
    match (top.surroundings.read_secret)(&top.path(file)) {
        Ok(value) => Some(Said { value, by }),
        Err(error) => {
            // The path is not shown: a password written beside the wrong key would be.
            let relative = matches!(error, PrivateFileError::Unreadable(_)) && file.is_relative();
            let place = if relative { ", looked for beside this file" } else { "" };
            refuse(format!("{error}{place}"));
            None
        }
    }
}
