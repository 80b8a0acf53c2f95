//! One request to a destination, and what came back, in words.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message;
use reqwest::{
    Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{proto::ExportResponse, retry_after, verdict::Answer};
use crate::{
    config::{Destination, TlsPolicy, TrustSource},
    sample::wall_millis,
    secret::Secret,
    tls,
};

/// Connecting, the TLS handshake included; a server that needs longer is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A whole request, from connecting to the last byte of the response. Four MiB over a slow line
/// and a receiver that is busy fit; one that hangs must not hold a batch for longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections are closed after this, before servers and proxies drop them silently.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// As much of a response is read; an answer to OTLP has some 100 bytes.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// As much of a response's text is logged, in characters.
const MAX_EXCERPT: usize = 200;

const USER_AGENT: &str = concat!("monitoring-agent/", env!("CARGO_PKG_VERSION"));

/// Why a destination of the configuration cannot be used at all.
#[derive(Debug, Error)]
pub enum DestinationError {
    /// Its URL is none that can be posted to.
    #[error("destination {destination}: \"{url}\" is not an http or https URL with a host")]
    Url {
        /// The destination's name.
        destination: Arc<str>,
        /// What is configured.
        url: String,
    },
    /// Its host is no name that a certificate can be for.
    #[error("destination {destination}: the host of its URL cannot be verified")]
    Name {
        /// The destination's name.
        destination: Arc<str>,
        /// Why.
        source: tls::NameError,
    },
}

/// Posts to one destination. Its connection is kept and used again.
#[derive(Debug)]
pub(super) struct Client {
    url: Url,
    host: String,
    username: String,
    password: Secret,
    /// The agent's own verifier; for an http URL it stands by unused.
    peer: tls::Peer,
    /// Made at the first request after the trusted certificates could be read, and again when they
    /// changed: the number is the generation of trust.
    http: Option<(u64, reqwest::Client)>,
    request_timeout: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    /// What happened, naming the host; never a secret, and never more than some hundred characters.
    pub(super) words: String,
}

impl Client {
    /// Reads nothing and connects nowhere yet.
    pub(super) fn new(
        destination: &Destination,
        trusts: &Arc<tls::Trusts>,
    ) -> Result<Self, DestinationError> {
        let wrong = || DestinationError::Url {
            destination: Arc::clone(&destination.name),
            url: destination.url.clone(),
        };
        let url = Url::parse(&destination.url).map_err(|_| wrong())?;
        let host = url.host_str().ok_or_else(wrong)?.to_owned();
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let unused = TlsPolicy::new(TrustSource::System, false);
        let policy = if encrypted { &destination.tls } else { &unused };
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let peer = tls::Peer::new(name, tls::Role::ManagementServer, policy, trusts).map_err(
            |source| {
                let destination = Arc::clone(&destination.name);
                DestinationError::Name { destination, source }
            },
        )?;
        Ok(Self {
            url,
            host,
            username: destination.username.clone(),
            password: destination.password.clone(),
            peer,
            http: None,
            request_timeout: REQUEST_TIMEOUT,
        })
    }

    #[cfg(test)]
    pub(super) fn with_request_timeout(self, request_timeout: Duration) -> Self {
        Self { request_timeout, ..self }
    }

    /// Posts a compressed body. It always comes back with a reply, within the request's timeout.
    pub(super) async fn post(&mut self, gzip: Vec<u8>) -> Reply {
        let http = match self.http() {
            Ok(http) => http,
            Err(words) => return Reply { answer: Answer::Distrust, words },
        };
        match http.post(self.url.clone()).body(gzip).send().await {
            Ok(response) => self.read(response).await,
            Err(error) => self.fault(&error),
        }
    }

    /// The HTTP client, or in words why there is none.
    fn http(&mut self) -> Result<reqwest::Client, String> {
        let generation = self.peer.generation();
        if let Some((_, http)) = self.http.as_ref().filter(|(made_in, _)| *made_in == generation) {
            return Ok(http.clone());
        }
        let tls = self.peer.https_config().map_err(|error| error.to_string())?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(self.headers()?)
            .user_agent(USER_AGENT)
            // A proxy is used when the configuration names one, not when the environment does.
            .no_proxy()
            // Following one would send the credentials to whoever is pointed to.
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(self.request_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|error| format!("no HTTP client can be made: {}", root_cause(&error)))?;
        Ok(self.http.insert((generation, http)).1.clone())
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let basic = Zeroizing::new(format!("Basic {}", *self.credentials()));
        let mut authorization = HeaderValue::from_str(&basic)
            .map_err(|_| "the credentials do not fit into a header".to_owned())?;
        authorization.set_sensitive(true);
        Ok(HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf")),
            (CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        ]))
    }

    /// User and password as HTTP Basic wants them (RFC 7617).
    fn credentials(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(format!("{}:{}", self.username, self.password.expose()));
        Zeroizing::new(STANDARD.encode(pair.as_bytes()))
    }

    async fn read(&self, mut response: Response) -> Reply {
        let status = response.status();
        let headers = response.headers();
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let retry_after =
            text(RETRY_AFTER).and_then(|value| retry_after::parse(value, wall_millis() / 1_000));
        let protobuf =
            text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/x-protobuf"));
        let body = read_some(&mut response).await;
        let (rejected, said) = if status.is_success() {
            if protobuf { partial_success(&body) } else { (0, String::new()) }
        } else {
            (0, String::from_utf8_lossy(&body).into_owned())
        };
        let answer = Answer::Status { code: status.as_u16(), retry_after, rejected };
        Reply { answer, words: self.describe(status, &said) }
    }

    fn describe(&self, status: StatusCode, said: &str) -> String {
        let host = &self.host;
        let excerpt = self.excerpt(said);
        if excerpt.is_empty() {
            return format!("{host} answers {status}");
        }
        format!("{host} answers {status} and says \"{excerpt}\"")
    }

    /// The printable beginning of what a server said, without what it may have repeated of the
    /// credentials.
    fn excerpt(&self, said: &str) -> String {
        let mut said = said.to_owned();
        for secret in [&*self.credentials(), self.password.expose()] {
            if !secret.is_empty() {
                said = said.replace(secret, "…");
            }
        }
        let printable = said.chars().map(|it| if it.is_control() { ' ' } else { it });
        let words: String = printable.take(MAX_RESPONSE_BYTES).collect();
        let words: Vec<&str> = words.split_whitespace().collect();
        words.join(" ").replace('"', "'").chars().take(MAX_EXCERPT).collect()
    }

    fn fault(&self, error: &reqwest::Error) -> Reply {
        let host = &self.host;
        let timeout = self.request_timeout.as_secs();
        let cause = root_cause(error);
        let silence = |words| Reply { answer: Answer::Silence, words };
        if error.is_dns() {
            return silence(format!("the name {host} cannot be resolved: {cause}"));
        }
        if error.is_timeout() {
            let what = if error.is_connect() { "no connection to" } else { "no answer from" };
            return silence(format!("{what} {host} within {timeout} s"));
        }
        if let Some(fault) = self.peer.https_fault(error) {
            let words = format!("no trusted connection to {host}: {fault}");
            return Reply { answer: Answer::Distrust, words };
        }
        if error.is_connect() {
            return silence(format!("no connection to {host}: {cause}"));
        }
        silence(format!("{host} cut the connection before it answered: {cause}"))
    }
}

/// The body up to the limit. What is missing of it, because the peer is slow or went away, does
/// not matter: the status has arrived, and decides.
async fn read_some(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < MAX_RESPONSE_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        let room = MAX_RESPONSE_BYTES - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
    }
    body
}

/// Data points that were left out, and what the server says about them.
fn partial_success(body: &[u8]) -> (u64, String) {
    let partial = ExportResponse::decode(body).ok().and_then(|response| response.partial_success);
    partial.map_or((0, String::new()), |partial| {
        (u64::try_from(partial.rejected_data_points).unwrap_or(0), partial.error_message)
    })
}

/// The last of an error's causes: the others only say that a request failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
