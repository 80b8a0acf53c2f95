//! One connection, from its first request to its end.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{Exporter, answer};
use crate::shutdown::Shutdown;

/// A browser with many cookies for the same host name sends 4 kB.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// A browser sends about 20.
const MAX_HEADERS: usize = 64;

/// Serves requests until the peer closes, breaks a limit, or the agent stops.
pub(super) async fn serve(socket: TcpStream, exporter: Arc<Exporter>, mut stop: Shutdown) {
    let limits = exporter.limits;
    // A small response must not wait for the acknowledgement of another; if that cannot be set,
    // it is only slower.
    let _slower = socket.set_nodelay(true).is_err();
    let served = AtomicBool::new(false);
    let service = service_fn(|request| {
        served.store(true, Ordering::Relaxed);
        let exporter = &exporter;
        async move { Ok::<_, Infallible>(answer::answer(exporter, &request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = tokio::time::sleep(limits.lifetime) => None,
        () = stop.requested() => None,
    };
    let ended = match ended {
        Some(ended) => Some(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.last_response, connection).await.ok()
        }
    };
    // A peer that just goes away between two requests has done nothing wrong.
    let idle = |error: &hyper::Error| error.is_timeout() && served.load(Ordering::Relaxed);
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) if idle(&error) => {}
        Some(Err(_)) | None => exporter.sources.telemetry.connection_failed(),
    }
}
