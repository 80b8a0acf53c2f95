//! From a request to its response.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use tokio::sync::OwnedSemaphorePermit;

use super::{Exporter, page};
use crate::{status::Readiness, telemetry::PathClass};

const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What a request asks for. Nothing of the request itself goes further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Page(PathClass),
    NotFound,
    /// GET and HEAD are all that is served.
    WrongMethod(PathClass),
}

fn route(method: &Method, path: &str) -> Route {
    let class = match path {
        "/metrics" => PathClass::Metrics,
        "/healthz" => PathClass::Healthz,
        "/readyz" => PathClass::Readyz,
        "/" => PathClass::Landing,
        _ => return Route::NotFound,
    };
    match *method {
        Method::GET | Method::HEAD => Route::Page(class),
        _ => Route::WrongMethod(class),
    }
}

/// The whole response; the request's body is left unread.
pub(super) async fn answer<B>(exporter: &Exporter, request: &Request<B>) -> Response<Full<Bytes>> {
    let route = route(request.method(), request.uri().path());
    let response = match route {
        Route::Page(PathClass::Metrics) => metrics(exporter).await,
        Route::Page(PathClass::Healthz) => text(StatusCode::OK, "alive\n"),
        Route::Page(PathClass::Readyz) => ready(exporter),
        Route::Page(PathClass::Landing) => respond(StatusCode::OK, HTML, page::landing()),
        Route::Page(PathClass::Other) | Route::NotFound => {
            text(StatusCode::NOT_FOUND, "there is no such page\n")
        }
        Route::WrongMethod(_) => {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refusal
        }
    };
    let class = match route {
        Route::Page(class) | Route::WrongMethod(class) => class,
        Route::NotFound => PathClass::Other,
    };
    exporter.sources.telemetry.exporter_answered(class, response.status().as_u16());
    response
}

async fn metrics(exporter: &Exporter) -> Response<Full<Bytes>> {
    let scrapes = Arc::clone(&exporter.scrapes).acquire_owned();
    let Ok(Ok(permit)) = tokio::time::timeout(exporter.limits.scrape_wait, scrapes).await else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at once\n");
    };
    let sources = &exporter.sources;
    let mut rendered = String::new();
    sources.view.exposition(&sources.latest.all(), &mut rendered);
    sources.telemetry.exposition(&mut rendered);
    let page = Bytes::from_owner(Rendered { text: rendered, _permit: permit });
    respond(StatusCode::OK, EXPOSITION, page)
}

/// A page of metrics, which counts as long as its last byte is in memory.
struct Rendered {
    text: String,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Rendered {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

fn ready(exporter: &Exporter) -> Response<Full<Bytes>> {
    let snapshot = exporter.sources.status.snapshot();
    let status = match snapshot.readiness {
        Readiness::Ready => StatusCode::OK,
        Readiness::Starting | Readiness::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    text(status, page::readiness(&snapshot))
}

fn text(status: StatusCode, words: impl Into<Bytes>) -> Response<Full<Bytes>> {
    respond(status, TEXT, words.into())
}

fn respond(status: StatusCode, kind: &'static str, page: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(page));
    *response.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // No page of ours loads, runs or frames anything.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_lead_to_their_pages_and_everything_else_to_a_refusal() {
        for (method, path, expected) in [
            (Method::GET, "/metrics", Route::Page(PathClass::Metrics)),
            (Method::HEAD, "/metrics", Route::Page(PathClass::Metrics)),
            (Method::GET, "/healthz", Route::Page(PathClass::Healthz)),
            (Method::GET, "/readyz", Route::Page(PathClass::Readyz)),
            (Method::GET, "/", Route::Page(PathClass::Landing)),
            (Method::POST, "/metrics", Route::WrongMethod(PathClass::Metrics)),
            (Method::TRACE, "/", Route::WrongMethod(PathClass::Landing)),
            (Method::GET, "/metrics/", Route::NotFound),
            (Method::GET, "/METRICS", Route::NotFound),
            (Method::GET, "/metrics/../etc/passwd", Route::NotFound),
            (Method::DELETE, "/other", Route::NotFound),
            (Method::OPTIONS, "*", Route::NotFound),
            (Method::CONNECT, "", Route::NotFound),
        ] {
            assert_eq!(route(&method, path), expected, "{method} {path}");
        }
    }
}
