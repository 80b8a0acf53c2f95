//! The hosts: those of the list and those with a section, each once.

use std::{
    collections::{HashMap, hash_map},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;

use super::{
    Address, Host, Login, Problems, TlsPolicy,
    address::MONGODB_PORT,
    credentials::{self, LoginKeys},
    interpret::{Top, values},
    keys::Place,
    reader::Section,
    settings::Settings,
    value::{Flag, HostAddress, Ssl},
};
use crate::secret::Secret;

/// The name becomes a label on every series; a DNS name with a port has at most 259 characters.
const MAX_NAME: usize = 260;

/// The keys of a `[host NAME]` section. What is also a key above the sections has no default here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HostValues {
    address: Option<HostAddress>,
    ssl: Ssl,
    ssl_trusted_server_certificates: Option<PathBuf>,
    ssl_require_valid_server_certificates: Option<Flag>,
    username: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    auth_source: String,
    poll_interval_secs: Option<u64>,
}

/// All hosts, those of the list first.
pub(super) fn hosts(top: &Top<'_>, sections: &[Section], problems: &mut Problems) -> Vec<Host> {
    let mut fleet = Fleet::default();
    listed(top, &mut fleet, problems);
    for section in sections {
        if let Some(name) = host_name(section, problems) {
            of_section(top, name, section, &mut fleet, problems);
        }
    }
    if sections.is_empty() && top.settings.line("hosts").is_none() {
        let what = "no host is configured, write hosts = db1.example.net, db2.example.net:27018, \
                    or a [host NAME] section with an address";
        match top.settings.empty("hosts") {
            Some(line) => problems.error(line, "hosts", what),
            None => problems.file_error("hosts", what),
        }
    }
    warn_of_unused_trust(top, &fleet.hosts, problems);
    fleet.hosts
}

/// The hosts with their names and servers, so that nothing is watched twice.
#[derive(Default)]
struct Fleet {
    hosts: Vec<Host>,
    /// The line of each name.
    names: HashMap<Arc<str>, usize>,
    /// The line of each server.
    servers: HashMap<(String, u16), usize>,
}

impl Fleet {
    /// Whether nobody has this name yet; reports it if not.
    fn claim_name(
        &mut self,
        name: &Arc<str>,
        line: usize,
        key: &str,
        problems: &mut Problems,
    ) -> bool {
        let first = claim(&mut self.names, Arc::clone(name), line);
        if let Some(first) = first {
            let what = format!("two hosts are named {name}, {}", first_on(first, line));
            problems.error(line, key, what);
        }
        first.is_none()
    }

    /// Adds a host unless its server has another name already.
    fn admit(&mut self, host: Host, line: usize, key: &str, problems: &mut Problems) {
        match claim(&mut self.servers, host.address.identity(), line) {
            None => self.hosts.push(host),
            Some(first) => {
                let what =
                    format!("{} is configured twice, {}", host.address, first_on(first, line));
                problems.error(line, key, what);
            }
        }
    }
}

/// Notes the line of something that must be unique, or returns the line that has it already.
fn claim<K: std::hash::Hash + Eq>(
    taken: &mut HashMap<K, usize>,
    what: K,
    line: usize,
) -> Option<usize> {
    match taken.entry(what) {
        hash_map::Entry::Occupied(first) => Some(*first.get()),
        hash_map::Entry::Vacant(place) => {
            place.insert(line);
            None
        }
    }
}

fn first_on(first: usize, line: usize) -> String {
    if first == line { "on this line".to_owned() } else { format!("first on line {first}") }
}

/// The hosts of the list are hosts whose section is empty.
fn listed(top: &Top<'_>, fleet: &mut Fleet, problems: &mut Problems) {
    const KEY: &str = "hosts";
    let Some((list, line)) = top.values.hosts.as_deref().zip(top.settings.line(KEY)) else {
        return;
    };
    // A comma may stand in a password, so a URI is refused before the list is cut and shown.
    if list.contains("://") || list.contains('@') {
        let what = "a URI does not belong here, write host or host:port, and the user in \
                    globalAuthUsername and globalAuthPassword or in a [host NAME] section";
        return problems.error(line, KEY, what);
    }
    let nothing = Settings::check(Place::Host, &[], problems);
    let Some(values) = values::<HostValues>(&nothing, problems) else { return };
    for (index, item) in list.split(',').map(str::trim).enumerate() {
        match Address::parse(item, MONGODB_PORT) {
            Ok(address) => {
                // The name is the address, so that it is told once if it stands here twice.
                let name = Arc::from(address.to_string());
                fleet.names.insert(Arc::clone(&name), line);
                let host = host(top, name, address, &values, None);
                fleet.admit(host, line, KEY, problems);
            }
            Err(_) if item.is_empty() => {
                let what = format!("item {} of the list is empty, remove its comma", index + 1);
                problems.error(line, KEY, what);
            }
            Err(error) => {
                let item = super::value::shown(item);
                problems.error(line, KEY, format!("{item}: {error}"));
            }
        }
    }
}

