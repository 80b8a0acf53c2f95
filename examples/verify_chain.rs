//! Asks the agent's own verifier, as a configuration builds it, about certificate chains.
//!
//! ```sh
//! cargo run --example verify_chain -- --config FILE --host NAME --time RFC3339 --chain CHAIN.pem
//! cargo run --example verify_chain -- --batch < LINES
//! ```
//!
//! It prints `accept` (exit code 0) or `refuse: REASON` (exit code 1) for the chain, whose first
//! certificate is the server's own. With `--batch`, each line of standard input holds such
//! arguments, each is answered by a line, and the exit code is 0 if all were accepted. Arguments
//! hold no spaces. What cannot be asked at all is answered with `error: WHAT` (exit code 64).

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, Write},
    process::ExitCode,
    sync::Arc,
};

use monitoring_agent::{
    config::{self, Config},
    tls::{self, Peer, Role, Trusts},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut configs = Configs::default();
    let answers: Vec<Answer> = if arguments.iter().any(|argument| argument == "--batch") {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        let lines = lines.filter(|line| !line.trim().is_empty());
        lines
            .map(|line| {
                let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                say(configs.answer(&words))
            })
            .collect()
    } else {
        vec![say(configs.answer(&arguments))]
    };
    let code = answers.into_iter().map(|answer| answer.code()).max().unwrap_or(64);
    ExitCode::from(code)
}

/// The answer to one question.
enum Answer {
    Accept,
    Refuse(String),
    Error(String),
}

impl Answer {
    fn code(&self) -> u8 {
        match self {
            Self::Accept => 0,
            Self::Refuse(_) => 1,
            Self::Error(_) => 64,
        }
    }
}

fn say(answer: Answer) -> Answer {
    let line = match &answer {
        Answer::Accept => "accept".to_owned(),
        Answer::Refuse(reason) => format!("refuse: {reason}"),
        Answer::Error(what) => format!("error: {what}"),
    };
    let _closed_pipe = writeln!(std::io::stdout().lock(), "{line}");
    answer
}

/// The configurations that were asked for, each read once.
#[derive(Default)]
struct Configs {
    read: HashMap<String, Arc<Config>>,
}

impl Configs {
    fn answer(&mut self, arguments: &[String]) -> Answer {
        match self.ask(arguments) {
            Ok(Ok(())) => Answer::Accept,
            Ok(Err(fault)) => Answer::Refuse(fault.to_string()),
            Err(what) => Answer::Error(what),
        }
    }

    /// The verdict; the outer error is a question that cannot be asked.
    fn ask(&mut self, arguments: &[String]) -> Result<Result<(), tls::Fault>, String> {
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name);
            let value = at.and_then(|at| arguments.get(at + 1));
            value.ok_or_else(|| format!("{name} and its value are missing"))
        };
        let config = self.config(value("--config")?)?;
        let wanted = value("--host")?;
        let host = config.hosts.iter().find(|host| *host.name == **wanted);
        let host = host.ok_or_else(|| format!("the configuration has no host {wanted}"))?;
        let policy = host.tls.as_ref().ok_or_else(|| format!("host {wanted} is without TLS"))?;
        let file = value("--chain")?;
        let pem = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        let chain = tls::chain(&pem).map_err(|error| format!("{file}: {error}"))?;
        let time = value("--time")?;
        let now =
            seconds(time).ok_or_else(|| format!("{time} is no time as RFC 3339 writes it"))?;
        let trusts = Arc::new(Trusts::default());
        let peer = Peer::new(&host.address.host, Role::Mongo, policy, &trusts);
        Ok(peer.map_err(tls::Fault::from).and_then(|peer| peer.judge(chain, now)))
    }

    fn config(&mut self, file: &str) -> Result<Arc<Config>, String> {
        if let Some(config) = self.read.get(file) {
            return Ok(Arc::clone(config));
        }
        let loaded = config::load(file.as_ref()).map_err(|problems| problems.to_string())?;
        let config = Arc::new(loaded.config);
        self.read.insert(file.to_owned(), Arc::clone(&config));
        Ok(config)
    }
}

/// A time as RFC 3339 writes it, in seconds since the Unix epoch; fractions are dropped.
fn seconds(text: &str) -> Option<u64> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(at);
    let mut clock = clock.split('.').next()?.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let offset = match zone {
        "Z" | "z" => 0,
        zone => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    // Days since the epoch of the proleptic Gregorian calendar, years beginning in March.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let total = days * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60;
    in_range.then_some(total).and_then(|total| u64::try_from(total).ok())
}
