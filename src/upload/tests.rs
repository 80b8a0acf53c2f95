//! The task against a real HTTP server on a real socket, which answers as the tests say.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::Read,
    net::SocketAddr,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request,
    body::{Body, Frame, Incoming},
    header::HeaderMap,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    },
    metrics::v1::{NumberDataPoint, metric},
};
use prost::Message;
use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinSet};

use super::*;
use crate::{
    config::{TlsPolicy, TrustSource},
    secret::Secret,
    shutdown::{self, Trigger},
    spool::{Limits, Spool, tests::sample},
    status::DestinationState,
    telemetry::Telemetry,
};

/// How a receiver takes a request.
#[derive(Clone, Debug)]
enum Script {
    Answer(u16, &'static [(&'static str, &'static str)], Vec<u8>),
    Hang,
    Cut,
    /// The status line, then nothing more of the body it promised.
    StallAfterStatus(u16),
}

fn answer(code: u16) -> Script {
    Script::Answer(code, &[], b"no".to_vec())
}

type Judge = dyn Fn(&[i64]) -> Script + Send + Sync;

/// Seen by the receiver: the stamps (milliseconds) of the samples of each request.
#[derive(Default)]
struct Seen {
    requests: Vec<Vec<i64>>,
    stored: Vec<i64>,
    headers: Option<HeaderMap>,
    scripted: VecDeque<Script>,
}

struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    /// Plays the scripts first, then asks the judge.
    async fn start(scripted: Vec<Script>, judge: &'static Judge) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Seen { scripted: scripted.into(), ..Seen::default() }));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let seen = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(|request| take(request, Arc::clone(&seen), judge));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _cut = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, seen, _tasks: tasks }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that comes at once, or never.
enum Said {
    Whole(Option<Bytes>),
    Stalled,
}

impl Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stalled => Poll::Pending,
        }
    }
}

async fn take(
    request: Request<Incoming>,
    seen: Arc<Mutex<Seen>>,
    judge: &'static Judge,
) -> Result<hyper::Response<Said>, &'static str> {
    let headers = request.headers().clone();
    let body = request.into_body().collect().await.map_err(|_| "cut")?.to_bytes();
    let stamps = stamps(&body);
    let script = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.headers = Some(headers);
        seen.requests.push(stamps.clone());
        let script = seen.scripted.pop_front().unwrap_or_else(|| judge(&stamps));
        if matches!(script, Script::Answer(200..=299, ..) | Script::StallAfterStatus(200)) {
            seen.stored.extend(stamps);
        }
        script
    };
    let response = hyper::Response::builder();
    let (response, said) = match script {
        Script::Hang => std::future::pending().await,
        Script::Cut => return Err("cut"),
        Script::StallAfterStatus(code) => (response.status(code), Said::Stalled),
        Script::Answer(code, headers, body) => {
            let all = headers.iter();
            let response =
                all.fold(response.status(code), |it, (name, value)| it.header(*name, *value));
            (response, Said::Whole(Some(body.into())))
        }
    };
    Ok(response.body(said).expect("a response"))
}

/// The distinct stamps in a body, in their order, read with the official messages.
fn stamps(gzip: &[u8]) -> Vec<i64> {
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut body).expect("whole gzip");
    let request = ExportMetricsServiceRequest::decode(body.as_slice()).expect("official decoding");
    let metrics = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let up = metrics.flat_map(|it| &it.metrics).filter(|metric| metric.name == "mongodb.up");
    let gauges = up.filter_map(|metric| match &metric.data {
        Some(metric::Data::Gauge(gauge)) => Some(&gauge.data_points),
        _ => None,
    });
    let stamp = |point: &NumberDataPoint| {
        i64::try_from(point.time_unix_nano / 1_000_000).expect("a stamp of the tests")
    };
    gauges.flatten().map(stamp).collect()
}

fn destination(url: String) -> Destination {
    Destination {
        name: "mms".into(),
        url,
        username: "group".to_owned(),
        password: Secret::new("canary-key".to_owned()),
        tls: TlsPolicy::new(TrustSource::System, false),
        labels: vec![("agent".to_owned(), "box".to_owned())],
    }
}

/// Short enough for tests, in the proportions of the real one.
const PACE: Pace = Pace {
    gather: Duration::from_millis(1),
    backoff: Backoff { min: Duration::from_millis(1), max: Duration::from_millis(8) },
    hold: Duration::from_millis(40),
};

/// Far above what any of it takes, far below a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    spool: Spool,
    telemetry: DestinationTelemetry,
    status: Status,
    trigger: Trigger,
    task: JoinSet<usize>,
}