/// The NAME of a `[host NAME]` section; `None` after an error was reported.
fn host_name<'a>(section: &'a Section, problems: &mut Problems) -> Option<&'a str> {
    let header = section.header.as_deref()?;
    let (word, name) = header.split_once(char::is_whitespace).unwrap_or((header, ""));
    let name = name.trim();
    // The text of a strange header is not shown: it may be anything.
    let what = match word {
        "collect" | "upload" => {
            format!("this version does not have [{word}] sections yet, remove it")
        }
        "host" if name.is_empty() => "the host has no name, write [host NAME]".to_owned(),
        "host" if name.contains("://") => "NAME is a URI, write a plain name".to_owned(),
        "host" if name.len() > MAX_NAME => {
            format!("NAME has {} bytes, the limit is {MAX_NAME}", name.len())
        }
        "host" if name.chars().any(char::is_control) => {
            "NAME contains a control character, write a plain name".to_owned()
        }
        "host" => return Some(name),
        _ => "unknown section, write [host NAME]".to_owned(),
    };
    problems.error(section.line, "", what);
    None
}

fn of_section(
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
    check_ssl(top, &settings, &values, problems);
    check_trust(top, &settings, problems);
    let own = own_login(top, &settings, &values, problems);
    let Some(line) = settings.line("address") else {
        // Instead of an address there may be a URI, which was refused already.
        if settings.line("uri").is_none() {
            let what = format!("[host {name}] has no address, write address = host:port");
            problems.error(section.line, "address", what);
        }
        return;
    };
    if let Some(HostAddress(address)) = values.address.clone().filter(|_| unique) {
        let host = host(top, name, address, &values, own);
        warn_without_effect(&host, &settings, problems);
        fleet.admit(host, line, "address", problems);
    }
}

/// `useSslForAllConnections` means all, and nothing falls back to plaintext by itself.
fn check_ssl(top: &Top<'_>, settings: &Settings<'_>, values: &HostValues, problems: &mut Problems) {
    let Some(line) = settings.line("ssl") else { return };
    let all = top.settings.line("useSslForAllConnections");
    match (values.ssl, all) {
        (Ssl::Never | Ssl::Prefer, Some(all)) if top.values.use_ssl_for_all_connections.0 => {
            let what = format!(
                "contradicts useSslForAllConnections = true on line {all}, which means all hosts: \
                 set it to false and ssl = true per host to make exceptions"
            );
            problems.error(line, "ssl", what);
        }
        (Ssl::Prefer, _) => {
            let what = "this version does not have prefer yet, write true or false";
            problems.error(line, "ssl", what);
        }
        _ => {}
    }
}

fn check_trust(top: &Top<'_>, settings: &Settings<'_>, problems: &mut Problems) {
    const KEY: &str = "sslTrustedServerCertificates";
    if let Some(line) = settings.empty(KEY) {
        let what = match top.settings.line(KEY) {
            Some(above) => format!("empty, so the file of line {above} applies to this host too"),
            None => "empty, so every authority in the system's trust store is trusted for this \
                     host, name a file to trust its certificates alone"
                .to_owned(),
        };
        problems.warn(line, KEY, what);
    }
}

/// The section's own user.
fn own_login(
    top: &Top<'_>,
    settings: &Settings<'_>,
    values: &HostValues,
    problems: &mut Problems,
) -> Option<(String, Secret)> {
    const KEYS: LoginKeys =
        LoginKeys { username: "username", password: "password", password_file: "passwordFile" };
    let file = values.password_file.as_deref();
    credentials::login(top, settings, &KEYS, (&values.username, &values.password, file), problems)
}

fn host(
    top: &Top<'_>,
    name: Arc<str>,
    address: Address,
    values: &HostValues,
    own_login: Option<(String, Secret)>,
) -> Host {
    let above = &top.values;
    let trusted = values.ssl_trusted_server_certificates.as_deref();
    let trusted = trusted.or(above.ssl_trusted_server_certificates.as_deref());
    let valid = values.ssl_require_valid_server_certificates;
    let valid = valid.unwrap_or(above.ssl_require_valid_server_certificates);
    let encrypted = above.use_ssl_for_all_connections.0 || values.ssl == Ssl::Always;
    let interval = values.poll_interval_secs.unwrap_or(above.poll_interval_secs);
    Host {
        name,
        address,
        tls: encrypted.then(|| TlsPolicy::new(top.trust(trusted), valid.0)),
        prefer: None,
        login: own_login
            .or_else(|| top.login.clone())
            .map(|(username, password)| Login::scram(&username, password, &values.auth_source)),
        poll_interval: Duration::from_secs(interval),
        command_timeout: Duration::from_secs(above.command_timeout_secs),
        dial_timeout: Duration::from_secs(above.dial_timeout_seconds),
    }
}

/// Settings that somebody may believe to be in force.
fn warn_without_effect(host: &Host, settings: &Settings<'_>, problems: &mut Problems) {
    let keys = ["sslTrustedServerCertificates", "sslRequireValidServerCertificates"];
    for (line, key) in keys.into_iter().filter_map(|key| Some((settings.line(key)?, key))) {
        if host.tls.is_none() {
            let what = "without effect, this host is watched without TLS, write ssl = true";
            problems.warn(line, key, what);
        }
    }
    if let (Some(line), None) = (settings.line("authSource"), &host.login) {
        problems.warn(line, "authSource", "without effect, this host has no user");
    }
}

fn warn_of_unused_trust(top: &Top<'_>, hosts: &[Host], problems: &mut Problems) {
    const KEY: &str = "sslTrustedServerCertificates";
    let plaintext = !hosts.is_empty() && hosts.iter().all(|host| host.tls.is_none());
    if let Some(line) = top.settings.line(KEY).filter(|_| plaintext) {
        let what = "without effect, no host is watched with TLS, write useSslForAllConnections = \
                    true, or ssl = true in a [host NAME] section";
        problems.warn(line, KEY, what);
    }
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
