//! What stands behind a handshake that failed without saying why.
//!
//! ```text
//!               wide hello                 plaintext isMaster
//! our hello     (second socket)            (third socket)
//! EOF ────────► ServerHello ─────────────────────────────────► speaks only what is too old
//!      ├──────► alert ───────────────────────────────────────► speaks TLS: nothing more is known
//!      └──────► EOF ─────────────────────► answer ───────────► does not use TLS
//!                                     └──► EOF ──────────────► answers nothing to anybody
//! alert ──────► ServerHello, too old ────────────────────────► speaks only what is too old
//! ```
//! Both sockets carry nothing secret: no user, no credential. The words change by what they show;
//! whether anything is sent in plaintext after that is decided in `prefer`.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::{
    Error, Stream,
    connection::Connection,
    dial::{self, within},
    session::greet,
};
use crate::{
    config::Address,
    mongo::command,
    tls::{CipherSuite, Fault, MAX_ANSWER_BYTES, TlsVersion, WideAnswer, wide_hello},
};

/// Limit of each of the two sockets.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// For so long a finding stands while the handshake goes on failing in the same way: an outage
/// costs the server one look in that time, not one at each retry.
const FINDING_STANDS: Duration = Duration::from_secs(60);

/// What was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The port is plaintext. `proven`: not even a wide hello got a byte.
    Plaintext { proven: bool },
    /// The server would have chosen this, which the agent does not speak.
    TooOld(TlsVersion, CipherSuite),
    /// The server hung up on the agent's hello, and answers the wide one with what the agent
    /// speaks as well.
    Choosy(TlsVersion, CipherSuite),
    /// TCP is accepted, and then nothing answers.
    Unanswering,
    /// Nothing beyond the fault itself.
    NothingMore,
}

impl Finding {
    /// Whether it is beyond doubt that no TLS is spoken on the port. An old TLS server must never
    /// be taken for one without: only silence counts, not a strange or late answer.
    pub(super) fn proves_plaintext(self) -> bool {
        self == Self::Plaintext { proven: true }
    }

    /// The error with the words for what was found.
    pub(super) fn explain(self, address: Address, fault: Fault) -> Error {
        match self {
            Self::Plaintext { .. } => Error::Plaintext(address),
            Self::TooOld(version, cipher) => Error::TlsTooOld { address, version, cipher },
            Self::Choosy(version, cipher) => Error::TlsChoosy { address, version, cipher },
            Self::Unanswering => Error::Unanswering(address),
            Self::NothingMore => Error::Tls { address, fault },
        }
    }
}

/// What is remembered of one host's last diagnosis.
#[derive(Debug, Default)]
pub(super) struct Diagnosis(Mutex<Option<(Fault, Finding, Instant)>>);

impl Diagnosis {
    /// What stands behind a fault of the handshake. While the fault stays the same it is found out
    /// once a minute; but where plaintext `is_welcome`, only TLS is remembered, as the look is the
    /// way to connect.
    pub(super) async fn of(
        &self,
        address: &Address,
        fault: &Fault,
        is_welcome: bool,
        deadline: Instant,
    ) -> Finding {
        if let Some(finding) = self.remembered(fault, is_welcome) {
            return finding;
        }
        let finding = diagnose(address, fault, deadline).await;
        *self.lock() = Some((fault.clone(), finding, Instant::now()));
        finding
    }

