//! Servers that go away and come back, on the older versions.

use crate::{
    shared,
    support::{
        agent::Agent,
        guard::Folder,
        replica_set::{MEMBERS, ReplicaSet},
        settings::Settings,
    },
};

#[test]
fn a_member_that_is_killed_goes_down_and_up_once_and_disturbs_no_other() {
    let mut set = ReplicaSet::start(&shared::mongod("5.0.32")).expect("a replica set starts");
    let folder = Folder::create().expect("a folder");
    let settings = Settings::new().set("commandTimeoutSecs", "2").set("dialTimeoutSeconds", "2");
    let config = settings.watch(&set).write(&folder).expect("a configuration is written");
    let agent = Agent::start(shared::binary(), &config, &folder).expect("the agent starts");
    all_up(&agent);
    let hosts = set.hosts();
    let [primary, secondary, other] = hosts.as_slice() else { panic!("three hosts") };

    set.member_mut(0).kill();
    down(&agent, primary);
    others_go_on(&agent, &[secondary, other]);
    down_hosts_show_nothing_stale(&agent, primary);
    set.member_mut(0).revive().expect("it starts again");
    all_up(&agent);

    // Frozen, it still accepts connections: only the agent's own deadlines notice.
    set.member_mut(1).freeze().expect("a signal is sent");
    down(&agent, secondary);
    others_go_on(&agent, &[primary, other]);
    set.member_mut(1).thaw().expect("a signal is sent");
    all_up(&agent);

    for (host, times) in [(primary, 1), (secondary, 1), (other, 0)] {
        assert_eq!(count(&agent, "host is down", host), times, "{host}:\n{}", agent.log());
        assert_eq!(count(&agent, "host is up again", host), times, "{host}:\n{}", agent.log());
    }
}

#[test]
fn the_oldest_server_is_watched_like_the_newest() {
    let set = ReplicaSet::start(&shared::mongod("4.2.6")).expect("a replica set starts");
    let folder = Folder::create().expect("a folder");
    let config = Settings::new().watch(&set).write(&folder).expect("a configuration is written");
    let agent = Agent::start(shared::binary(), &config, &folder).expect("the agent starts");
    all_up(&agent);
    let scrape = agent.scrape().expect("a scrape");
    let families = scrape.families().iter().filter(|name| name.starts_with("mongodb_")).count();
    assert!(families >= 80, "{families} families");
    let info = scrape.matching("mongodb_info", &[("version", "4.2.6"), ("replica_set", "rs0")]);
    assert_eq!(info.len(), MEMBERS);
    let primary = set.hosts().first().cloned().expect("three hosts");
    let state = [("host", primary.as_str()), ("state", "PRIMARY")];
    assert_eq!(scrape.value("mongodb_replica_set_state", &state), Some(1.0));
}

fn all_up(agent: &Agent) {
    agent
        .scrape_until("all hosts are up", |it| {
            let up = it.matching("mongodb_up", &[]);
            (up.len() == MEMBERS && up.iter().all(|(_, value)| *value == 1.0)).then_some(())
        })
        .expect("all hosts come up");
}

fn down(agent: &Agent, host: &str) {
    agent
        .scrape_until("the host is down", |it| {
            (it.value("mongodb_up", &[("host", host)])? == 0.0).then_some(())
        })
        .expect("the outage is noticed");
}

fn others_go_on(agent: &Agent, hosts: &[&String]) {
    for host in hosts {
        let labels = [("host", host.as_str())];
        let polls =
            |it: &crate::support::exposition::Exposition| it.value("mongodb_polls_total", &labels);
        let before = polls(&agent.scrape().expect("a scrape")).expect("polls are counted");
        agent
            .scrape_until("three more polls", |it| (polls(it)? >= before + 3.0).then_some(()))
            .expect("the others go on");
        let scrape = agent.scrape().expect("a scrape");
        assert_eq!(scrape.value("mongodb_up", &labels), Some(1.0), "{host}");
    }
}

fn down_hosts_show_nothing_stale(agent: &Agent, host: &str) {
    let scrape = agent.scrape().expect("a scrape");
    for name in ["mongodb_uptime_seconds", "mongodb_connections_current", "mongodb_info"] {
        assert_eq!(scrape.matching(name, &[("host", host)]), Vec::new(), "{name}");
    }
}

fn count(agent: &Agent, event: &str, host: &str) -> usize {
    agent.log().lines().filter(|line| line.contains(event) && line.contains(host)).count()
}
