//! A configuration, certificates and keys that change while the agent runs, on real servers.

use std::{ffi::OsString, fs, path::Path};

use crate::{
    shared::{NEWEST, binary, mongod, replica_set},
    support::{
        agent::Agent,
        certificates::{Authority, Request},
        exposition::Exposition,
        guard::Folder,
        replica_set::MONITOR,
        server::{Server, require_tls},
        settings::Settings,
    },
};

#[test]
fn another_configuration_starts_and_ends_hosts_and_leaves_the_others_connections_alone() {
    let set = replica_set();
    let folder = Folder::create().expect("a folder");
    let hosts = set.hosts();
    let [first, second, third] = hosts.as_slice() else { panic!("three members") };
    let settings = |hosts: &str| {
        Settings::new()
            .set("hosts", hosts)
            .set("useSslForAllConnections", "true")
            .set("sslTrustedServerCertificates", set.authority().display())
            .set("globalAuthUsername", MONITOR.name)
            .set("globalAuthPassword", MONITOR.password)
    };
    let write = |settings: Settings| settings.write(&folder).expect("a file is written");
    let config = write(settings(&format!("{first}, {second}")));
    let mut agent = Agent::start(binary(), &config, &folder).expect("the agent starts");
    until_up(&agent, first);
    until_up(&agent, second);

    write(settings(&format!("{second}, {third}")));
    agent.signal("HUP").expect("a signal is sent");
    until_up(&agent, third);
    let scraped = agent.scrape().expect("a scrape");
    assert_eq!(up(&scraped, first), None, "a host that is gone is forgotten");
    assert_eq!(connections(&scraped, second), Some(1.0), "its connection was left alone");
    assert_eq!(value(&scraped, "monitoring_agent_hosts"), Some(2.0));

    write(settings(&format!("{first}, {third}")).set("pollIntervalSec", "1"));
    agent.signal("HUP").expect("a signal is sent");
    agent.line_with(&["pollIntervalSec:", "unknown key"]).expect("the problem is told");
    let scraped = agent
        .scrape_until("the refusal is seen", |it| {
            let good = value(it, "monitoring_agent_config_last_reload_successful")?;
            (good == 0.0).then(|| it.clone())
        })
        .expect("a metric says so");
    assert_eq!(up(&scraped, second), Some(1.0), "the old configuration stays whole");
    assert_eq!(connections(&scraped, third), Some(1.0));
}

#[test]
fn a_ca_file_that_changes_is_followed_and_open_connections_are_judged_again() {
    let folder = Folder::create().expect("a folder");
    let (ours, others) = (Authority::root("Our CA"), Authority::root("Another CA"));
    let file = ours.write(&folder, "ca.pem").expect("a file is written");
    let server = server(&ours, &folder, &file, &[]);
    let settings = Settings::new()
        .set("useSslForAllConnections", "true")
        .set("sslTrustedServerCertificates", "ca.pem")
        .host("one", server.name());
    let config = settings.write(&folder).expect("a file is written");
    let mut agent = Agent::start(binary(), &config, &folder).expect("the agent starts");
    until_up(&agent, "one");

    // The old authority and the next one, by rename: nothing is lost.
    replace(&folder, &file, &(ours.pem() + &others.pem()));
    agent.signal("HUP").expect("a signal is sent");
    agent.line_with(&["ca.pem", "is in force"]).expect("the change is told");
    // A damaged file: the old content stays in force.
    replace(&folder, &file, "-----BEGIN CERTIFICATE-----\n");
    agent.signal("HUP").expect("a signal is sent");
    agent.line_with(&["ca.pem", "is refused", "certificate 1 (line 1)"]).expect("it is told");
    let refused = agent.scrape_until("a metric says so", |it| {
        (value(it, "monitoring_agent_trust_files_refused")? == 1.0).then(|| it.clone())
    });
    let refused = refused.expect("the refused file is counted");
    assert_eq!((up(&refused, "one"), connections(&refused, "one")), (Some(1.0), Some(1.0)));
    // Only the other authority: the open connection is no longer trusted.
    replace(&folder, &file, &others.pem());
    agent.signal("HUP").expect("a signal is sent");
    agent.line_with(&["no longer trusted", "one"]).expect("it is told");
    let words = agent.line_with(&["host is down", "certificate"]).expect("it is told");
    assert!(words.contains("was issued by") && words.contains("ca.pem"), "{words}");
    replace(&folder, &file, &ours.pem());
    agent.signal("HUP").expect("a signal is sent");
    agent.line_with(&["host is up again"]).expect("trust comes back");
}

