//! From a configured address to a connected stream, under one deadline.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, LazyLock},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{Error, Stage, Stream};
use crate::{config::Address, tls::Peer};

/// Look-ups at a time: the resolver of the C library takes a thread each, and a dead DNS server
/// holds it for 10 seconds and more.
const RESOLVERS: usize = 32;

/// Limit of one look-up.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Limit of the connect to one address, so that a dead one leaves time for the next.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Limit of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// Connects, and makes the TLS handshake when there is a peer to make it with.
pub(super) async fn dial(
    address: &Address,
    peer: Option<&Peer>,
    deadline: Instant,
) -> Result<Stream, Error> {
    let socket = tcp(address, deadline).await?;
    let Some(peer) = peer else { return Ok(Stream::Plain(socket)) };
    let tls_error = |fault| Error::Tls { address: address.clone(), fault };
    match within(HANDSHAKE_TIMEOUT, deadline, peer.handshake(socket)).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
        Ok(Err(fault)) => Err(tls_error(fault)),
        Err(after) => {
            Err(Error::Timeout { address: address.clone(), stage: Stage::Handshake, after })
        }
    }
}

/// A TCP connection to the first of the host's addresses that takes one.
pub(super) async fn tcp(address: &Address, deadline: Instant) -> Result<TcpStream, Error> {
    let addresses = resolve(address, deadline).await?;
    let mut failures = Vec::new();
    for socket_address in addresses {
        match within(CONNECT_TIMEOUT, deadline, TcpStream::connect(socket_address)).await {
            Ok(Ok(socket)) => {
                // Without it the small request behind a reply waits 40 ms for an acknowledgement.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Ok(Err(error)) => failures.push(format!("{socket_address}: {}", reason(&error))),
            Err(after) => failures
                .push(format!("{socket_address}: no answer within {:.1} s", after.as_secs_f64())),
        }
    }
    Err(Error::Connect { address: address.clone(), what: failures.join("; ") })
}

async fn resolve(address: &Address, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(ip) = address.host.parse() {
        return Ok(vec![SocketAddr::new(ip, address.port)]);
    }
    let failed = |what: String| Error::Resolve { host: address.host.clone(), what };
    let timed_out =
        |after| Error::Timeout { address: address.clone(), stage: Stage::Resolve, after };
    let found = within(RESOLVE_TIMEOUT, deadline, look_up(address)).await.map_err(timed_out)?;
    let found = found.map_err(|error| failed(error.to_string()))?;
    if found.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(found) }
}

/// Asks the system's resolver. The permit goes with the look-up, not with whoever waits for it: a
/// thread that is stuck in the resolver counts until it is back.
async fn look_up(address: &Address) -> io::Result<Vec<SocketAddr>> {
    static PERMITS: LazyLock<Arc<Semaphore>> =
        LazyLock::new(|| Arc::new(Semaphore::new(RESOLVERS)));
    let permit = Arc::clone(&PERMITS).acquire_owned().await.map_err(io::Error::other)?;
    let (host, port) = (address.host.clone(), address.port);
    let look_up = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let found = (host.as_str(), port).to_socket_addrs()?;
        Ok(found.take(MAX_ADDRESSES).collect())
    });
    look_up.await.map_err(io::Error::other)?
}

/// Runs a future until the earlier of the two limits; the error is how long was waited.
pub(super) async fn within<T>(
    limit: Duration,
    deadline: Instant,
    future: impl Future<Output = T>,
) -> Result<T, Duration> {
    let start = Instant::now();
    let end = deadline.min(start + limit);
    timeout_at(end, future).await.map_err(|_| end.saturating_duration_since(start))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "connection refused, nothing listens on this port".to_owned()
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "unreachable, check routes and firewalls".to_owned()
        }
        _ => error.to_string(),
    }
}
