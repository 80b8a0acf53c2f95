//! One mongod process on this machine, with its own data, gone with its owner.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{self, Stdio},
    sync::Mutex,
    time::Duration,
};

use super::{
    guard::{Folder, Process},
    mongod::Mongod,
    trouble::{Outcome, Trouble},
    wait,
};

/// Below the range from which the system takes the ports of outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

const LOG_LINES_SHOWN: usize = 8;

/// A running (or killed) mongod.
pub(crate) struct Server {
    mongod: Mongod,
    flags: Vec<OsString>,
    folder: Folder,
    port: u16,
    process: Process,
}

impl Server {
    /// Starts one and waits until it accepts connections.
    pub(crate) fn start(mongod: &Mongod, flags: &[OsString]) -> Outcome<Self> {
        let mut server = Self::launch(mongod, flags)?;
        server.wait_until_it_accepts()?;
        Ok(server)
    }

    /// Starts one without waiting, so that several can start at the same time.
    pub(crate) fn launch(mongod: &Mongod, flags: &[OsString]) -> Outcome<Self> {
        let folder = Folder::create()?;
        let port = free_port()?;
        fs::create_dir(folder.path().join("data"))?;
        let process = run(mongod, flags, folder.path(), port)?;
        Ok(Self { mongod: mongod.clone(), flags: flags.to_vec(), folder, port, process })
    }

    pub(crate) fn wait_until_it_accepts(&mut self) -> Outcome<()> {
        let address = self.address();
        let patience = Duration::from_millis(200);
        let accepts = wait::until("mongod accepts connections", wait::PATIENCE, || {
            match self.process.ended() {
                Some(_) => Some(false),
                None => TcpStream::connect_timeout(&address, patience).is_ok().then_some(true),
            }
        })?;
        if accepts {
            return Ok(());
        }
        Err(Trouble::new(
            format!(
                "mongod {} ended at once; the end of its log:\n{}",
                self.mongod.version(),
                self.log_end()
            ),
            "the log says why; a full disk and a missing AVX (5.0 and later) are frequent reasons",
        ))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `localhost:PORT`, which its certificate is for.
    pub(crate) fn name(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL: the data stays for [`Server::revive`].
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a killed one again, at the same port and with the same data.
    pub(crate) fn revive(&mut self) -> Outcome<()> {
        self.process.kill();
        self.process = run(&self.mongod, &self.flags, self.folder.path(), self.port)?;
        self.wait_until_it_accepts()
    }

    /// Kills it, if it runs, and starts it with other flags.
    pub(crate) fn revive_with(&mut self, flags: &[OsString]) -> Outcome<()> {
        self.flags = flags.to_vec();
        self.revive()
    }

    /// It keeps its connections and answers nothing.
    pub(crate) fn freeze(&mut self) -> Outcome<()> {
        self.process.signal("STOP")
    }

    /// It goes on where it was frozen.
    pub(crate) fn thaw(&mut self) -> Outcome<()> {
        self.process.signal("CONT")
    }

    fn log_end(&self) -> String {
        let path = self.folder.path().join("mongod.log");
        let log = fs::read(path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(LOG_LINES_SHOWN))
            .map(|it| format!("    {it}\n"))
            .collect()
    }
}

/// TLS for every connection, without asking clients for certificates.
pub(crate) fn require_tls(identity: &Path, authority: &Path) -> Vec<OsString> {
    tls_mode("requireTLS", identity, authority)
}

/// TLS as far as this mode goes, without asking clients for certificates.
pub(crate) fn tls_mode(mode: &str, identity: &Path, authority: &Path) -> Vec<OsString> {
    let mut flags: Vec<OsString> = ["--tlsMode", mode].map(Into::into).into();
    flags.extend([OsStr::new("--tlsCertificateKeyFile").into(), identity.into()]);
    flags.extend([OsStr::new("--tlsCAFile").into(), authority.into()]);
    flags.push("--tlsAllowConnectionsWithoutCertificates".into());
    flags
}

fn run(mongod: &Mongod, flags: &[OsString], folder: &Path, port: u16) -> Outcome<Process> {
    let mut command = mongod.command();
    command.arg("--dbpath").arg(folder.join("data"));
    command.arg("--logpath").arg(folder.join("mongod.log")).arg("--logappend");
    command.args(["--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--nounixsocket"]);
    // The smallest cache there is: many servers run at once.
    command.args(["--wiredTigerCacheSizeGB", "0.25"]).args(flags);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Process::start(&mut command)
}

/// A port that nobody listens on, never the same twice in this process: mongod has no way to take
/// any free port and tell which.
fn free_port() -> Outcome<u16> {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().expect("nothing panics while it holds this lock");
    // Processes that run at the same time begin at different places.
    let offset = usize::try_from(process::id()).unwrap_or(0) * 64 % PORTS.len();
    let free = PORTS.cycle().skip(offset).take(PORTS.len()).find(|port| {
        !taken.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
    });
    let free = free.ok_or_else(|| Trouble::new("no port is free", "end other programs"))?;
    taken.insert(free);
    Ok(free)
}
