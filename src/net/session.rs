//! A conversation with one server: dial, greet, log in, then ask.

use std::{sync::Arc, time::Duration};

use bson::{RawDocument, RawDocumentBuf};
use tokio::time::Instant;

use super::{
    Error, HandshakeReport, Stage, Stream, Target, Transport, buffers,
    connection::{Connection, RequestError},
    dial::{self, within},
    login,
};
use crate::{
    config::{Address, Login},
    mongo::{Hello, NodeKind, ReplyError, check, command, scram::ClientFirst},
    tls::Peer,
    wire::{self, Dialect, Message},
};

/// A connection on which hello was answered, and login succeeded where one is configured and the
/// transport allows it.
#[derive(Debug)]
pub struct Session {
    address: Address,
    connection: Connection<Stream>,
    hello: Hello,
    report: Option<Arc<HandshakeReport>>,
    logged_in: bool,
    command_timeout: Duration,
}

impl Session {
    /// Opens a session within the target's dial timeout.
    ///
    /// # Errors
    /// See [`Error`]; no credential is sent unless TLS, where configured, was accepted by the
    /// policy. The terms of `ssl = prefer` are the one exception.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket; nothing else is left behind.
    pub async fn open(target: &Target) -> Result<Self, Error> {
        let deadline = Instant::now() + target.dial_timeout;
        let Some(peer) = &target.peer else {
            return Self::plaintext(target, target.login.as_ref(), deadline).await;
        };
        let (address, fault) = match Self::encrypted(target, peer, deadline).await {
            Err(Error::Tls { address, fault }) => (address, fault),
            outcome => {
                target.diagnosis.forget();
                return outcome;
            }
        };
        let permit = match &target.prefer {
            Some(prefer) => prefer.permits_plaintext(&address).await.map(|()| Some(prefer)),
            None => Ok(None),
        };
        let is_welcome = matches!(permit, Ok(Some(_)));
        let finding = target.diagnosis.of(&address, &fault, is_welcome, deadline).await;
        match permit {
            Ok(Some(prefer)) if finding.proves_plaintext() => {
                let login = prefer.login(target.login.as_ref());
                Self::plaintext(target, login, deadline).await
            }
            Err(refusal) if finding.proves_plaintext() => Err(refusal),
            _ => Err(finding.explain(address, fault)),
        }
    }

    /// Opens a session over TLS or none at all, and asks nobody why. For a host that is watched in
    /// plaintext by `ssl = prefer`, to see whether that is over.
    ///
    /// # Errors
    /// See [`Error`].
    ///
    /// # Cancel safety
    /// As [`Session::open`].
    pub async fn open_encrypted(target: &Target) -> Result<Self, Error> {
        let deadline = Instant::now() + target.dial_timeout;
        match &target.peer {
            Some(peer) => Self::encrypted(target, peer, deadline).await,
            None => Err(Error::Plaintext(target.address.clone())),
        }
    }

    async fn encrypted(target: &Target, peer: &Peer, deadline: Instant) -> Result<Self, Error> {
        let dialed = dial::dial(&target.address, Some(peer), deadline).await;
        let report = target.show(peer.report(dialed.as_ref().ok().and_then(Stream::tls)));
        let stream = dialed?;
        target.diagnosis.forget();
        if let Some(prefer) = &target.prefer {
            // Before a single message: a handshake that the policy accepted is proof enough.
            prefer.tls_works(&target.address).await;
        }
        Self::over(stream, target, target.login.as_ref(), Some(report), deadline).await
    }

    async fn plaintext(
        target: &Target,
        login: Option<&Login>,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let stream = dial::dial(&target.address, None, deadline).await?;
        Self::over(stream, target, login, None, deadline).await
    }

    async fn over(
        stream: Stream,
        target: &Target,
        login: Option<&Login>,
        report: Option<Arc<HandshakeReport>>,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let mut connection = Connection::new(stream);
        let hello = introduce(target, login, &mut connection, deadline).await?;
        let logged_in = login.is_some() && hello.kind != NodeKind::Arbiter;
        let (address, command_timeout) = (target.address.clone(), target.command_timeout);
        Ok(Self { address, connection, hello, report, logged_in, command_timeout })
    }

    /// Whether this connection is encrypted.
    pub fn transport(&self) -> Transport {
        self.connection.stream().transport()
    }

    /// Whether a user is logged in on it.
    pub fn is_logged_in(&self) -> bool {
        self.logged_in
    }

    /// What the server said it is.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// What the handshake showed; `None` for a plaintext connection.
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

    pub(super) fn tls_stream(&self) -> Option<&crate::tls::TlsStream> {
        self.connection.stream().tls()
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
    login: Option<&Login>,
    connection: &mut Connection<Stream>,
    deadline: Instant,
) -> Result<Hello, Error> {
    let address = &target.address;
    let scram = match login {
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
        within(limit, deadline, log_in(target, login, connection, &hello, guess))
            .await
            .map_err(|after| timeout(address, Stage::Login, after))??;
    }
    Ok(hello)
}

async fn log_in(
    target: &Target,
    login: Option<&Login>,
    connection: &mut Connection<Stream>,
    hello: &Hello,
    guess: Option<ClientFirst>,
) -> Result<(), Error> {
    let (address, dialect) = (&target.address, hello.dialect);
    match (login, guess) {
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

pub(super) async fn greet(
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

fn timeout(address: &Address, stage: Stage, after: Duration) -> Error {
    Error::Timeout { address: address.clone(), stage, after }
}

fn request_error(address: &Address, error: RequestError) -> Error {
    match error {
        RequestError::Io(error) => Error::closed(address, &error),
        RequestError::Wire(fault) => Error::Wire { address: address.clone(), fault },
    }
}