#[test]
fn a_server_that_requires_a_client_certificate_gets_it_also_when_it_is_renewed() {
    let folder = Folder::create().expect("a folder");
    let ours = Authority::root("Our CA");
    let file = ours.write(&folder, "ca.pem").expect("a file is written");
    let mut flags = require_tls(&identity(&ours, &folder), &file);
    flags.retain(|flag| flag != "--tlsAllowConnectionsWithoutCertificates");
    let server = Server::start(&mongod(NEWEST), &flags).expect("a server starts");
    let client = Request { names: &["agent.example"], ..Request::localhost() };
    ours.issue(&client).write(&folder, "client.pem").expect("a file is written");
    let settings = Settings::new()
        .set("useSslForAllConnections", "true")
        .set("sslTrustedServerCertificates", "ca.pem");
    let without = settings.clone().host("one", server.name());
    let config = without.write(&folder).expect("a file is written");
    let mut agent = Agent::start(binary(), &config, &folder).expect("the agent starts");
    agent.line_with(&["right after the TLS handshake", "client certificate"]).expect("is told");

    let with = settings.set("sslClientCertificate", "client.pem").host("one", server.name());
    with.write(&folder).expect("a file is written");
    agent.signal("HUP").expect("a signal is sent");
    until_up(&agent, "one");
    let renewed = ours.issue(&client).pem;
    replace(&folder, &folder.path().join("client.pem"), &renewed);
    agent.signal("HUP").expect("a signal is sent");
    agent.line_with(&["client.pem", "is in force"]).expect("the change is told");
    let scraped = agent.scrape().expect("a scrape");
    assert_eq!((up(&scraped, "one"), connections(&scraped, "one")), (Some(1.0), Some(1.0)));
}

/// With such a certificate MongoDB logs its holder in as `__system`.
#[test]
fn a_client_certificate_of_the_servers_own_organisation_is_warned_about() {
    let folder = Folder::create().expect("a folder");
    let ours = Authority::root("Our CA");
    let file = ours.write(&folder, "ca.pem").expect("a file is written");
    let of_cluster = Request { organisation: "cluster", ..Request::localhost() };
    let identity = ours.issue(&of_cluster).write(&folder, "server.pem").expect("is written");
    let server = Server::start(&mongod(NEWEST), &require_tls(&identity, &file)).expect("starts");
    ours.issue(&of_cluster).write(&folder, "client.pem").expect("a file is written");
    let settings = Settings::new()
        .set("useSslForAllConnections", "true")
        .set("sslTrustedServerCertificates", "ca.pem")
        .set("sslClientCertificate", "client.pem")
        .host("one", server.name());
    let config = settings.write(&folder).expect("a file is written");
    let agent = Agent::start(binary(), &config, &folder).expect("the agent starts");
    agent.line_with(&["host=one", "with all rights"]).expect("the certificate is warned about");
    until_up(&agent, "one");
}

fn server(authority: &Authority, folder: &Folder, file: &Path, more: &[&str]) -> Server {
    let mut flags = require_tls(&identity(authority, folder), file);
    flags.extend(more.iter().map(OsString::from));
    Server::start(&mongod(NEWEST), &flags).expect("a server starts")
}

fn identity(authority: &Authority, folder: &Folder) -> std::path::PathBuf {
    let identity = authority.issue(&Request::localhost());
    identity.write(folder, "server.pem").expect("a file is written")
}

/// Puts another content in a file's place in one step.
fn replace(folder: &Folder, file: &Path, content: &str) {
    let beside = folder.write("beside.pem", content).expect("a file is written");
    fs::rename(beside, file).expect("a file is renamed");
}

fn until_up(agent: &Agent, host: &str) {
    let what = format!("{host} is up");
    agent
        .scrape_until(&what, |it| (up(it, host)? == 1.0).then_some(()))
        .expect("the host comes up");
}

fn up(exposition: &Exposition, host: &str) -> Option<f64> {
    exposition.value("mongodb_up", &[("host", host)])
}

fn connections(exposition: &Exposition, host: &str) -> Option<f64> {
    exposition.value("mongodb_poll_connections_opened_total", &[("host", host)])
}

fn value(exposition: &Exposition, name: &str) -> Option<f64> {
    exposition.value(name, &[])
}
