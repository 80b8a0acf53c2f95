//! A conversation with one server: dial, greet, log in, then ask.

use std::{sync::Arc, time::Duration};

use bson::{RawDocument, RawDocumentBuf};
use tokio::time::Instant;

use super::{
    Error, HandshakeReport, KeyCache, Stage, Stream, buffers,
    connection::{Connection, RequestError},
    dial::{self, within},
    login,
};
use crate::{
    config::{Address, Host, Login},
    mongo::{Hello, NodeKind, ReplyError, check, command, scram::ClientFirst},
    tls::{Fault, NameError, Peer, Role, Trusts},
    wire::{self, Dialect, Message},
};

/// Limit of the second socket that looks whether a port is plaintext.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything needed to open a session with one host, kept between sessions.
#[derive(Debug)]
pub struct Target {
    address: Address,
    peer: Option<Peer>,
    login: Option<Login>,
    keys: KeyCache,
    dial_timeout: Duration,
    command_timeout: Duration,
}

impl Target {
    /// A target for a configured host. Nothing is read or resolved yet.
    ///
    /// # Errors
    /// [`NameError`] when TLS is asked for and no certificate could be for the host's name.
    pub fn new(host: &Host, trusts: &Arc<Trusts>) -> Result<Self, NameError> {
        let peer = host
            .tls
            .as_ref()
            .map(|policy| Peer::new(&host.address.host, Role::Mongo, policy, trusts));
        Ok(Self {
            address: host.address.clone(),
            peer: peer.transpose()?,
            login: host.login.clone(),
            keys: KeyCache::default(),
            dial_timeout: host.dial_timeout,
            command_timeout: host.command_timeout,
        })
    }

    /// Loads the trusted certificates, unless that was done.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn load_trust(&self) -> Result<(), Fault> {
        self.peer.as_ref().map_or(Ok(()), Peer::load)
    }

    /// What the last handshake showed, also when it failed; `None` for a plaintext host.
    pub fn report(&self) -> Option<HandshakeReport> {
        Some(self.peer.as_ref()?.report(None))
    }
}

/// A connection on which hello was answered, and login succeeded where one is configured.
#[derive(Debug)]
pub struct Session {
    address: Address,
    connection: Connection<Stream>,
    hello: Hello,
    report: Option<Arc<HandshakeReport>>,
    command_timeout: Duration,
}

impl Session {
    /// Opens a session within the target's dial timeout.
    ///
    /// # Errors
    /// See [`Error`]; no credential is sent unless TLS, where configured, was accepted by the
    /// policy.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket; nothing else is left behind.
    pub async fn open(target: &Target) -> Result<Self, Error> {
        let deadline = Instant::now() + target.dial_timeout;
        let stream = match dial::dial(&target.address, target.peer.as_ref(), deadline).await {
            Ok(stream) => stream,
            Err(error) => return Err(explain(error, target, deadline).await),
        };
        let peer = target.peer.as_ref();
        let report = peer.map(|peer| Arc::new(peer.report(stream.tls())));
        let mut connection = Connection::new(stream);
        let hello = introduce(target, &mut connection, deadline).await?;
        let (address, command_timeout) = (target.address.clone(), target.command_timeout);
        Ok(Self { address, connection, hello, report, command_timeout })
    }

    /// What the server said it is.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// What the handshake showed; `None` for a plaintext host.
    pub fn report(&self) -> Option<&Arc<HandshakeReport>> {
        self.report.as_ref()
    }

    /// Sends a command to a database and waits for its reply.
    ///
    /// # Errors
    /// See [`Error`]. Unless it [leaves the connection usable](Error::leaves_connection_usable),
    /// the session is of no more use.
    ///
    /// # Cancel safety
    /// Dropping the future makes the session unusable.
    pub async fn command(
        &mut self,
        database: &str,
        command: RawDocumentBuf,
    ) -> Result<Reply, Error> {
        let dialect = self.hello.dialect;
        let command = command::addressed(command, database, dialect);
        let exchange = exchange(&mut self.connection, &self.address, dialect, (database, &command));
        let far = Instant::now() + self.command_timeout;
        let reply = match within(self.command_timeout, far, exchange).await {
            Ok(reply) => reply?,
            Err(after) => return Err(timeout(&self.address, Stage::Command, after)),
        };
        let address = &self.address;
        reply.document().map_err(|fault| Error::Reply { address: address.clone(), fault })?;
        Ok(reply)
    }

    /// Waits until the server hangs up.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn closed(&mut self) -> Error {
        let error = self.connection.idle().await;
        request_error(&self.address, error)
    }
}

