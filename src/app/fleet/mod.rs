//! How far the fleet is with TLS: one look at every host, as `monitoring-agent tls` shows it.

mod forget;
mod json;
mod table;

use std::{io, sync::Arc};

use tokio::task::JoinSet;

pub use self::forget::{ForgetError, Forgotten, forget};
use crate::{
    config::{Address, Config, Host},
    mongo::{TlsMode, command},
    net::{HandshakeReport, Session, Target, Transport, Trusts},
    ratchet::Ratchet,
    tls::{Negotiated, Verification},
};

/// Hosts that are looked at at the same time: a handshake and a login cost milliseconds of
/// processor here, and a host that is down costs nothing but time.
const AT_ONCE: usize = 32;

/// What the configuration says of a host's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ssl {
    /// `ssl = true`.
    Always,
    /// `ssl = prefer`.
    Prefer,
    /// `ssl = false`.
    Never,
}

impl Ssl {
    fn of(host: &Host) -> Self {
        match (&host.tls, host.prefer) {
            (None, _) => Self::Never,
            (Some(_), Some(_)) => Self::Prefer,
            (Some(_), None) => Self::Always,
        }
    }

    /// The value of the key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "true",
            Self::Prefer => "prefer",
            Self::Never => "false",
        }
    }
}

/// What one look at one host showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTls {
    /// The section's NAME, or `host:port`.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// As configured.
    pub ssl: Ssl,
    /// How the connection was protected; `None` when the host is down: it did not pass.
    pub transport: Option<Transport>,
    /// Version, cipher and group of the handshake.
    pub negotiated: Option<Negotiated>,
    /// How the server itself says it uses TLS; `None` when it does not tell this user.
    pub server_mode: Option<TlsMode>,
    /// The verdict on its certificate, also where it was tolerated or the handshake failed; `None`
    /// when there was none to judge.
    pub verification: Option<Verification>,
    /// When its certificate expires, in seconds since the Unix epoch.
    pub not_after: Option<i64>,
    /// Why it is down, or what to do next.
    pub note: Option<String>,
}

/// What a look at all hosts showed, in the order of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// All hosts.
    pub hosts: Vec<HostTls>,
}

impl Fleet {
    /// Whether every host could be watched as it is configured.
    pub fn all_pass(&self) -> bool {
        self.hosts.iter().all(|host| host.transport.is_some())
    }

    /// The table for people. `now` in seconds since the Unix epoch.
    pub fn table(&self, now: i64) -> String {
        table::table(self, now)
    }

    /// One JSON document for programs. The names of its fields are part of the interface.
    pub fn json(&self, now: i64) -> String {
        json::json(self, now)
    }

    fn observed(&self, transport: Transport) -> usize {
        self.hosts.iter().filter(|host| host.transport == Some(transport)).count()
    }

    fn stated(&self, mode: Option<TlsMode>) -> usize {
        self.hosts.iter().filter(|host| host.server_mode == mode).count()
    }

    fn down(&self) -> usize {
        self.hosts.iter().filter(|host| host.transport.is_none()).count()
    }
}

/// Connects to every host as it is configured, and closes again. Leaves no mark of `ssl = prefer`.
/// `progress` is told after each host how many are done.
///
/// # Errors
/// The operating system gives no threads.
pub fn look(config: &Config, mut progress: impl FnMut(usize)) -> io::Result<Fleet> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let trusts = Arc::new(Trusts::default());
    let ratchet = Arc::new(Ratchet::to_look_at(&config.state_directory));
    let found = runtime.block_on(async {
        let mut waiting = config.hosts.iter().cloned().enumerate();
        let (mut tasks, mut found) = (JoinSet::new(), Vec::new());
        loop {
            while tasks.len() < AT_ONCE
                && let Some((place, host)) = waiting.next()
            {
                let (trusts, ratchet) = (Arc::clone(&trusts), Arc::clone(&ratchet));
                tasks.spawn(async move { (place, look_at(&host, &trusts, &ratchet).await) });
            }
            match tasks.join_next().await {
                Some(Ok(one)) => found.push(one),
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(found),
            }
            progress(found.len());
        }
    });
    // A look-up that is stuck in the resolver must not hold up the end.
    runtime.shutdown_background();
    let mut found = found?;
    found.sort_by_key(|(place, _)| *place);
    Ok(Fleet { hosts: found.into_iter().map(|(_, host)| host).collect() })
}

async fn look_at(host: &Host, trusts: &Arc<Trusts>, ratchet: &Arc<Ratchet>) -> HostTls {
    let mut found = HostTls {
        name: Arc::clone(&host.name),
        address: host.address.clone(),
        ssl: Ssl::of(host),
        transport: None,
        negotiated: None,
        server_mode: None,
        verification: None,
        not_after: None,
        note: None,
    };
    let target = match Target::new(host, trusts) {
        Ok(target) => target.with_ratchet(host, ratchet),
        Err(fault) => return HostTls { note: Some(fault.to_string()), ..found },
    };
    match Session::open(&target).await {
        Ok(mut session) => {
            found.transport = Some(session.transport());
            if let Some(report) = session.report() {
                found.read(report);
            }
            match stated(&mut session, host).await {
                Ok(mode) => found.server_mode = mode,
                Err(fault) => found.note = Some(format!("its mode is not told: {fault}")),
            }
            found.note = advice(&found).map(str::to_owned).or(found.note);
        }
        Err(error) => {
            let report = target.report().filter(|report| !report.chain.is_empty());
            if let Some(report) = report {
                found.read(&report);
            }
            found.note = Some(error.to_string());
        }
    }
    found
}