/// One upload to `address` with samples of these stamps waiting for it.
fn start(address: SocketAddr, stamps: std::ops::Range<i64>) -> Running {
    let telemetry = Telemetry::new("0", 0).destination("mms");
    let status = Status::new([], ["mms".into()]);
    let spool = Spool::new(Limits::default());
    let shared = Shared {
        view: Arc::new(View::new()),
        trusts: Arc::default(),
        status: status.clone(),
        agent_started_at: 0,
    };
    let destination = destination(format!("http://{address}/v1/metrics"));
    let cursor = spool.cursor("mms".into(), telemetry.clone());
    let upload = Upload::build(&destination, cursor, telemetry.clone(), &shared);
    let mut upload = upload.expect("a good destination");
    upload.pace = PACE;
    upload.client = upload.client.with_request_timeout(Duration::from_millis(300));
    stamps.for_each(|stamp| spool.append(&sample("a", stamp)));
    let (trigger, stop) = shutdown::channel();
    let mut task = JoinSet::new();
    task.spawn(upload.run(stop));
    Running { spool, telemetry, status, trigger, task }
}

impl Running {
    fn state(&self) -> Option<DestinationState> {
        self.status.snapshot().destinations.get("mms").copied()
    }

    async fn until(&self, what: &str, happened: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !happened(self) {
            assert!(begin.elapsed() < PATIENCE, "it never happened: {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Closes the spool, which ends the task when all is delivered; tells what was left.
    async fn drained(mut self) -> usize {
        self.spool.close();
        let ended = tokio::time::timeout(PATIENCE, self.task.join_next()).await;
        ended.expect("it ends").expect("one task").expect("it does not panic")
    }

    fn counts(&self) -> (u64, [u64; 5]) {
        let reasons = [
            DropReason::QueueFull,
            DropReason::Refused,
            DropReason::TooLarge,
            DropReason::Failing,
            DropReason::Stopped,
        ];
        let dropped = reasons.map(|reason| self.telemetry.dropped_total(reason));
        (self.telemetry.delivered_total(), dropped)
    }
}

const NOTHING_LOST: [u64; 5] = [0; 5];

fn taken(_: &[i64]) -> Script {
    answer(200)
}

#[tokio::test]
async fn whatever_can_be_tried_again_is_and_nothing_is_lost_doubled_or_reordered() {
    let trouble = vec![
        answer(500),
        Script::Answer(429, &[("retry-after", "0")], Vec::new()),
        Script::Cut,
        Script::Answer(503, &[("retry-after", "-1")], Vec::new()),
        Script::Hang,
        answer(408),
        answer(502),
    ];
    let receiver = Receiver::start(trouble, &taken).await;
    let running = start(receiver.address, 1..301);
    running.until("all are delivered", |it| it.counts().0 == 300).await;
    assert_eq!(running.counts(), (300, NOTHING_LOST));
    assert_eq!(running.state(), Some(DestinationState::Delivering));
    assert_eq!(running.drained().await, 0);
    let seen = receiver.seen();
    assert_eq!(seen.stored, (1..301).collect::<Vec<i64>>());
    let sizes: Vec<usize> = seen.requests.iter().map(Vec::len).collect();
    assert_eq!(sizes, [128, 128, 128, 128, 128, 128, 128, 128, 128, 44]);
}

#[tokio::test]
async fn what_the_server_asks_for_is_waited_for() {
    let busy = Script::Answer(429, &[("retry-after", "1")], Vec::new());
    let receiver = Receiver::start(vec![busy], &taken).await;
    let begin = Instant::now();
    let running = start(receiver.address, 1..3);
    running.until("both are delivered", |it| it.counts().0 == 2).await;
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(receiver.seen().requests.len(), 2);
}

#[tokio::test]
async fn credentials_that_are_refused_hold_the_data_until_they_are_accepted() {
    let receiver = Receiver::start(vec![answer(401), answer(401)], &taken).await;
    let running = start(receiver.address, 1..6);
    running.until("it is held", |it| it.state() == Some(DestinationState::Held)).await;
    assert_eq!(running.counts(), (0, NOTHING_LOST));
    running.until("all are delivered", |it| it.counts().0 == 5).await;
    assert_eq!((running.counts(), receiver.seen().requests.len()), ((5, NOTHING_LOST), 3));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Script::Answer(307, &[("location", "/elsewhere")], Vec::new());
    let receiver = Receiver::start(vec![elsewhere], &taken).await;
    let running = start(receiver.address, 1..2);
    running.until("it is held", |it| it.state() == Some(DestinationState::Held)).await;
    running.until("it is delivered", |it| it.counts().0 == 1).await;
    assert_eq!(receiver.seen().requests, [[1], [1]]);
}

#[tokio::test]
async fn too_large_a_batch_is_split_and_a_sample_that_is_too_large_alone_is_dropped() {
    fn judge(stamps: &[i64]) -> Script {
        answer(if stamps.len() > 40 || stamps.contains(&150) { 413 } else { 200 })
    }
    let receiver = Receiver::start(Vec::new(), &judge).await;
    let running = start(receiver.address, 1..201);
    running.until("199 are delivered", |it| it.counts().0 == 199).await;
    assert_eq!(running.counts(), (199, [0, 0, 1, 0, 0]));
    let expected: Vec<i64> = (1..201).filter(|stamp| *stamp != 150).collect();
    assert_eq!(receiver.seen().stored, expected);
}

#[tokio::test]
async fn a_sample_whose_content_is_refused_takes_no_other_along() {
    fn judge(stamps: &[i64]) -> Script {
        answer(if stamps.contains(&100) { 400 } else { 200 })
    }
    let receiver = Receiver::start(Vec::new(), &judge).await;
    let running = start(receiver.address, 1..201);
    running.until("199 are delivered", |it| it.counts().0 == 199).await;
    assert_eq!(running.counts(), (199, [0, 1, 0, 0, 0]));
    let expected: Vec<i64> = (1..201).filter(|stamp| *stamp != 100).collect();
    assert_eq!(receiver.seen().stored, expected);
    assert_eq!(running.state(), Some(DestinationState::Delivering));
}

#[tokio::test]
async fn a_server_that_refuses_everything_costs_each_sample_once() {
    fn judge(_: &[i64]) -> Script {
        answer(422)
    }
    let receiver = Receiver::start(Vec::new(), &judge).await;
    let running = start(receiver.address, 1..401);
    running.until("all are dropped", |it| it.counts().1 == [0, 400, 0, 0, 0]).await;
    assert_eq!(running.counts().0, 0);
    assert_eq!(running.state(), Some(DestinationState::Refusing));
    assert!(receiver.seen().requests.len() < 40, "{}", receiver.seen().requests.len());
    assert_eq!(running.drained().await, 0);
}

#[tokio::test]
async fn data_points_that_were_left_out_are_counted_and_never_sent_again() {
    let partial = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: 7,
            error_message: "too old".to_owned(),
        }),
    };
    let protobuf = &[("content-type", "application/x-protobuf")];
    let answer = Script::Answer(200, protobuf, partial.encode_to_vec());
    let receiver = Receiver::start(vec![answer], &taken).await;
    let telemetry = {
        let running = start(receiver.address, 1..3);
        running.until("both are delivered", |it| it.counts().0 == 2).await;
        let telemetry = running.telemetry.clone();
        assert_eq!(running.drained().await, 0);
        telemetry
    };
    assert_eq!(receiver.seen().requests, [[1, 2]]);
    assert_eq!(telemetry.points_rejected_total(), 7);
}

