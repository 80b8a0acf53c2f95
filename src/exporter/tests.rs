//! The server on a real socket, asked in bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    metrics::families,
    shutdown::{self, Trigger},
    spool::tests::sample,
    status::Readiness,
};

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    sources: Sources,
    trigger: Trigger,
    task: JoinSet<()>,
}

async fn start(limits: Limits) -> Server {
    let sources = Sources {
        latest: Latest::default(),
        view: Arc::new(View::new()),
        telemetry: Telemetry::new("0.1.0", 0),
        status: Status::new(["a".into()], []),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (trigger, stop) = shutdown::channel();
    let mut task = JoinSet::new();
    task.spawn(Exporter::new(sources.clone(), limits).run(listener, stop));
    Server { address, sources, trigger, task }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// Everything that comes back until the server closes.
    async fn ask(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.expect("it reads");
        rest(socket).await
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await
    }

    /// A number of the agent's own metrics.
    fn own(&self, series: &str) -> f64 {
        let mut text = String::new();
        self.sources.telemetry.exposition(&mut text);
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.expect("the series is there").trim().parse().expect("a number")
    }

    async fn stopped(mut self) {
        let ended = tokio::time::timeout(PATIENCE, self.task.join_next()).await;
        ended.expect("it ends").expect("one task").expect("it does not panic");
    }
}

/// Reads until the peer closes; a reset is a close as well.
async fn rest(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    let _reset = read.expect("the server closes").is_err();
    String::from_utf8(answer).expect("UTF-8")
}

fn head(answer: &str) -> &str {
    answer.split("\r\n\r\n").next().unwrap_or_default()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head and a body").1
}

#[tokio::test]
async fn metrics_are_those_of_the_last_samples_and_of_the_agent_in_one_valid_page() {
    let server = start(Limits::default()).await;
    server.sources.latest.put(sample("db\"1", 1_000));
    server.sources.latest.put(sample("db2", 2_000));
    let answer = server.get("/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let head = head(&answer);
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    let page = body(&answer);
    assert!(head.contains(&format!("content-length: {}", page.len())), "{head}");
    assert!(page.contains("mongodb_up{host=\"db\\\"1\"} 0\n"), "{page}");
    assert!(page.contains("mongodb_up{host=\"db2\"} 0\n"), "{page}");
    assert!(page.contains("monitoring_agent_build_info{version=\"0.1.0\"} 1\n"), "{page}");
    let types: Vec<&str> = page.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut distinct = types.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(types.len(), distinct.len(), "a family stands twice: {types:#?}");
    assert!(page.ends_with('\n'));
}

#[test]
fn no_family_of_a_host_has_a_name_of_the_agents_own() {
    let own = families().iter().filter(|it| it.prometheus_name().starts_with("monitoring_agent_"));
    assert_eq!(own.count(), 0);
}

#[tokio::test]
async fn head_tells_of_the_page_without_it() {
    let server = start(Limits::default()).await;
    let head = server.ask("HEAD /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-length: 6\r\n"), "{head}");
    assert_eq!(body(&head), "");
}

#[tokio::test]
async fn readiness_follows_the_status_and_health_does_not() {
    let server = start(Limits::default()).await;
    for (readiness, status, word) in [
        (Readiness::Starting, "503 Service Unavailable", "starting"),
        (Readiness::Ready, "200 OK", "ready"),
        (Readiness::Stopping, "503 Service Unavailable", "stopping"),
    ] {
        server.sources.status.set_readiness(readiness);
        let answer = server.get("/readyz").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(body(&answer).starts_with(word), "{answer}");
        let health = server.get("/healthz").await;
        assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    }
}

#[tokio::test]
async fn the_landing_page_links_to_the_others_and_names_the_version() {
    let server = start(Limits::default()).await;
    let answer = server.get("/").await;
    assert!(head(&answer).contains("content-type: text/html; charset=utf-8"), "{answer}");
    for part in ["href=\"/metrics\"", "href=\"/readyz\"", env!("CARGO_PKG_VERSION")] {
        assert!(body(&answer).contains(part), "{answer}");
    }
}

#[tokio::test]
async fn nothing_of_a_request_is_repeated_and_what_is_not_served_is_refused() {
    let server = start(Limits::default()).await;
    for (request, status) in [
        (
            "GET /%3Cscript%3Ecanary?canary HTTP/1.1\r\nhost: canary\r\nconnection: close\r\n\r\n",
            "404",
        ),
        ("GET http://canary/canary HTTP/1.1\r\nhost: canary\r\nconnection: close\r\n\r\n", "404"),
        (
            "POST /metrics HTTP/1.1\r\nhost: canary\r\ncontent-length: 6\r\nconnection: close\r\n\r\ncanary",
            "405",
        ),
        ("CANARY / HTTP/1.1\r\nhost: canary\r\nconnection: close\r\n\r\n", "405"),
        ("GET /\ncanary\u{1}", "400"),
        ("canary", "400"),
    ] {
        let mut socket = server.connect().await;
        socket.write_all(request.as_bytes()).await.expect("it reads");
        socket.shutdown().await.expect("half closed");
        let answer = rest(socket).await;
        let refused = answer.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(refused || (status == "400" && answer.is_empty()), "{request:?}: {answer}");
        assert!(!answer.contains("canary"), "{answer}");
        assert_eq!(status == "405", head(&answer).contains("allow: GET, HEAD"), "{answer}");
    }
    assert_eq!(
        server.own("monitoring_agent_exporter_requests_total{path=\"other\",status=\"4xx\"}"),
        2.0
    );
}

#[tokio::test]
async fn a_body_is_not_waited_for() {
    let server = start(Limits::default()).await;
    let request = "POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\nab";
    let answer = server.ask(request).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn too_large_a_head_is_refused() {
    let server = start(Limits::default()).await;
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(17 << 10));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(65));
    for request in [long, many] {
        let answer = server.ask(&request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let answer = server.get("/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn whoever_sends_no_request_or_keeps_an_idle_connection_is_hung_up_on() {
    let limits = Limits { head: Duration::from_millis(100), ..Limits::default() };
    let server = start(limits).await;
    let failed = "monitoring_agent_exporter_failed_connections_total";
    let idle = server.ask("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(idle.ends_with("alive\n"), "{idle}");
    assert_eq!(server.own(failed), 0.0, "an idle connection is no fault");
    let silent = server.ask("GET /healthz HT").await;
    assert!(silent.is_empty() || silent.starts_with("HTTP/1.1 408 "), "{silent}");
    wait_until(|| server.own(failed) == 1.0).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_and_holds_no_page_for_ever() {
    let limits = Limits {
        scrapes: 1,
        scrape_wait: Duration::from_millis(50),
        lifetime: Duration::from_millis(300),
        last_response: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = start(limits).await;
    for host in 0..20_000 {
        server.sources.latest.put(sample(&format!("a-host-with-a-long-name-{host}"), 1));
    }
    let mut slow = server.connect().await;
    slow.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("it reads");
    let mut first = [0];
    slow.read_exact(&mut first).await.expect("the page begins");
    let answer = server.get("/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "one page at a time: {}", head(&answer));
    assert_eq!(body(&answer), "too many scrapes at once\n");
    wait_until(|| server.own("monitoring_agent_exporter_failed_connections_total") == 1.0).await;
    let answer = server.get("/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{}", head(&answer));
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_the_others_go_on() {
    let server = start(Limits { connections: 2, ..Limits::default() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut socket = server.connect().await;
        socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("it reads");
        let mut first = [0];
        socket.read_exact(&mut first).await.expect("it is served");
        open.push(socket);
    }
    let answer = rest(server.connect().await).await;
    assert_eq!(answer.as_bytes(), BUSY);
    assert_eq!(body(&answer).len(), 21, "as its content-length says");
    assert_eq!(server.own("monitoring_agent_exporter_rejected_connections_total"), 1.0);
    drop(open);
    wait_for(async || server.get("/healthz").await.starts_with("HTTP/1.1 200 OK")).await;
}

#[tokio::test]
async fn a_stop_closes_the_port_ends_idle_connections_and_does_not_wait_beyond_the_grace() {
    let server = start(Limits::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("it reads");
    let mut first = [0];
    idle.read_exact(&mut first).await.expect("it is served");
    let mut silent = server.connect().await;
    silent.write_all(b"GET /hea").await.expect("it reads");
    let begin = Instant::now();
    server.trigger.pull(begin + Duration::from_millis(300));
    assert!(rest(idle).await.ends_with("alive\n"));
    let address = server.address;
    server.stopped().await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}

async fn wait_until(happened: impl Fn() -> bool) {
    wait_for(async || happened()).await;
}

async fn wait_for(happened: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !happened().await {
        assert!(begin.elapsed() < PATIENCE, "it never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
