//! What a `[host NAME]` section says: one host by its address, or those of its URI.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    Address, Host, Login, Problems,
    encryption::{Encryption, encryption},
    hosts::Fleet,
    interpret::{Top, values},
    keys::Place,
    login::{AuthMechanism, login},
    reader::Section,
    settings::Settings,
    uri::Uri,
    value::{Flag, HostAddress, Ssl},
};
use crate::secret::Secret;

/// The keys of a section. What is also a key above the sections has no default here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HostValues {
    address: Option<HostAddress>,
    uri: Option<Secret>,
    pub(super) ssl: Ssl,
    pub(super) scram_without_tls: Flag,
    pub(super) ssl_trusted_server_certificates: Option<PathBuf>,
    pub(super) ssl_trusted_server_crls: Option<PathBuf>,
    pub(super) ssl_require_valid_server_certificates: Option<Flag>,
    pub(super) ssl_allow_invalid_hostnames: Option<Flag>,
    pub(super) ssl_client_certificate: Option<PathBuf>,
    pub(super) ssl_client_certificate_password: Option<Secret>,
    pub(super) ssl_client_certificate_password_file: Option<PathBuf>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) auth_source: String,
    pub(super) auth_mechanism: Option<AuthMechanism>,
    poll_interval_secs: Option<u64>,
}

/// Adds the hosts of a section to the fleet.
pub(super) fn of_section(
    top: &Top<'_>,
    name: &str,
    section: &Section,
    fleet: &mut Fleet,
    problems: &mut Problems,
) {
    let name = Arc::from(name);
    let unique = fleet.claim_name(&name, section.line, "", problems);
    let settings = Settings::check(Place::Host, &section.entries, problems);
    let Some(values) = values::<HostValues>(&settings, problems) else { return };
    let uri = values.uri.as_ref().zip(settings.line("uri"));
    let read = uri.and_then(|(text, line)| Uri::read(text, line, problems));
    if read.is_none() && settings.line("uri").is_some() {
        // Without the half that is missing, the other half would only be misjudged.
        return;
    }
    let template = host(top, &settings, &values, read.as_ref(), problems);
    let Some(servers) = servers(&name, section.line, &settings, values, read, problems) else {
        return;
    };
    if unique {
        admit(&name, template, servers, fleet, problems);
    }
}

/// The servers of a section, with the line and the key that name them.
struct Servers {
    addresses: Vec<Address>,
    line: usize,
    key: &'static str,
}

/// Either key, but one of them.
fn servers(
    name: &str,
    header: usize,
    settings: &Settings<'_>,
    values: HostValues,
    uri: Option<Uri>,
    problems: &mut Problems,
) -> Option<Servers> {
    match (settings.line("address"), uri) {
        (None, None) => {
            let what = format!(
                "[host {name}] has no address, write address = host:port, or uri = mongodb://host:port"
            );
            problems.error(header, "address", what);
            None
        }
        (Some(other), Some(uri)) => {
            let what = format!("address on line {other} names a server too, keep one of them");
            problems.error(uri.line, "uri", what);
            None
        }
        (None, Some(uri)) => Some(Servers { addresses: uri.hosts, line: uri.line, key: "uri" }),
        (Some(line), None) => {
            let HostAddress(address) = values.address?;
            Some(Servers { addresses: vec![address], line, key: "address" })
        }
    }
}

/// One host of each server. A single one has the section's name, several are told apart.
fn admit(
    name: &Arc<str>,
    template: Template,
    Servers { addresses, line, key }: Servers,
    fleet: &mut Fleet,
    problems: &mut Problems,
) {
    let single = addresses.len() == 1;
    for address in addresses {
        let name = if single { Arc::clone(name) } else { format!("{name}/{address}").into() };
        if fleet.claim_server(&address, line, key, problems)
            && (single || fleet.claim_name(&name, line, key, problems))
        {
            fleet.hosts.push(template.host(name, address));
        }
    }
}

/// A host without its name and address.
pub(super) struct Template(Host);

impl Template {
    pub(super) fn host(&self, name: Arc<str>, address: Address) -> Host {
        Host { name, address, ..self.0.clone() }
    }
}

/// The template of the hosts that nothing but the keys above the sections describes.
pub(super) fn of_list(top: &Top<'_>, problems: &mut Problems) -> Option<Template> {
    let nothing = Settings::check(Place::Host, &[], problems);
    let values = values::<HostValues>(&nothing, problems)?;
    Some(host(top, &nothing, &values, None, problems))
}

fn host(
    top: &Top<'_>,
    settings: &Settings<'_>,
    values: &HostValues,
    uri: Option<&Uri>,
    problems: &mut Problems,
) -> Template {
    let above = &top.values;
    let Encryption { tls, prefer } = encryption(top, settings, values, uri, problems);
    let login = login(top, settings, values, uri, tls.as_ref(), problems);
    if let Some(by) = settings.origin("scramWithoutTls")
        && prefer.is_some_and(|prefer| prefer.scram_without_tls)
        && !matches!(login, Some(Login::Scram(_)))
    {
        by.warn("without effect, this host does not log in by SCRAM", problems);
    }
    let interval = values.poll_interval_secs.unwrap_or(above.poll_interval_secs);
    let command = || Duration::from_secs(above.command_timeout_secs);
    let dial = || Duration::from_secs(above.dial_timeout_seconds);
    Template(Host {
        name: Arc::from(""),
        address: Address { host: String::new(), port: 0 },
        tls,
        prefer,
        login,
        poll_interval: Duration::from_secs(interval),
        command_timeout: uri.and_then(Uri::command_timeout).unwrap_or_else(command),
        dial_timeout: uri.and_then(Uri::dial_timeout).unwrap_or_else(dial),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::settings::tests::every_served_key, *};

    #[test]
    fn every_row_of_the_key_table_has_its_field_and_every_field_its_row() {
        let mut problems = Problems::new(Path::new("f"));
        for entries in [every_served_key(Place::Host), Vec::new()] {
            let settings = Settings::check(Place::Host, &entries, &mut problems);
            assert_eq!(settings.values::<HostValues>().map(drop), Ok(()));
        }
        assert_eq!(problems.errors(), []);
    }
}