#[tokio::test]
async fn a_2xx_whose_body_never_ends_is_a_delivery() {
    let receiver = Receiver::start(vec![Script::StallAfterStatus(200)], &taken).await;
    let running = start(receiver.address, 1..4);
    running.until("all are delivered", |it| it.counts().0 == 3).await;
    assert_eq!(running.drained().await, 0);
    assert_eq!(receiver.seen().requests, [[1, 2, 3]]);
}

#[tokio::test]
async fn a_request_names_its_format_its_sender_and_the_user() {
    let receiver = Receiver::start(Vec::new(), &taken).await;
    let running = start(receiver.address, 1..2);
    running.until("it is delivered", |it| it.counts().0 == 1).await;
    let headers = receiver.seen().headers.clone().expect("a request");
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("authorization"), Some("Basic Z3JvdXA6Y2FuYXJ5LWtleQ=="));
    assert_eq!(header("content-type"), Some("application/x-protobuf"));
    assert_eq!(header("content-encoding"), Some("gzip"));
    let agent = concat!("monitoring-agent/", env!("CARGO_PKG_VERSION"));
    assert_eq!(header("user-agent"), Some(agent));
}

#[tokio::test]
async fn at_a_stop_what_waits_is_delivered_at_once() {
    let receiver = Receiver::start(vec![answer(401)], &taken).await;
    let mut running = start(receiver.address, 1..4);
    running.until("it is held", |it| it.state() == Some(DestinationState::Held)).await;
    running.spool.append(&sample("a", 4));
    running.trigger.pull(Instant::now() + PATIENCE);
    running.spool.close();
    let left = running.task.join_next().await.expect("one task").expect("it does not panic");
    assert_eq!((left, running.counts()), (0, (4, NOTHING_LOST)));
}

