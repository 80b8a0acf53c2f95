//! A management server: takes OTLP over HTTPS with Basic authentication, remembers what came, and
//! misbehaves when it is told to.

mod points;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

pub(crate) use self::points::Point;
use super::{
    certificates::{Authority, Request},
    trouble::Outcome,
};

/// Far more than a batch of the agent may have.
const BODY_LIMIT: usize = 64 << 20;

/// The newest requests are kept, so that a long run does not fill the memory.
const REQUESTS_KEPT: usize = 100;

/// What the receiver does with the requests that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Checks path and credentials and takes the batch.
    Accept,
    /// Answers this status.
    Status(u16),
    /// Answers 429 and asks for this many seconds of peace.
    TooMany { retry_after: u64 },
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes the connection.
    Cut,
}

/// Who may deliver, and where.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) group_id: String,
    pub(crate) api_key: String,
}

impl Account {
    fn path(&self) -> String {
        format!("/agents/api/otlp/{}/v1/metrics", self.group_id)
    }

    fn authorization(&self) -> String {
        let pair = format!("{}:{}", self.group_id, self.api_key);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }
}

/// One request, whatever was answered.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The status that was answered; `None` when there was no answer.
    pub(crate) status: Option<u16>,
    /// The head of the request as text.
    pub(crate) head: String,
    /// The body without its compression.
    pub(crate) body: Vec<u8>,
}

/// Everything that was received.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) deliveries: Vec<Delivery>,
    /// The times of the accepted samples of each host, in nanoseconds since the Unix epoch.
    pub(crate) samples: BTreeMap<String, BTreeSet<u64>>,
}

impl Received {
    /// The points of one sample, if its batch is among those that are kept.
    pub(crate) fn sample(&self, host: &str, time: u64) -> Vec<Point> {
        let accepted = self.deliveries.iter().filter(|it| it.status == Some(200));
        let batches = accepted.filter_map(|it| ExportMetricsServiceRequest::decode(&*it.body).ok());
        batches.flat_map(points::of).filter(|it| it.host == host && it.time == time).collect()
    }

    pub(crate) fn sample_count(&self) -> usize {
        self.samples.values().map(BTreeSet::len).sum()
    }
}

struct State {
    account: Account,
    manners: Mutex<Manners>,
    received: Mutex<Received>,
}

/// A listening receiver; it ends with its owner.
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    authority: Authority,
    /// Its tasks end when this is dropped.
    _runtime: tokio::runtime::Runtime,
}

impl Receiver {
    /// Listens on a port of this machine, with a certificate of an authority of its own; port 0
    /// takes any.
    pub(crate) fn start(account: Account, port: u16) -> Outcome<Self> {
        Self::start_again(Authority::root("Management Root CA"), account, port)
    }

    /// Listens with a certificate of an authority that an earlier receiver had.
    pub(crate) fn start_again(authority: Authority, account: Account, port: u16) -> Outcome<Self> {
        let identity = authority.issue(&Request::localhost());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            account,
            manners: Mutex::new(Manners::Accept),
            received: Mutex::default(),
        });
        let acceptor = TlsAcceptor::from(Arc::new(identity.server_config()));
        runtime.spawn(serve(listener, acceptor, Arc::clone(&state)));
        Ok(Self { address, state, authority, _runtime: runtime })
    }

    /// The value of mmsBaseUrl.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate of the authority that signed the receiver's, as PEM.
    pub(crate) fn authority(&self) -> String {
        self.authority.pem()
    }

    /// Ends it, and hands out its authority for the next one.
    pub(crate) fn down(self) -> Authority {
        self.authority
    }

    pub(crate) fn account(&self) -> &Account {
        &self.state.account
    }

    pub(crate) fn behave(&self, manners: Manners) {
        *self.state.manners.lock().expect("nothing panics while it holds this lock") = manners;
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Received> {
        self.state.received()
    }
}

impl State {
    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().expect("nothing panics while it holds this lock")
    }

    /// Decides the status; `None` gives no answer.
    fn judge(&self, head: &hyper::http::request::Parts) -> Option<u16> {
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        match *self.manners.lock().expect("nothing panics while it holds this lock") {
            Manners::Hang | Manners::Cut => None,
            Manners::Status(status) => Some(status),
            Manners::TooMany { .. } => Some(429),
            Manners::Accept if head.method != hyper::Method::POST => Some(405),
            Manners::Accept if head.uri.path() != self.account.path() => Some(404),
            Manners::Accept
                if header(header::AUTHORIZATION) != Some(&self.account.authorization()) =>
            {
                Some(401)
            }
            Manners::Accept if header(header::CONTENT_TYPE) != Some("application/x-protobuf") => {
                Some(415)
            }
            Manners::Accept => Some(200),
        }
    }

    /// Remembers the request; a batch that cannot be decoded is answered 400.
    fn remember(&self, head: &hyper::http::request::Parts, body: &[u8]) -> Option<u16> {
        let mut status = self.judge(head);
        let plain = uncompressed(head, body);
        let decoded =
            plain.as_deref().ok().and_then(|it| ExportMetricsServiceRequest::decode(it).ok());
        let mut received = self.received();
        match decoded {
            None => status = status.map(|_| 400),
            Some(batch) if status == Some(200) => received.accept(&points::of(batch)),
            Some(_) => {}
        }
        if received.deliveries.len() == REQUESTS_KEPT {
            received.deliveries.remove(0);
        }
        received.deliveries.push(Delivery {
            status,
            head: format!("{} {}\n{:?}", head.method, head.uri, head.headers),
            body: plain.unwrap_or_else(|_| body.to_vec()),
        });
        status
    }
}

impl Received {
    fn accept(&mut self, points: &[Point]) {
        for point in points {
            self.samples.entry(point.host.clone()).or_default().insert(point.time);
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    let mut callers = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while callers.try_join_next().is_some() {}
        let acceptor = acceptor.clone();
        let state = Arc::clone(&state);
        callers.spawn(async move {
            // What fails here is seen by the agent, which says so; a test reads it there.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| answer(request, Arc::clone(&state)));
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(io::Error::other)?;
    let status = state.remember(&head, &body.to_bytes());
    let manners = *state.manners.lock().expect("nothing panics while it holds this lock");
    let Some(status) = status else {
        if manners == Manners::Hang {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        return Err(io::Error::other("cut, as asked"));
    };
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).map_err(io::Error::other)?)
        .header(header::CONTENT_TYPE, "application/x-protobuf");
    if let Manners::TooMany { retry_after } = manners {
        response = response.header(header::RETRY_AFTER, retry_after);
    }
    response.body(Full::default()).map_err(io::Error::other)
}

fn uncompressed(head: &hyper::http::request::Parts, body: &[u8]) -> io::Result<Vec<u8>> {
    match head.headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None => Ok(body.to_vec()),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body).take(BODY_LIMIT as u64).read_to_end(&mut plain)?;
            Ok(plain)
        }
        Some(_) => Err(io::Error::other("only gzip is taken")),
    }
}
