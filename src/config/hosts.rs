//! The hosts: those of the list and those with a section, each once.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use super::{
    Address, Host, Problems,
    address::MONGODB_PORT,
    interpret::Top,
    reader::Section,
    section::{of_list, of_section},
};

/// The name becomes a label on every series; a DNS name with a port has at most 259 characters. A
/// host of a URI with several has its address behind it.
const MAX_NAME: usize = 260;

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
                    or a [host NAME] section with an address or a uri";
        match top.settings.empty("hosts") {
            Some(line) => problems.error(line, "hosts", what),
            None => problems.file_error("hosts", what),
        }
    }
    warn_without_tls(top, &fleet.hosts, problems);
    fleet.hosts
}

/// The hosts with their names and servers, so that nothing is watched twice.
#[derive(Default)]
pub(super) struct Fleet {
    pub(super) hosts: Vec<Host>,
    /// The line of each name.
    names: HashMap<Arc<str>, usize>,
    /// The line of each server.
    servers: HashMap<(String, u16), usize>,
}

impl Fleet {
    /// Whether nobody has this name yet; reports it if not.
    pub(super) fn claim_name(
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

    /// Whether nobody watches this server yet; reports it if somebody does.
    pub(super) fn claim_server(
        &mut self,
        address: &Address,
        line: usize,
        key: &str,
        problems: &mut Problems,
    ) -> bool {
        let first = claim(&mut self.servers, address.identity(), line);
        if let Some(first) = first {
            let what = format!("{address} is configured twice, {}", first_on(first, line));
            problems.error(line, key, what);
        }
        first.is_none()
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
        let what = "a URI does not belong here, write host or host:port, or the URI as uri in a \
                    [host NAME] section";
        return problems.error(line, KEY, what);
    }
    let Some(template) = of_list(top, problems) else { return };
    for (index, item) in list.split(',').map(str::trim).enumerate() {
        match Address::parse(item, MONGODB_PORT) {
            Ok(address) => {
                // The name is the address, so that it is told once if it stands here twice.
                let name = Arc::from(address.to_string());
                fleet.names.insert(Arc::clone(&name), line);
                if fleet.claim_server(&address, line, KEY, problems) {
                    fleet.hosts.push(template.host(name, address));
                }
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

fn warn_without_tls(top: &Top<'_>, hosts: &[Host], problems: &mut Problems) {
    if hosts.is_empty() || hosts.iter().any(|host| host.tls.is_some()) {
        return;
    }
    for key in ["sslTrustedServerCertificates", "sslTrustedServerCrls", "sslClientCertificate"] {
        if let Some(by) = top.settings.origin(key) {
            let what = "without effect, no host is watched with TLS, write \
                        useSslForAllConnections = true, or ssl = true in a [host NAME] section";
            by.warn(what, problems);
        }
    }
}