#[tokio::test]
async fn what_is_left_when_the_grace_is_over_is_counted() {
    fn judge(_: &[i64]) -> Script {
        answer(503)
    }
    for judge in [&judge as &Judge, &|_: &[i64]| Script::Hang, &|_: &[i64]| answer(403)] {
        let receiver = Receiver::start(Vec::new(), judge).await;
        let mut running = start(receiver.address, 1..6);
        running.until("it is tried", |_| !receiver.seen().requests.is_empty()).await;
        let begin = Instant::now();
        running.trigger.pull(begin + Duration::from_millis(100));
        let left = running.task.join_next().await.expect("one task").expect("it does not panic");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!((left, running.counts()), (5, (0, [0, 0, 0, 0, 5])));
    }
}

fn client(url: String) -> Client {
    Client::new(&destination(url), &Arc::default()).expect("a good destination")
}

#[tokio::test]
async fn words_name_the_host_and_repeat_no_secret_and_not_more_than_a_little() {
    let echo = "bad \"key\": canary-key\n\u{7} Basic Z3JvdXA6Y2FuYXJ5LWtleQ== ".repeat(9_000);
    let script = vec![Script::Answer(500, &[], echo.into_bytes()), answer(401)];
    let receiver = Receiver::start(script, &taken).await;
    let mut client = client(format!("http://{}/v1/metrics", receiver.address));
    let empty = || flate2::read::GzEncoder::new(&[][..], flate2::Compression::fast());
    let mut gzip = Vec::new();
    empty().read_to_end(&mut gzip).expect("an empty body");
    let words = client.post(gzip.clone()).await.words;
    let start = "127.0.0.1 answers 500 Internal Server Error and says \"bad 'key': … Basic … bad";
    assert!(words.starts_with(start), "{words}");
    assert!(!words.contains("canary") && !words.contains("Z3Jv"), "{words}");
    assert_eq!(
        words.chars().count(),
        "127.0.0.1 answers 500 Internal Server Error and says ".len() + 202
    );
    let words = client.post(gzip).await.words;
    assert_eq!(words, "127.0.0.1 answers 401 Unauthorized and says \"no\"");
    assert!(!format!("{client:?}").contains("canary"), "{client:?}");
}

#[tokio::test]
async fn a_port_without_listener_or_without_tls_is_said_in_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let free = listener.local_addr().expect("bound");
    drop(listener);
    let reply = client(format!("http://{free}/")).post(Vec::new()).await;
    assert_eq!(reply.answer, Answer::Silence);
    let words = "no connection to 127.0.0.1: Connection refused (os error 111)";
    assert_eq!(reply.words, words);
    let receiver = Receiver::start(Vec::new(), &taken).await;
    let reply = client(format!("https://{}/", receiver.address)).post(Vec::new()).await;
    assert_eq!(reply.answer, Answer::Distrust, "{}", reply.words);
    assert!(reply.words.starts_with("no trusted connection to 127.0.0.1: "), "{}", reply.words);
}

#[tokio::test]
async fn a_peer_that_hangs_up_in_the_tls_handshake_is_an_outage_and_not_a_fault_of_trust() {
    // Read before closing ends in an EOF, closing with bytes unread in a reset.
    for read in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut server = JoinSet::new();
        server.spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            socket.readable().await.expect("a hello");
            if read {
                let mut hello = [0; 4096];
                let _some = socket.read(&mut hello).await.expect("a hello");
            }
        });
        let reply = client(format!("https://{address}/")).post(Vec::new()).await;
        assert_eq!(reply.answer, Answer::Silence, "{}", reply.words);
        assert!(reply.words.starts_with("no connection to 127.0.0.1: "), "{}", reply.words);
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_outage_and_not_a_fault_of_trust() {
    let reply = client("https://nowhere.invalid/".to_owned()).post(Vec::new()).await;
    assert_eq!(reply.answer, Answer::Silence, "{}", reply.words);
    assert!(reply.words.starts_with("the name nowhere.invalid cannot be resolved: "));
}

#[tokio::test]
async fn trusted_certificates_that_cannot_be_read_are_said_with_each_request() {
    let mut destination = destination("https://127.0.0.1/".to_owned());
    destination.tls.trust = TrustSource::File("/nowhere/ca.pem".into());
    let mut client = Client::new(&destination, &Arc::default()).expect("nothing is read yet");
    let reply = client.post(Vec::new()).await;
    assert_eq!(reply.answer, Answer::Distrust);
    assert!(reply.words.contains("/nowhere/ca.pem"), "{}", reply.words);
}

#[test]
fn what_is_no_url_to_post_to_is_refused() {
    for url in ["", "mms", "ftp://a/", "file:///etc/passwd", "data:text/plain,a"] {
        let refused = Client::new(&destination(url.to_owned()), &Arc::default()).err();
        assert!(matches!(refused, Some(DestinationError::Url { .. })), "{url}");
    }
    for url in ["http://[::1]:8080/", "https://receiver.example/otlp", "https://10.0.0.1/"] {
        assert!(Client::new(&destination(url.to_owned()), &Arc::default()).is_ok(), "{url}");
    }
}