impl HostTls {
    fn read(&mut self, report: &HandshakeReport) {
        self.negotiated = report.negotiated.clone();
        self.verification = Some(report.verification);
        self.not_after = report.chain.first().map(|certificate| certificate.not_after);
    }
}

async fn stated(session: &mut Session, host: &Host) -> Result<Option<TlsMode>, crate::net::Error> {
    let reply = session.command("admin", command::tls_mode(host.command_timeout)).await?;
    let Ok(document) = reply.document() else { return Ok(None) };
    let stated = ["tlsMode", "sslMode"].into_iter().find_map(|key| document.get_str(key).ok());
    Ok(stated.and_then(TlsMode::of))
}

/// The next step of an upgrade, for a host that is up.
fn advice(host: &HostTls) -> Option<&'static str> {
    let verified = host.verification.is_none_or(|it| it == Verification::Valid);
    match (host.transport?, host.ssl, host.server_mode) {
        (Transport::Tls, ..) if !verified => {
            Some("its certificate is tolerated (sslRequireValidServerCertificates = false)")
        }
        (Transport::Tls, Ssl::Prefer, Some(TlsMode::Require)) => {
            Some("the upgrade is complete here: write ssl = true")
        }
        (Transport::Plaintext, Ssl::Prefer, Some(mode)) if mode != TlsMode::Disabled => Some(
            "the server states that it has TLS, but no hello is answered: its certificate and \
             ciphers do not fit each other, or somebody in between cuts handshakes",
        ),
        (Transport::Plaintext, Ssl::Prefer, _) => {
            Some("no TLS yet: give the server a certificate and net.tls.mode = allowTLS")
        }
        (Transport::Plaintext, Ssl::Never, Some(mode)) if mode != TlsMode::Disabled => {
            Some("the server has TLS: write ssl = true")
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A host that is up with TLS 1.3 and a certificate of 90 days.
    pub(super) fn encrypted(name: &str) -> HostTls {
        HostTls {
            name: name.into(),
            address: Address { host: name.to_owned(), port: 27017 },
            ssl: Ssl::Always,
            transport: Some(Transport::Tls),
            negotiated: Some(Negotiated {
                version: "1.3",
                cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
                group: "X25519".to_owned(),
            }),
            server_mode: Some(TlsMode::Require),
            verification: Some(Verification::Valid),
            not_after: Some(90 * 86_400),
            note: None,
        }
    }

    /// A host that has no TLS yet, and one that is down.
    pub(super) fn fleet() -> Fleet {
        let nothing = HostTls {
            transport: None,
            negotiated: None,
            server_mode: None,
            verification: None,
            not_after: None,
            ..encrypted("db3")
        };
        let plaintext = HostTls {
            name: "second \"db\"".into(),
            ssl: Ssl::Prefer,
            transport: Some(Transport::Plaintext),
            server_mode: Some(TlsMode::Disabled),
            note: Some("no TLS yet".to_owned()),
            ..nothing.clone()
        };
        let down = HostTls { note: Some("refused".to_owned()), ..nothing };
        Fleet { hosts: vec![encrypted("db1"), plaintext, down] }
    }

    #[test]
    fn a_fleet_passes_when_every_host_is_up() {
        let mut fleet = fleet();
        assert!(!fleet.all_pass());
        fleet.hosts.pop();
        assert!(fleet.all_pass());
    }

    #[test]
    fn the_next_step_is_named_where_there_is_one() {
        let host = encrypted("db1");
        let prefer = HostTls { ssl: Ssl::Prefer, ..host.clone() };
        let plain = HostTls { transport: Some(Transport::Plaintext), ..host.clone() };
        let never = HostTls { ssl: Ssl::Never, verification: None, ..plain.clone() };
        let wrong = HostTls { verification: Some(Verification::WrongName), ..host.clone() };
        for (host, words) in [
            (HostTls { server_mode: Some(TlsMode::Allow), ..prefer.clone() }, None),
            (prefer.clone(), Some("ssl = true")),
            (HostTls { ssl: Ssl::Prefer, ..plain.clone() }, Some("somebody in between")),
            (HostTls { ssl: Ssl::Prefer, server_mode: None, ..plain }, Some("allowTLS")),
            (HostTls { server_mode: Some(TlsMode::Disabled), ..never.clone() }, None),
            (HostTls { server_mode: None, ..never.clone() }, None),
            (never, Some("ssl = true")),
            (wrong, Some("tolerated")),
            (host, None),
        ] {
            let found = advice(&host);
            let as_wanted = match words {
                Some(words) => found.is_some_and(|found| found.contains(words)),
                None => found.is_none(),
            };
            assert!(as_wanted, "{host:?}: {found:?}");
        }
    }
}
