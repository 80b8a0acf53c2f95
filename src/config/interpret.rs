//! What the settings mean together.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::{
    ClientIdentity, Config, LogLevel, Problems, TrustSource,
    base_url::BaseUrl,
    credentials::global_login,
    destination, hosts, identity,
    keys::Place,
    private_file::PrivateFileError,
    reader::Document,
    settings::Settings,
    value::{Flag, Listen},
};
use crate::secret::Secret;

/// What a configuration depends on beside its own bytes.
pub(super) struct Surroundings<'a> {
    /// Reads the password or key in a file.
    pub(super) read_secret: &'a dyn Fn(&Path) -> Result<Secret, PrivateFileError>,
    /// The name of this machine.
    pub(super) machine: &'a str,
}

/// What stands above the first section, and what every later step needs to know of it.
pub(super) struct Top<'a> {
    pub(super) settings: Settings<'a>,
    pub(super) values: TopValues,
    /// The user of every host that has none of its own.
    pub(super) login: Option<(String, Secret)>,
    /// The certificate shown to every host that has none of its own.
    pub(super) identity: Option<ClientIdentity>,
    pub(super) surroundings: &'a Surroundings<'a>,
    folder: &'a Path,
}

/// The keys above the first section; those without a default are optional.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TopValues {
    pub(super) hosts: Option<String>,
    pub(super) poll_interval_secs: u64,
    pub(super) command_timeout_secs: u64,
    pub(super) dial_timeout_seconds: u64,
    pub(super) use_ssl_for_all_connections: Flag,
    pub(super) ssl_trusted_server_certificates: Option<PathBuf>,
    pub(super) ssl_require_valid_server_certificates: Flag,
    pub(super) ssl_trusted_server_crls: Option<PathBuf>,
    pub(super) ssl_allow_invalid_hostnames: Flag,
    pub(super) ssl_client_certificate: Option<PathBuf>,
    pub(super) ssl_client_certificate_password: Option<Secret>,
    pub(super) ssl_client_certificate_password_file: Option<PathBuf>,
    pub(super) global_auth_username: Option<String>,
    pub(super) global_auth_password: Option<Secret>,
    pub(super) global_auth_password_file: Option<PathBuf>,
    prometheus_listen_address: Listen,
    pub(super) mms_base_url: Option<BaseUrl>,
    pub(super) mms_group_id: Option<String>,
    pub(super) mms_api_key: Option<Secret>,
    pub(super) mms_api_key_file: Option<PathBuf>,
    #[serde(rename = "sslTrustedMMSServerCertificate")]
    pub(super) ssl_trusted_mms_server_certificate: Option<PathBuf>,
    #[serde(rename = "sslRequireValidMMSServerCertificates")]
    pub(super) ssl_require_valid_mms_server_certificates: Flag,
    pub(super) ssl_server_client_certificate: Option<PathBuf>,
    pub(super) ssl_server_client_certificate_password: Option<Secret>,
    pub(super) ssl_server_client_certificate_password_file: Option<PathBuf>,
    state_directory: PathBuf,
    stop_grace_secs: u64,
    log_level: LogLevel,
}

/// Builds the configuration. `None` only after an error was reported; errors may have been
/// reported beside a configuration, which must not be used then.
pub(super) fn interpret(
    file: &Path,
    document: &Document,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Config> {
    let settings = Settings::check(Place::Top, &document.global, problems);
    let values = values(&settings, problems)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut top = Top { settings, values, login: None, identity: None, surroundings, folder };
    top.login = global_login(&top, problems);
    top.identity = identity::for_hosts(&top, problems);
    top.warn_of_empty_trust("sslTrustedServerCertificates", problems);
    top.warn_of_empty_trust("sslTrustedMMSServerCertificate", problems);
    let hosts = hosts::hosts(&top, &document.sections, problems);
    let destinations = destination::mms(&top, problems).into_iter().collect();
    Some(Config {
        file: file.to_owned(),
        hosts,
        listen: top.values.prometheus_listen_address.0,
        destinations,
        state_directory: top.path(&top.values.state_directory),
        stop_grace: Duration::from_secs(top.values.stop_grace_secs),
        log_level: top.values.log_level,
    })
}

/// The values of a part of the file; `None` after an error was reported.
pub(super) fn values<T: serde::de::DeserializeOwned>(
    settings: &Settings<'_>,
    problems: &mut Problems,
) -> Option<T> {
    // The tests hold every row against its field, so this is a safety net.
    let values = settings.values();
    values.map_err(|error| problems.file_error("", format!("please report this: {error}"))).ok()
}

impl Top<'_> {
    /// A path as it is meant: relative ones start at the folder of the configuration file.
    pub(super) fn path(&self, written: &Path) -> PathBuf {
        self.folder.join(written)
    }

    /// Whom to trust when `file` was configured.
    pub(super) fn trust(&self, file: Option<&Path>) -> TrustSource {
        file.map_or(TrustSource::System, |file| TrustSource::File(self.path(file)))
    }

    fn warn_of_empty_trust(&self, key: &'static str, problems: &mut Problems) {
        if let Some(line) = self.settings.empty(key) {
            let what = "empty, so every authority in the system's trust store is trusted, name a \
                        file to trust its certificates alone";
            problems.warn(line, self.settings.spelled(key), what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::settings::tests::every_served_key, *};

    #[test]
    fn every_row_of_the_key_table_has_its_field_and_every_field_its_row() {
        let mut problems = Problems::new(Path::new("f"));
        for entries in [every_served_key(Place::Top), Vec::new()] {
            let settings = Settings::check(Place::Top, &entries, &mut problems);
            assert_eq!(settings.values::<TopValues>().map(drop), Ok(()));
        }
        assert_eq!(problems.errors(), []);
    }
}