    /// The outage is over, or another one.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    fn remembered(&self, fault: &Fault, is_welcome: bool) -> Option<Finding> {
        let last = self.lock();
        let (_, finding, _) = last
            .as_ref()
            .filter(|(before, _, at)| before == fault && at.elapsed() < FINDING_STANDS)?;
        let speaks_tls = matches!(finding, Finding::TooOld(..) | Finding::Choosy(..));
        (speaks_tls || !is_welcome).then_some(*finding)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Fault, Finding, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn diagnose(address: &Address, fault: &Fault, deadline: Instant) -> Finding {
    match fault {
        Fault::Closed => behind_silence(address, deadline).await,
        Fault::NotTls(_) => match plaintext(address, deadline).await {
            Plaintext::Answers => Finding::Plaintext { proven: false },
            _ => Finding::NothingMore,
        },
        Fault::Alert(_) | Fault::Peer(_) => match offer(address, deadline).await {
            Some(answer) => too_old(answer).unwrap_or(Finding::NothingMore),
            None => Finding::NothingMore,
        },
        Fault::Trust(_)
        | Fault::Crl(_)
        | Fault::Identity(_)
        | Fault::Name(_)
        | Fault::Refused { .. } => Finding::NothingMore,
    }
}

async fn behind_silence(address: &Address, deadline: Instant) -> Finding {
    let answer = offer(address, deadline).await;
    match answer {
        Some(WideAnswer::ServerHello { version, cipher }) => {
            return answer.and_then(too_old).unwrap_or(Finding::Choosy(version, cipher));
        }
        Some(WideAnswer::Alert { .. }) => return Finding::NothingMore,
        Some(WideAnswer::NotTls | WideAnswer::Nothing) | None => {}
    }
    let silent = answer == Some(WideAnswer::Nothing);
    match plaintext(address, deadline).await {
        Plaintext::Answers => Finding::Plaintext { proven: silent },
        Plaintext::Closes if silent => Finding::Unanswering,
        _ => Finding::NothingMore,
    }
}

fn too_old(answer: WideAnswer) -> Option<Finding> {
    match answer {
        WideAnswer::ServerHello { version, cipher } if !answer.is_acceptable() => {
            Some(Finding::TooOld(version, cipher))
        }
        _ => None,
    }
}

/// The answer to a wide hello; `None` when none came in time, or nobody could be asked.
async fn offer(address: &Address, deadline: Instant) -> Option<WideAnswer> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).ok()?;
    let hello = wide_hello(&address.host, random);
    let asked = async {
        let mut socket = dial::tcp(address, deadline).await.ok()?;
        // What cannot be written any more may still have been answered.
        let _ = socket.write_all(&hello).await;
        Some(answer(&mut socket).await)
    };
    within(PROBE_TIMEOUT, deadline, asked).await.ok()?
}

async fn answer(socket: &mut TcpStream) -> WideAnswer {
    let mut bytes = Vec::new();
    let mut limited = socket.take(u64::try_from(MAX_ANSWER_BYTES).unwrap_or(u64::MAX));
    loop {
        if let Some(answer) = WideAnswer::read(&bytes) {
            return answer;
        }
        match limited.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return WideAnswer::read_last(&bytes),
            Ok(_) => {}
        }
    }
}

/// What a plaintext isMaster without credentials met.
enum Plaintext {
    Answers,
    Closes,
    Other,
}