/// A reply whose `ok` was checked by whoever made it.
#[derive(Debug)]
pub struct Reply {
    message: Message,
    request: i32,
}

impl Drop for Reply {
    fn drop(&mut self) {
        buffers::give_back(self.message.take_bytes());
    }
}

impl Reply {
    /// The whole document.
    pub fn bytes(&self) -> &[u8] {
        wire::decode(&self.message, self.request).unwrap_or_default()
    }

    /// The document, if it says ok.
    ///
    /// # Errors
    /// See [`ReplyError`].
    pub fn document(&self) -> Result<&RawDocument, ReplyError> {
        check(self.bytes())
    }
}

/// Sends a finished command to a database and takes its reply apart as far as its framing.
pub(super) async fn exchange(
    connection: &mut Connection<Stream>,
    address: &Address,
    dialect: Dialect,
    (database, command): (&str, &RawDocument),
) -> Result<Reply, Error> {
    let outcome = connection.request(dialect, database, command).await;
    let (message, request) = outcome.map_err(|error| request_error(address, error))?;
    match wire::decode(&message, request) {
        Ok(_) => Ok(Reply { message, request }),
        Err(fault) => Err(Error::Wire { address: address.clone(), fault }),
    }
}

/// The first message, its reply, and the login.
async fn introduce(
    target: &Target,
    connection: &mut Connection<Stream>,
    deadline: Instant,
) -> Result<Hello, Error> {
    let address = &target.address;
    let scram = match &target.login {
        Some(Login::Scram(login)) => Some(login),
        _ => None,
    };
    let guess = scram.map(login::guess).transpose();
    let guess = guess.map_err(|error| Error::closed(address, &error))?;
    let first_step = scram
        .zip(guess.as_ref())
        .map(|(login, first)| (login.username.as_str(), login.auth_source.as_str(), first));
    let greeting = command::greeting(first_step);
    let limit = target.command_timeout;
    let answer = greet(connection, address, &greeting);
    let hello = within(limit, deadline, answer)
        .await
        .map_err(|after| timeout(address, Stage::Greeting, after))??;
    if hello.kind != NodeKind::Arbiter {
        within(limit, deadline, log_in(target, connection, &hello, guess))
            .await
            .map_err(|after| timeout(address, Stage::Login, after))??;
    }
    Ok(hello)
}

async fn log_in(
    target: &Target,
    connection: &mut Connection<Stream>,
    hello: &Hello,
    guess: Option<ClientFirst>,
) -> Result<(), Error> {
    let (address, dialect) = (&target.address, hello.dialect);
    match (&target.login, guess) {
        (Some(Login::Scram(login)), Some(guess)) => {
            let keys = &target.keys;
            let conversation = login::Conversation { address, login, keys, dialect };
            conversation.run(connection, guess, hello).await
        }
        (Some(Login::Certificate { username }), _) => {
            login::by_certificate(connection, address, dialect, username.as_deref()).await
        }
        _ => Ok(()),
    }
}

async fn greet(
    connection: &mut Connection<Stream>,
    address: &Address,
    greeting: &RawDocument,
) -> Result<Hello, Error> {
    let encrypted = connection.stream().tls().is_some();
    let reply = match exchange(connection, address, Dialect::OpQuery, ("admin", greeting)).await {
        Err(Error::Closed { .. }) if encrypted => {
            return Err(Error::ClosedAfterHandshake(address.clone()));
        }
        Err(Error::Closed { .. }) => return Err(Error::ClosedBeforeReply(address.clone())),
        reply => reply?,
    };
    let document = reply.document();
    let document = document.map_err(|fault| Error::Reply { address: address.clone(), fault })?;
    Ok(Hello::read(document))
}

/// Looks, on a second socket and without credentials, whether a failed handshake simply met a
/// server without TLS. The words change; what is done does not.
async fn explain(error: Error, target: &Target, deadline: Instant) -> Error {
    if !dial::may_be_plaintext(&error) {
        return error;
    }
    let address = &target.address;
    let probe = async {
        let socket = dial::tcp(address, deadline).await?;
        let mut connection = Connection::new(Stream::Plain(socket));
        greet(&mut connection, address, &command::greeting(None)).await
    };
    match within(PROBE_TIMEOUT, deadline, probe).await {
        Ok(Ok(_)) => Error::Plaintext(address.clone()),
        _ => error,
    }
}

fn timeout(address: &Address, stage: Stage, after: Duration) -> Error {
    Error::Timeout { address: address.clone(), stage, after }
}

fn request_error(address: &Address, error: RequestError) -> Error {
    match error {
        RequestError::Io(error) => Error::closed(address, &error),
        RequestError::Wire(fault) => Error::Wire { address: address.clone(), fault },
    }
}
