//! One socket to one server: a request, its reply, and the wait between two requests.

use std::io;

use bson::RawDocument;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::buffers;
use crate::wire::{self, Dialect, Message, WireError};

/// Why a request failed; the connection is of no more use.
#[derive(Debug)]
pub enum RequestError {
    /// The socket broke, or the peer hung up.
    Io(io::Error),
    /// The peer broke the framing.
    Wire(WireError),
}

/// A connection on which one request at a time is made.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    last_request: i32,
    /// False while a request is under way: one that was cancelled leaves a reply that nobody
    /// waits for.
    usable: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection over a fresh stream.
    pub fn new(stream: S) -> Self {
        Self { stream, last_request: 0, usable: true }
    }

    /// The stream underneath.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends a command to a database and waits for its reply.
    ///
    /// # Errors
    /// See [`RequestError`]. After any of them, every later request fails at once.
    ///
    /// # Cancel safety
    /// Dropping the future makes the connection unusable, as the reply may still come.
    pub async fn request(
        &mut self,
        dialect: Dialect,
        database: &str,
        command: &RawDocument,
    ) -> Result<(Message, i32), RequestError> {
        if !std::mem::replace(&mut self.usable, false) {
            let reason = "an earlier request on it failed or was given up";
            return Err(RequestError::Io(io::Error::new(io::ErrorKind::NotConnected, reason)));
        }
        self.last_request = self.last_request.wrapping_add(1);
        let bytes = wire::encode(dialect, self.last_request, database, command.as_bytes());
        self.stream.write_all(&bytes).await.map_err(RequestError::Io)?;
        self.stream.flush().await.map_err(RequestError::Io)?;
        let message = self.receive().await?;
        self.usable = true;
        Ok((message, self.last_request))
    }

    async fn receive(&mut self) -> Result<Message, RequestError> {
        let mut buffer = buffers::borrow();
        loop {
            if let Some(message) = wire::next_message(&mut buffer) {
                let message = message.map_err(RequestError::Wire)?;
                return match buffer.len() {
                    0 => Ok(message),
                    extra => {
                        Err(RequestError::Wire(WireError::TrailingBytes { field: "reply", extra }))
                    }
                };
            }
            if self.stream.read_buf(&mut buffer).await.map_err(RequestError::Io)? == 0 {
                return Err(if wire::ends_like_tls(&buffer) {
                    RequestError::Wire(WireError::Tls)
                } else {
                    RequestError::Io(io::ErrorKind::UnexpectedEof.into())
                });
            }
        }
    }

    /// Waits until the peer hangs up or breaks the protocol by speaking unasked. A pending read is
    /// also what makes rustls give back the buffer that the last reply needed.
    ///
    /// # Cancel safety
    /// Cancel safe: a byte is only ever taken when the connection is lost anyway.
    pub async fn idle(&mut self) -> RequestError {
        let mut byte = [0_u8];
        let outcome = self.stream.read(&mut byte).await;
        self.usable = false;
        match outcome {
            Ok(0) => RequestError::Io(io::ErrorKind::UnexpectedEof.into()),
            Ok(extra) => {
                RequestError::Wire(WireError::TrailingBytes { field: "last reply", extra })
            }
            Err(error) => RequestError::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bson::rawdoc;
    use tokio::io::duplex;

    use super::*;

    /// A reply in OP_MSG as a server sends it.
    fn reply(answers: i32) -> Vec<u8> {
        let document = rawdoc! { "ok": 1 };
        let length = i32::try_from(16 + 5 + document.as_bytes().len()).expect("small");
        let header = [length, 1, answers, 2013].map(i32::to_le_bytes).concat();
        [header.as_slice(), &[0; 5], document.as_bytes()].concat()
    }

    #[tokio::test]
    async fn a_reply_that_arrives_byte_by_byte_is_read_whole() {
        let (client, mut server) = duplex(1);
        let mut connection = Connection::new(client);
        let command = rawdoc! { "ping": 1 };
        let serve = async {
            let mut request = vec![0; 16 + 5 + command.as_bytes().len()];
            server.read_exact(&mut request).await.expect("the request");
            server.write_all(&reply(1)).await.expect("taken");
        };
        let (answer, ()) =
            tokio::join!(connection.request(Dialect::OpMsg, "admin", &command), serve);
        let (message, request) = answer.expect("a reply");
        assert_eq!(wire::decode(&message, request), Ok(rawdoc! { "ok": 1 }.as_bytes()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_given_up_leaves_a_connection_that_refuses_the_next() {
        let (client, mut server) = duplex(1_000);
        let mut connection = Connection::new(client);
        let command = rawdoc! { "ping": 1 };
        let request = connection.request(Dialect::OpMsg, "admin", &command);
        assert!(tokio::time::timeout(Duration::from_secs(1), request).await.is_err());
        server.write_all(&reply(1)).await.expect("taken");
        let refused = connection.request(Dialect::OpMsg, "admin", &command).await;
        assert!(
            matches!(refused, Err(RequestError::Io(error)) if error.kind() == io::ErrorKind::NotConnected)
        );
    }

    #[tokio::test]
    async fn bytes_behind_a_reply_and_bytes_unasked_end_the_connection() {
        let (client, mut server) = duplex(1_000);
        let mut connection = Connection::new(client);
        server.write_all(&[reply(1), vec![0]].concat()).await.expect("taken");
        let refused = connection.request(Dialect::OpMsg, "admin", &rawdoc! { "ping": 1 }).await;
        let expected = WireError::TrailingBytes { field: "reply", extra: 1 };
        assert!(matches!(refused, Err(RequestError::Wire(error)) if error == expected));

        let (client, mut server) = duplex(1_000);
        let mut connection = Connection::new(client);
        server.write_all(b"x").await.expect("taken");
        assert!(matches!(connection.idle().await, RequestError::Wire(_)));
    }

    #[tokio::test]
    async fn a_peer_that_hangs_up_between_polls_is_noticed() {
        let (client, server) = duplex(1_000);
        let mut connection = Connection::new(client);
        drop(server);
        assert!(
            matches!(connection.idle().await, RequestError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof)
        );
    }
}
