//! `monitoring-agent tls` on a fleet of real servers.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::{
    shared::{self, binary},
    support::{
        agent::{Finished, finish},
        client::User,
        guard::Folder,
        replica_set::MONITOR,
        settings::Settings,
    },
};

#[test]
fn the_fleet_is_shown_as_a_table_and_as_json_and_one_host_that_fails_fails_it() {
    let set = shared::replica_set();
    let folder = Folder::create().expect("a folder");
    let User { name, password } = MONITOR;
    let fleet = Settings::new()
        .host("first", set.member(0).name())
        .set("ssl", "true")
        .set("sslTrustedServerCertificates", set.authority().display())
        .set("username", name)
        .set("password", password)
        .host("plain", shared::plain_server().address());
    let run = |settings: &Settings, arguments: &[&str]| -> Finished {
        let config = settings.write(&folder).expect("a configuration is written");
        let config = config.to_str().expect("a text").to_owned();
        let arguments = [&["tls", "--config", &config], arguments].concat();
        finish(binary(), &arguments).expect("it ends")
    };

    let table = run(&fleet, &[]);
    assert_eq!(table.code, Some(0), "{}{}", table.stdout, table.stderr);
    let line = |name: &str| {
        let line = table.stdout.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("first "), "first true TLS 1.3 requireTLS valid in 89 days");
    assert_eq!(line("plain "), "plain false plaintext disabled - -");
    assert_eq!(line("observed:"), "observed: 1 TLS, 1 plaintext");

    let other = shared::plain_server().name();
    let broken = fleet
        .host("wrong", other)
        .set("ssl", "true")
        .set("sslTrustedServerCertificates", set.authority().display());
    let json = run(&broken, &["--json"]);
    assert_eq!(json.code, Some(1), "{}{}", json.stdout, json.stderr);
    let found = "[[it['transport'], it['server_mode']] for it in fleet['hosts']]";
    assert_eq!(
        queried(&json.stdout, found),
        "[['tls', 'requireTLS'], ['plaintext', 'disabled'], [None, None]]"
    );
    let note = queried(&json.stdout, "fleet['hosts'][2]['note']");
    assert!(note.contains("does not use TLS on this port"), "{note}");
    assert_eq!(
        queried(&json.stdout, "fleet['summary']['server_modes']"),
        "{'disabled': 1, 'allowTLS': 0, 'preferTLS': 0, 'requireTLS': 1, 'unknown': 1}"
    );
    assert!(!json.stdout.contains(password) && !table.stdout.contains(password));
}

/// What a reader of JSON that is not ours makes of the document.
fn queried(json: &str, expression: &str) -> String {
    let program = format!("import json, sys; fleet = json.load(sys.stdin); print({expression})");
    let mut python = Command::new("python3");
    python.args(["-c", &program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().expect("python3 is installed");
    let mut input = python.stdin.take().expect("it is piped");
    input.write_all(json.as_bytes()).expect("it reads");
    drop(input);
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success(), "no JSON: {json}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
