//! Management servers that are down, refuse, stall or break off: nothing is lost that need not be,
//! the log says why, and the hosts are watched all the while.

use std::net::TcpListener;

use crate::{
    shared::{binary, plain_server},
    support::{
        agent::Agent,
        certificates::Authority,
        exposition::Exposition,
        guard::Folder,
        receiver::{Account, Manners, Receiver},
        settings::Settings,
        wait,
    },
};

const API_KEY: &str = "canary-of-the-upload-key";

/// An agent that watches one host and delivers to one receiver.
struct Scene {
    agent: Agent,
    receiver: Receiver,
    _folder: Folder,
}

impl Scene {
    fn start() -> Self {
        let receiver = Receiver::start(account(), 0).expect("a receiver");
        let folder = Folder::create().expect("a folder");
        let config = settings().deliver(&receiver, &folder).expect("a certificate is written");
        let config = config.write(&folder).expect("a configuration is written");
        let agent = Agent::start(binary(), &config, &folder).expect("the agent starts");
        Self { agent, receiver, _folder: folder }
    }

    /// Waits until samples arrive, then lets the receiver misbehave until the agent says so.
    fn trouble(&self, manners: Manners, words: &[&str]) {
        self.wait_for_samples();
        self.receiver.behave(manners);
        let mut wanted = vec!["destination=mms"];
        wanted.extend(words);
        self.agent.line_with(&wanted).expect("the agent says why");
    }

    /// Waits until more samples have arrived than now.
    fn wait_for_samples(&self) {
        let before = self.receiver.received().sample_count();
        wait::until("samples arrive", wait::PATIENCE, || {
            (self.receiver.received().sample_count() > before).then_some(())
        })
        .map_err(|trouble| format!("{trouble}\n{}", self.agent.log()))
        .expect("samples arrive");
    }

    /// Polls go on and the endpoint answers.
    fn assert_watching(&self) {
        let polls = |it: &Exposition| it.value("mongodb_polls_total", &[]);
        let before = polls(&self.agent.scrape().expect("a scrape")).expect("polls are counted");
        self.agent
            .scrape_until("polls go on", |it| (polls(it)? >= before + 2.0).then_some(()))
            .expect("polls go on");
        let scrape = self.agent.scrape().expect("a scrape");
        assert_eq!(scrape.value("mongodb_up", &[]), Some(1.0));
    }

    /// The receiver is well again: everything polled so far arrives, what waited included.
    fn assert_nothing_was_lost(&self) {
        let polled = self.value("mongodb_polls_total");
        self.receiver.behave(Manners::Accept);
        wait::until("what waited arrives", wait::PATIENCE, || {
            (self.receiver.received().sample_count() as f64 >= polled).then_some(())
        })
        .map_err(|trouble| format!("{trouble}\n{}", self.agent.log()))
        .expect("what waited arrives");
        assert_eq!(self.dropped(), 0.0, "{}", self.agent.log());
        self.agent.line_with(&["destination=mms", "delivered again"]).expect("the end is told");
    }

    fn value(&self, name: &str) -> f64 {
        self.agent.scrape().expect("a scrape").value(name, &[]).expect("it is counted")
    }

    fn dropped(&self) -> f64 {
        let scrape = self.agent.scrape().expect("a scrape");
        let name = "monitoring_agent_upload_dropped_samples_total";
        scrape.matching(name, &[("destination", "mms")]).iter().map(|(_, value)| value).sum()
    }
}