async fn plaintext(address: &Address, deadline: Instant) -> Plaintext {
    let asked = async {
        let socket = dial::tcp(address, deadline).await?;
        let mut connection = Connection::new(Stream::Plain(socket));
        greet(&mut connection, address, &command::greeting(None)).await
    };
    match within(PROBE_TIMEOUT, deadline, asked).await {
        Ok(Ok(_)) => Plaintext::Answers,
        Ok(Err(Error::ClosedBeforeReply(_))) => Plaintext::Closes,
        _ => Plaintext::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::{net::TcpListener, task::JoinSet};

    use super::*;
    use crate::tls::Role;

    /// A port that answers the first bytes of each connection, by what they are, and closes.
    struct Port {
        address: Address,
        connections: Arc<AtomicUsize>,
        _task: JoinSet<()>,
    }

    async fn port(to_tls: &'static [u8], to_plaintext: &'static [u8]) -> Port {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut first = [0; 4_096];
                let _ = caller.read(&mut first).await;
                let answer = if first[0] == 0x16 { to_tls } else { to_plaintext };
                let _ = caller.write_all(answer).await;
            }
        });
        let address = Address { host: "127.0.0.1".to_owned(), port };
        Port { address, connections, _task: task }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// OP_REPLY to request 1 with the document `{ok: 1.0}`.
    const HELLO: &[u8] = b"\x35\0\0\0\x09\0\0\0\x01\0\0\0\x01\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
        \x11\0\0\0\x01ok\0\0\0\0\0\0\0\xf0\x3f\0";

    /// A ServerHello of TLS 1.2 with TLS_RSA_WITH_AES_128_CBC_SHA.
    const TOO_OLD: &[u8] = b"\x16\x03\x03\0\x2a\x02\0\0\x26\x03\x03\
        0123456789abcdef0123456789abcdef\0\0\x2f\0";

    /// The same with TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384.
    const MODERN: &[u8] = b"\x16\x03\x03\0\x2a\x02\0\0\x26\x03\x03\
        0123456789abcdef0123456789abcdef\0\xc0\x30\0";

    const ALERT: &[u8] = b"\x15\x03\x03\0\x02\x02\x28";

    /// A fault, what answers a TLS hello, what answers plaintext; what follows, from how many
    /// sockets.
    type Case = (Fault, &'static [u8], &'static [u8], Finding, usize);

    #[tokio::test]
    async fn each_pair_of_answers_has_its_meaning_and_only_silence_proves_plaintext() {
        let too_old = Finding::TooOld(TlsVersion(0x0303), CipherSuite(0x002f));
        let choosy = Finding::Choosy(TlsVersion(0x0303), CipherSuite(0xc030));
        let alert = || Fault::Alert("no cipher in common".to_owned());
        let cases: [Case; 11] = [
            (Fault::Closed, b"", HELLO, Finding::Plaintext { proven: true }, 2),
            (Fault::Closed, b"", b"", Finding::Unanswering, 2),
            (Fault::Closed, b"", b"HTTP/1.1 400 Bad Request\r\n", Finding::NothingMore, 2),
            (Fault::Closed, TOO_OLD, HELLO, too_old, 1),
            (Fault::Closed, MODERN, HELLO, choosy, 1),
            (Fault::Closed, ALERT, HELLO, Finding::NothingMore, 1),
            (Fault::Closed, b"HTTP", HELLO, Finding::Plaintext { proven: false }, 2),
            (Fault::NotTls(Role::Mongo), b"", HELLO, Finding::Plaintext { proven: false }, 1),
            (alert(), TOO_OLD, HELLO, too_old, 1),
            (alert(), MODERN, HELLO, Finding::NothingMore, 1),
            (alert(), b"", HELLO, Finding::NothingMore, 1),
        ];
        for (fault, to_tls, to_plaintext, expected, sockets) in cases {
            let port = port(to_tls, to_plaintext).await;
            let finding = diagnose(&port.address, &fault, soon()).await;
            assert_eq!(finding, expected, "{fault:?} {to_tls:02x?} {to_plaintext:02x?}");
            assert_eq!(port.connections.load(Ordering::SeqCst), sockets, "{fault:?} {to_tls:02x?}");
            let proof = expected == Finding::Plaintext { proven: true };
            assert_eq!(finding.proves_plaintext(), proof);
        }
    }

    #[tokio::test]
    async fn an_outage_is_looked_into_once_until_it_changes() {
        let port = port(b"", b"").await;
        let connections = || port.connections.load(Ordering::SeqCst);
        let diagnosis = Diagnosis::default();
        for _retry in 0..3 {
            let finding = diagnosis.of(&port.address, &Fault::Closed, false, soon()).await;
            assert_eq!((finding, connections()), (Finding::Unanswering, 2));
        }
        // Where plaintext would do, the look is the way to connect.
        diagnosis.of(&port.address, &Fault::Closed, true, soon()).await;
        assert_eq!(connections(), 4);
        diagnosis.forget();
        diagnosis.of(&port.address, &Fault::Closed, false, soon()).await;
        assert_eq!(connections(), 6);
    }

    #[tokio::test]
    async fn a_server_that_is_too_old_is_asked_once_also_where_plaintext_would_do() {
        let port = port(TOO_OLD, HELLO).await;
        let diagnosis = Diagnosis::default();
        for _retry in 0..3 {
            diagnosis.of(&port.address, &Fault::Closed, true, soon()).await;
        }
        assert_eq!(port.connections.load(Ordering::SeqCst), 1);
    }
}
