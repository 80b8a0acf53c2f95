//! The agent's HTTP server: `/metrics`, `/healthz`, `/readyz` and a page that links to them.
//!
//! It reads what others wrote and triggers nothing: a scrape shows the last poll of each host.
//! Whoever connects is a stranger, so every connection has bounds: how many there are, how large
//! the head of a request is, how long each part may take ([`Limits`]). Bodies of requests are not
//! read, nothing of a request is repeated in a response, and a page is rendered whole before its
//! first byte is sent: half an exposition is worse than none.

mod answer;
mod connection;
mod page;

use std::{io::Write, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::Instant,
};

use crate::{
    backoff::{self, Backoff},
    latest::Latest,
    metrics::View,
    shutdown::Shutdown,
    status::Status,
    telemetry::Telemetry,
};

/// What the pages are made from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The last sample of each host.
    pub latest: Latest,
    /// The agent's only view of samples.
    pub view: Arc<View>,
    /// The agent's own metrics.
    pub telemetry: Telemetry,
    /// Where the agent, its hosts and its destinations stand.
    pub status: Status,
}

/// The bounds of what strangers can ask for.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// A Prometheus keeps one open, a browser six; the rest is room for probes.
    connections: usize,
    /// Pages of metrics that are in memory at once: some 20 kB for each host.
    scrapes: usize,
    /// Longest wait for one of those before 503; Prometheus gives up after 10 s.
    scrape_wait: Duration,
    /// For the head of a request, and for the pause between two requests. Longer than a browser
    /// needs for a second click; a Prometheus that comes later just connects again.
    head: Duration,
    /// After this a connection takes no new request, so that nobody holds one for ever.
    lifetime: Duration,
    /// For the response that is on its way then, or at a stop.
    last_response: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            scrapes: 4,
            scrape_wait: Duration::from_secs(5),
            head: Duration::from_secs(10),
            lifetime: Duration::from_secs(60),
            last_response: Duration::from_secs(30),
        }
    }
}

/// Between attempts to accept while the operating system has no file descriptor or memory left.
const ACCEPT_BACKOFF: Backoff =
    Backoff { min: Duration::from_millis(20), max: Duration::from_secs(1) };

/// All that is said to a connection too many.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 21\r\n\
    content-type: text/plain\r\nconnection: close\r\n\r\ntoo many connections\n";

/// Serves until the agent is asked to stop; then closes the port and finishes the responses that
/// are on their way, at the latest by the deadline of the stop.
pub async fn run(listener: TcpListener, sources: Sources, stop: Shutdown) {
    Exporter::new(sources, Limits::default()).run(listener, stop).await;
}

/// What all connections share.
#[derive(Debug)]
struct Exporter {
    sources: Sources,
    limits: Limits,
    scrapes: Arc<Semaphore>,
}

/// What happened in the accept loop.
enum Event {
    Accepted(std::io::Result<TcpStream>),
    ConnectionEnded,
    Stop,
}

impl Exporter {
    fn new(sources: Sources, limits: Limits) -> Self {
        Self { sources, limits, scrapes: Arc::new(Semaphore::new(limits.scrapes)) }
    }

    async fn run(self, listener: TcpListener, mut stop: Shutdown) {
        let exporter = Arc::new(self);
        let mut connections = JoinSet::new();
        let mut failures = 0;
        loop {
            let event = tokio::select! {
                accepted = listener.accept() => Event::Accepted(accepted.map(|(socket, _)| socket)),
                Some(_) = connections.join_next() => Event::ConnectionEnded,
                () = stop.requested() => Event::Stop,
            };
            match event {
                Event::Accepted(Ok(socket)) => {
                    failures = 0;
                    if connections.len() < exporter.limits.connections {
                        connections.spawn(connection::serve(
                            socket,
                            Arc::clone(&exporter),
                            stop.clone(),
                        ));
                    } else {
                        exporter.reject(socket);
                    }
                }
                Event::Accepted(Err(error)) => {
                    failures += 1;
                    exporter.accept_failed(&error, failures, &mut stop).await;
                }
                Event::ConnectionEnded => {}
                Event::Stop => break,
            }
        }
        drop(listener);
        let deadline = stop.deadline().unwrap_or_else(Instant::now);
        // Those that do not end by themselves are dropped with the set.
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, ended).await.is_err() {
            tracing::debug!("connections of the exporter were cut at the end of the grace");
        }
    }

    /// Says so as far as the socket takes it without waiting, and hangs up.
    fn reject(&self, socket: TcpStream) {
        self.sources.telemetry.connection_rejected();
        let said = socket.into_std().and_then(|mut socket| socket.write_all(BUSY));
        if let Err(error) = said {
            tracing::debug!(%error, "a connection too many could not be told so");
        }
    }

    /// Waits, as what failed (no file descriptors, no memory) would fail again at once.
    async fn accept_failed(&self, error: &std::io::Error, failures: u32, stop: &mut Shutdown) {
        self.sources.telemetry.accept_failed();
        if failures == 1 {
            tracing::warn!(%error, "the exporter cannot accept a connection; it tries again");
        }
        tokio::select! {
            () = tokio::time::sleep(ACCEPT_BACKOFF.delay(failures, backoff::dice())) => {}
            () = stop.requested() => {}
        }
    }
}

#[cfg(test)]
mod tests;