#[test]
fn server_errors_and_broken_connections_lose_nothing() {
    for (manners, words) in [(Manners::Status(500), "500"), (Manners::Cut, "mms")] {
        let scene = Scene::start();
        scene.trouble(manners, &["tried again", words]);
        scene.assert_watching();
        scene.assert_nothing_was_lost();
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    const SECONDS: u64 = 4;
    let scene = Scene::start();
    scene.trouble(Manners::TooMany { retry_after: SECONDS }, &["tried again", "429"]);
    let requests = || scene.receiver.received().deliveries.len();
    let before = requests();
    let began = tokio::time::Instant::now();
    scene.assert_watching();
    wait::until("the next request", wait::PATIENCE, || (requests() > before).then_some(()))
        .expect("the agent tries again");
    let waited = began.elapsed().as_secs_f64();
    // The line of the log and our reading of it may have taken a moment of the time asked for.
    assert!(waited > SECONDS as f64 - 1.0, "tried again after {waited} s");
    scene.assert_nothing_was_lost();
}

#[test]
fn a_server_that_never_answers_is_left_after_a_while() {
    let scene = Scene::start();
    scene.wait_for_samples();
    scene.receiver.behave(Manners::Hang);
    scene.assert_watching();
    scene.agent.line_with(&["destination=mms", "tried again"]).expect("the agent gives up waiting");
    scene.assert_nothing_was_lost();
}

#[test]
fn a_server_that_is_down_at_the_start_is_served_once_it_is_up() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("it is bound").port()
    };
    let folder = Folder::create().expect("a folder");
    let receiver = Receiver::start(account(), port).expect("a receiver");
    let config = settings().deliver(&receiver, &folder).expect("a certificate is written");
    let config = config.write(&folder).expect("a configuration is written");
    let authority = receiver.down();
    let agent = Agent::start(binary(), &config, &folder).expect("the agent starts");
    agent.line_with(&["destination=mms", "tried again"]).expect("the agent says why");
    let receiver = Receiver::start_again(authority, account(), port).expect("a receiver");
    let scene = Scene { agent, receiver, _folder: folder };
    scene.assert_watching();
    scene.assert_nothing_was_lost();
}

#[test]
fn refused_credentials_keep_the_samples_and_say_which_settings_to_check() {
    let scene = Scene::start();
    scene.trouble(Manners::Status(401), &["401", "mmsGroupId", "mmsApiKey"]);
    scene.assert_watching();
    assert_eq!(scene.value("monitoring_agent_upload_held"), 1.0);
    assert_eq!(scene.dropped(), 0.0);
    let queued = scene.value("monitoring_agent_upload_queue_samples");
    assert!(queued >= 2.0, "{queued} samples wait");
    let requests = scene.receiver.received().deliveries.len();
    scene.assert_watching();
    assert_eq!(scene.receiver.received().deliveries.len(), requests, "it must be tried slowly");
    for text in [scene.agent.log(), scene.agent.fetch("/metrics").expect("an answer").body] {
        assert!(!text.contains(API_KEY), "the key is seen:\n{text}");
    }
}

#[test]
fn a_sample_that_is_too_large_alone_is_dropped_and_counted_and_the_next_ones_arrive() {
    let scene = Scene::start();
    scene.trouble(Manners::Status(413), &["413", "dropped"]);
    scene.assert_watching();
    assert!(scene.dropped() >= 1.0, "{}", scene.agent.log());
    scene.receiver.behave(Manners::Accept);
    scene.wait_for_samples();
}

#[test]
fn a_management_server_of_another_authority_is_not_spoken_to() {
    let receiver = Receiver::start(account(), 0).expect("a receiver");
    let folder = Folder::create().expect("a folder");
    let other = Authority::root("Not This Root CA").write(&folder, "other.pem");
    let config = settings()
        .set("mmsBaseUrl", receiver.url())
        .set("mmsGroupId", account().group_id)
        .set("mmsApiKey", API_KEY)
        .set("sslTrustedMMSServerCertificate", other.expect("a file is written").display())
        .write(&folder)
        .expect("a configuration is written");
    let agent = Agent::start(binary(), &config, &folder).expect("the agent starts");
    let line = agent.line_with(&["destination=mms", "not signed by any CA", "other.pem"]);
    line.expect("the agent says why");
    let scene = Scene { agent, receiver, _folder: folder };
    scene.assert_watching();
    assert_eq!(scene.receiver.received().deliveries.len(), 0);
    assert_eq!(scene.dropped(), 0.0);
}

#[test]
fn what_waits_at_the_stop_is_delivered_within_the_grace_period() {
    let scene = Scene::start();
    scene.trouble(Manners::Status(503), &["tried again", "503"]);
    scene.assert_watching();
    let polled = scene.value("mongodb_polls_total");
    scene.receiver.behave(Manners::Accept);
    let Scene { mut agent, receiver, _folder } = scene;
    assert_eq!(agent.stop_with("TERM").expect("the agent stops").code(), Some(0));
    let received = receiver.received().sample_count();
    assert!(received as f64 >= polled, "{received} of {polled}:\n{}", agent.log());
}

fn account() -> Account {
    Account { group_id: "5f0c1e_uploads".to_owned(), api_key: API_KEY.to_owned() }
}

fn settings() -> Settings {
    Settings::new().set("hosts", plain_server().address()).set("logLevel", "DEBUG")
}
