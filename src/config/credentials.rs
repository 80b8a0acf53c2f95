//! Passwords and keys, each given in the configuration or in a file of its own.

use std::path::Path;

use super::{Problems, interpret::Top, private_file::PrivateFileError, settings::Settings};
use crate::secret::Secret;

/// The names of the keys of a login.
pub(super) struct LoginKeys {
    pub(super) username: &'static str,
    pub(super) password: &'static str,
    pub(super) password_file: &'static str,
}

/// A user with a password, both or none.
pub(super) fn login(
    top: &Top<'_>,
    settings: &Settings<'_>,
    keys: &LoginKeys,
    (username, password, file): (&Option<String>, &Option<Secret>, Option<&Path>),
    problems: &mut Problems,
) -> Option<(String, Secret)> {
    let LoginKeys { username: user_key, password: key, password_file: file_key } = *keys;
    let secret = secret(top, settings, (key, password), (file_key, file), problems);
    let secret_line = [key, file_key].into_iter().find_map(|key| Some((settings.line(key)?, key)));
    match (settings.line(user_key), secret_line) {
        (Some(line), None) => {
            problems.error(
                line,
                user_key,
                format!("a password is missing, set {key} or {file_key}"),
            );
        }
        (None, Some((line, key))) => {
            problems.error(line, key, format!("a user is missing, set {user_key}"));
        }
        _ => {}
    }
    username.clone().zip(secret)
}

/// The secret of a key and of the key that names a file; both at once contradict each other.
pub(super) fn secret(
    top: &Top<'_>,
    settings: &Settings<'_>,
    (key, written): (&str, &Option<Secret>),
    (file_key, file): (&str, Option<&Path>),
    problems: &mut Problems,
) -> Option<Secret> {
    let Some(line) = settings.line(file_key) else { return written.clone() };
    if let Some(other) = settings.line(key) {
        let what = format!("{key} is set on line {other} too, keep one of them");
        problems.error(line, file_key, what);
        return None;
    }
    let file = file?;
    let read = (top.surroundings.read_secret)(&top.path(file));
    read.map_err(|error| {
        // The path is not shown: a password written beside the wrong key would be.
        let relative = matches!(error, PrivateFileError::Unreadable(_)) && file.is_relative();
        let place = if relative { ", looked for beside this file" } else { "" };
        problems.error(line, file_key, format!("{error}{place}"));
    })
    .ok()
}
