//! What watching costs: CPU of a poll and memory of a host, for 1 and for 300 connections to a
//! real mongod over TLS.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml`
//!
//! Each row is a process of its own, which holds the agent's own pollers and nothing else, so that
//! its CPU time and memory are theirs; the server is another process. Times are CPU time, as these
//! do not depend on what else the machine does; still, compare only rows of one run.

#[expect(dead_code, reason = "the tests' vocabulary; a benchmark needs a few words of it")]
#[path = "../../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bson::doc;
use monitoring_agent::{
    config::{Address, Host, Login, TlsPolicy, TrustSource},
    latest::Latest,
    net::{Target, Trusts},
    poller::{Outputs, Poller},
    sample::Interner,
    secret::Secret,
    shutdown,
    spool::{Limits, Spool},
    status::Status,
    telemetry::Telemetry,
};
use support::{
    certificates::{Authority, Request},
    client::Client,
    guard::Folder,
    mongod::{Mongod, Progress},
    server::{Server, require_tls},
    trouble::{Outcome, Trouble},
};

const VERSION: &str = "6.0.27";
const PASSWORD: &str = "benchmark";

/// Connections and the time between two polls of each: about 150 polls a second in both rows.
const ROWS: [(usize, Duration); 2] =
    [(1, Duration::from_millis(10)), (300, Duration::from_millis(2_000))];

/// Connecting and the first polls are not measured.
const WARM_UP: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(20);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => compare(),
        [hosts, interval, port, authority] => {
            let number = |text: &String| text.parse().map_err(|_| usage());
            let interval = Duration::from_millis(number(interval)?);
            let port = u16::try_from(number(port)?).map_err(|_| usage())?;
            let hosts = usize::try_from(number(hosts)?).map_err(|_| usage())?;
            measure(hosts, interval, port, Path::new(authority))
        }
        _ => Err(usage()),
    }
}

fn usage() -> Trouble {
    Trouble::new("this benchmark takes no arguments", "run it without any")
}

/// Starts the server, and a process for each row.
fn compare() -> Outcome<()> {
    let folder = Folder::create()?;
    let authority = Authority::root("Benchmark CA");
    let ca = authority.write(&folder, "ca.pem")?;
    let identity = authority.issue(&Request::localhost()).write(&folder, "server.pem")?;
    let mut flags = require_tls(&identity, &ca);
    flags.push("--auth".into());
    let server = Server::start(&Mongod::installed(VERSION, Progress::Shown)?, &flags)?;
    let user = doc! { "createUser": "agent", "pwd": PASSWORD, "roles": ["clusterMonitor"] };
    Client::connect(server.address(), Some(&ca), None)?.command("admin", &user)?;
    println!("mongod {VERSION}, TLS 1.3, SCRAM-SHA-256, hello + serverStatus at each poll");
    println!("connections   polls    CPU/poll        RSS  RSS of each further host");
    let mut first: Option<Measured> = None;
    for (hosts, interval) in ROWS {
        let output = Command::new(std::env::current_exe()?)
            .args([hosts.to_string(), interval.as_millis().to_string(), server.port().to_string()])
            .arg(&ca)
            .stderr(Stdio::inherit())
            .output()?;
        let measured = Measured::read(hosts, &String::from_utf8_lossy(&output.stdout));
        let measured = measured
            .ok_or_else(|| Trouble::new("a measuring process failed", "see its words above"))?;
        let further = first.as_ref().map_or_else(String::new, |first| measured.beyond(first));
        let Measured { polls, cpu, resident, .. } = measured;
        println!("{hosts:>11} {polls:>7} {:>8.3} ms {resident:>7} kB  {further}", cpu / polls);
        first.get_or_insert(measured);
    }
    Ok(())
}

/// What a measuring process tells.
struct Measured {
    hosts: usize,
    polls: f64,
    /// Milliseconds.
    cpu: f64,
    /// Kilobytes.
    resident: f64,
}

impl Measured {
    fn read(hosts: usize, text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse::<f64>);
        let mut next = || numbers.next()?.ok();
        Some(Self { hosts, polls: next()?, cpu: next()?, resident: next()? })
    }

    /// Memory of each host beyond those of the first row: what the program itself takes, its code
    /// above all, does not grow with the hosts.
    fn beyond(&self, first: &Self) -> String {
        let further = u32::try_from(self.hosts - first.hosts).map_or(1.0, f64::from);
        format!("{:.1} kB", (self.resident - first.resident) / further)
    }
}

fn measure(hosts: usize, interval: Duration, port: u16, authority: &Path) -> Outcome<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outputs = Outputs {
        latest: Latest::default(),
        spool: Spool::new(Limits::default()),
        status: Status::new([], []),
        telemetry: Telemetry::new("benchmark", 0),
        trusts: Arc::default(),
        interner: Arc::new(Interner::default()),
    };
    let (_trigger, stop) = shutdown::channel();
    let trusts = Arc::new(Trusts::default());
    for number in 0..hosts {
        let host = host(number, interval, port, authority);
        let target = Target::new(&host, &trusts);
        let target = target.map_err(|fault| Trouble::new(fault.to_string(), "report this"))?;
        let poller = Box::new(Poller::new(&host, target, outputs.clone()));
        runtime.spawn(poller.run(hosts, stop.clone()));
    }
    std::thread::sleep(WARM_UP);
    let (cpu, polls) = (cpu_millis()?, polls(&outputs));
    std::thread::sleep(MEASURED);
    let (cpu, polls) = (cpu_millis()? - cpu, self::polls(&outputs) - polls);
    let down = outputs.latest.all().iter().filter(|sample| sample.outcome.is_err()).count();
    if polls == 0.0 || down > 0 {
        return Err(Trouble::new(format!("{down} of {hosts} hosts are down"), "report this"));
    }
    println!("{polls} {cpu} {}", resident_kilobytes()?);
    Ok(())
}

fn host(number: usize, interval: Duration, port: u16, authority: &Path) -> Host {
    Host {
        name: format!("host-{number}").into(),
        address: Address { host: "localhost".to_owned(), port },
        tls: Some(TlsPolicy::new(TrustSource::File(authority.to_owned()), true)),
        prefer: None,
        login: Some(Login::scram("agent", Secret::new(PASSWORD.to_owned()), "admin")),
        poll_interval: interval,
        command_timeout: Duration::from_secs(10),
        dial_timeout: Duration::from_secs(40),
    }
}

fn polls(outputs: &Outputs) -> f64 {
    let polls: u64 = outputs.latest.all().iter().map(|sample| sample.history.polls).sum();
    f64::from(u32::try_from(polls).unwrap_or(u32::MAX))
}

/// User and system time of this process. The kernel counts in hundredths of a second.
fn cpu_millis() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks * 10.0)
}

fn resident_kilobytes() -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let number = line.split_whitespace().next().and_then(|number| number.parse().ok());
    number.ok_or_else(|| Trouble::new("no VmRSS in /proc/self/status", "run it on Linux"))
}
