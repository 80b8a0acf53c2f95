//! Commands, exit codes and signals of the real binary.

use std::{fs::Permissions, net::TcpListener, os::unix::fs::PermissionsExt};

use crate::{
    shared::{binary, plain_server},
    support::{
        agent::{Agent, Finished, finish},
        guard::Folder,
        settings::Settings,
    },
};

#[test]
fn a_bad_configuration_ends_with_78_and_every_problem_at_its_line() {
    let folder = Folder::create().expect("a folder");
    let text = "hosts = db1\npollIntervalSec = 5\nlogLevel = loud\n\nhosts = db2\n";
    let config = folder.write("bad.config", text).expect("a file is written");
    let path = config.to_str().expect("a text");
    for command in ["run", "check-config"] {
        let run = finish(binary(), &[command, "--config", path]).expect("it ends");
        assert_eq!(run.code, Some(78), "{command}: {}", run.stderr);
        for wanted in
            ["2: pollIntervalSec", "pollIntervalSecs", "3: logLevel", "5: hosts", "line 1"]
        {
            assert!(run.stderr.contains(wanted), "{wanted} is missing in:\n{}", run.stderr);
        }
        assert!(run.stderr.contains(&format!("{path}:2")), "{}", run.stderr);
    }
}

#[test]
fn files_that_are_no_configuration_end_with_78_and_say_what_they_are() {
    let folder = Folder::create().expect("a folder");
    let contents: [(&str, &[u8], &str); 5] = [
        ("empty.config", b"", "host"),
        ("no-hosts.config", b"logLevel = INFO\n", "host"),
        ("binary.config", b"\x7fELF\x02\x01\x01\0\0\0", "binary.config"),
        ("latin.config", b"hosts = db1\nmmsGroupId = caf\xe9\n", "2"),
        ("range.config", b"hosts = db1:70000\npollIntervalSecs = 0\n", "pollIntervalSecs"),
    ];
    for (name, content, wanted) in contents {
        let config = folder.write(name, content).expect("a file is written");
        let run = check(config.to_str().expect("a text"));
        assert_eq!(run.code, Some(78), "{name}: {}", run.stderr);
        assert!(run.stderr.contains(wanted), "{name}: {}", run.stderr);
    }
    let run = check("/nowhere/monitoring-agent.config");
    assert_eq!(run.code, Some(78), "{}", run.stderr);
    assert!(run.stderr.contains("/nowhere/monitoring-agent.config"), "{}", run.stderr);
}

#[test]
fn a_world_readable_configuration_is_refused_with_the_command_that_helps() {
    let folder = Folder::create().expect("a folder");
    let config = folder.write("open.config", "hosts = db1\n").expect("a file is written");
    std::fs::set_permissions(&config, Permissions::from_mode(0o644)).expect("it is ours");
    let run = check(config.to_str().expect("a text"));
    assert_eq!(run.code, Some(78), "{}", run.stderr);
    assert!(run.stderr.contains("chmod"), "{}", run.stderr);
}

#[test]
fn a_configuration_as_other_systems_write_it_is_read() {
    let folder = Folder::create().expect("a folder");
    let text = "\u{feff}# a comment\r\n  ; another\r\nhosts = db1, [::1]:27018\r\n\
                useSslForAllConnections=TRUE\r\nprometheusListenAddress = off\r\n";
    let config = folder.write("foreign.config", text).expect("a file is written");
    let run = check(config.to_str().expect("a text"));
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("2 hosts"), "{}", run.stdout);
}

#[test]
fn wrong_arguments_end_with_64() {
    for arguments in [["--nonsense", "1"], ["--config", "--config"], ["stroll", "far"]] {
        let run = finish(binary(), &arguments).expect("it ends");
        assert_eq!(run.code, Some(64), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("--help"), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn version_help_and_settings_are_told_on_standard_output() {
    let run = finish(binary(), &["--version"]).expect("it ends");
    assert_eq!(run.stdout, format!("monitoring-agent {}\n", env!("CARGO_PKG_VERSION")));
    for (argument, wanted) in
        [("--help", "check-config"), ("list-settings", "sslTrustedServerCertificates")]
    {
        let run = finish(binary(), &[argument]).expect("it ends");
        assert_eq!(run.code, Some(0), "{argument}: {}", run.stderr);
        assert!(run.stdout.contains(wanted), "{argument}: {}", run.stdout);
    }
}

#[test]
fn a_taken_port_ends_with_69_and_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let folder = Folder::create().expect("a folder");
    let config = Settings::default()
        .set("hosts", plain_server().address())
        .set("prometheusListenAddress", &address)
        .set("stateDirectory", "state")
        .write(&folder)
        .expect("a configuration is written");
    let run = finish(binary(), &["--config", config.to_str().expect("a text")]).expect("it ends");
    assert_eq!(run.code, Some(69), "{}", run.stderr);
    assert!(run.stderr.contains(&address), "{}", run.stderr);
}

#[test]
fn a_second_agent_on_the_same_state_directory_ends_with_69() {
    let (_agent, folder) = start();
    let run = finish(binary(), &["--config", config_in(&folder).as_str()]).expect("it ends");
    assert_eq!(run.code, Some(69), "{}", run.stderr);
    assert!(run.stderr.contains("state"), "{}", run.stderr);
}

#[test]
fn either_signal_stops_the_agent_in_order_and_sighup_does_not() {
    for signal in ["TERM", "INT"] {
        let (mut agent, _folder) = start();
        agent.signal("HUP").expect("a signal is sent");
        let polls = |agent: &Agent, least: f64| {
            agent.scrape_until("polls go on", |it| {
                it.value("mongodb_polls_total", &[]).filter(|polls| *polls >= least)
            })
        };
        let before = polls(&agent, 1.0).expect("the host is polled");
        polls(&agent, before + 2.0).expect("the host is polled on");
        let status = agent.stop_with(signal).expect("the agent stops");
        assert_eq!(status.code(), Some(0), "SIG{signal}: {}", agent.log());
    }
}

/// Its memory holds passwords and keys.
#[test]
fn a_running_agent_leaves_no_core_dump() {
    let folder = Folder::create().expect("a folder");
    let settings = Settings::new().host("plain", plain_server().name());
    let config = settings.write(&folder).expect("a configuration is written");
    let agent = Agent::start(binary(), &config, &folder).expect("the agent starts");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", agent.id())).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.expect("Linux knows this limit").split_whitespace().collect();
    assert_eq!(words, ["Max", "core", "file", "size", "0", "0", "bytes"]);
}

#[test]
fn an_agent_that_listens_nowhere_still_stops_in_order() {
    let folder = Folder::create().expect("a folder");
    let config = Settings::default()
        .set("hosts", plain_server().address())
        .set("prometheusListenAddress", "off")
        .set("stateDirectory", "state")
        .write(&folder)
        .expect("a configuration is written");
    let mut agent = Agent::start_unheard(binary(), &config, &folder).expect("the agent starts");
    agent.line_with(&["host is up"]).expect("the host is polled");
    assert_eq!(agent.stop_with("TERM").expect("the agent stops").code(), Some(0));
}

fn start() -> (Agent, Folder) {
    let folder = Folder::create().expect("a folder");
    let settings = Settings::new().set("hosts", plain_server().address());
    let config = settings.write(&folder).expect("a configuration is written");
    (Agent::start(binary(), &config, &folder).expect("the agent starts"), folder)
}

fn config_in(folder: &Folder) -> String {
    folder.path().join("monitoring-agent.config").display().to_string()
}

fn check(config: &str) -> Finished {
    finish(binary(), &["check-config", "--config", config]).expect("it ends")
}
