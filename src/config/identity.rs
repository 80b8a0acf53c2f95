//! The agent's own certificates: shown to all hosts, to one host, and to the management server.

use std::path::{Path, PathBuf};

use super::{
    ClientIdentity, Problems,
    credentials::{self, SecretKeys},
    interpret::Top,
    said::{Said, agreed},
    section::HostValues,
    settings::Settings,
    uri::Uri,
};
use crate::secret::Secret;

/// The names of the keys of one certificate.
struct IdentityKeys {
    certificate: &'static str,
    password: SecretKeys,
}

/// The same names above the sections and in a section.
const OF_HOSTS: IdentityKeys = IdentityKeys {
    certificate: "sslClientCertificate",
    password: SecretKeys {
        key: "sslClientCertificatePassword",
        file_key: "sslClientCertificatePasswordFile",
    },
};

const OF_MANAGEMENT_SERVER: IdentityKeys = IdentityKeys {
    certificate: "sslServerClientCertificate",
    password: SecretKeys {
        key: "sslServerClientCertificatePassword",
        file_key: "sslServerClientCertificatePasswordFile",
    },
};

/// The certificate for every host that has none of its own.
pub(super) fn for_hosts(top: &Top<'_>, problems: &mut Problems) -> Option<ClientIdentity> {
    let values = &top.values;
    let certificate = values.ssl_client_certificate.as_deref();
    let password = &values.ssl_client_certificate_password;
    let file = values.ssl_client_certificate_password_file.as_deref();
    above_the_sections(top, &OF_HOSTS, certificate, (password, file), problems)
}

/// The certificate for the management server.
pub(super) fn for_management_server(
    top: &Top<'_>,
    problems: &mut Problems,
) -> Option<ClientIdentity> {
    let values = &top.values;
    let certificate = values.ssl_server_client_certificate.as_deref();
    let password = &values.ssl_server_client_certificate_password;
    let file = values.ssl_server_client_certificate_password_file.as_deref();
    above_the_sections(top, &OF_MANAGEMENT_SERVER, certificate, (password, file), problems)
}

fn above_the_sections(
    top: &Top<'_>,
    keys: &IdentityKeys,
    certificate: Option<&Path>,
    password: (&Option<Secret>, Option<&Path>),
    problems: &mut Problems,
) -> Option<ClientIdentity> {
    let settings = &top.settings;
    let password = credentials::secret(top, settings, &keys.password, password, problems);
    let SecretKeys { key, file_key } = keys.password;
    let mention = [key, file_key].into_iter().find_map(|key| Some((settings.line(key)?, key)));
    if let (Some((line, key)), None) = (mention, settings.line(keys.certificate)) {
        let what = format!("a client certificate is missing, set {}", keys.certificate);
        problems.error(line, settings.spelled(key), what);
    }
    let certificate = top.path(certificate?);
    let password = password.map(|said| said.value);
    Some(ClientIdentity { key: certificate.clone(), certificate, password })
}

/// The certificate for the hosts of a section: its own, or that for all hosts.
pub(super) fn for_section(
    top: &Top<'_>,
    settings: &Settings<'_>,
    values: &HostValues,
    uri: Option<&Uri>,
    problems: &mut Problems,
) -> Option<ClientIdentity> {
    let keys = &OF_HOSTS;
    let file = values.ssl_client_certificate_password_file.as_deref();
    let password = (&values.ssl_client_certificate_password, file);
    let password = credentials::secret(top, settings, &keys.password, password, problems);
    let uri_password = uri.and_then(Uri::key_password);
    let mention = keys.password.origin(settings).or_else(|| Some(uri_password.as_ref()?.by));
    let password = agreed(password, uri_password, problems);

    let written = settings.said(keys.certificate, values.ssl_client_certificate.clone());
    let written = written.map(|said| said.map(|file| (file.clone(), file)));
    let files = agreed(
        absolute(top, written),
        absolute(top, uri.and_then(Uri::certificate_and_key)),
        problems,
    );
    match (mention, &files) {
        (Some(by), None) if settings.line(keys.certificate).is_none() => {
            let what = "a client certificate is missing, set sslClientCertificate beside it";
            by.error(what, problems);
        }
        _ => {}
    }
    let Some(Said { value: (certificate, key), .. }) = files else { return top.identity.clone() };
    Some(ClientIdentity { certificate, key, password: password.map(|said| said.value) })
}

fn absolute(
    top: &Top<'_>,
    files: Option<Said<(PathBuf, PathBuf)>>,
) -> Option<Said<(PathBuf, PathBuf)>> {
    files.map(|said| said.map(|(certificate, key)| (top.path(&certificate), top.path(&key))))
}
