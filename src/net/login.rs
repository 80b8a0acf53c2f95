//! Logging in with SCRAM over a connection that said hello.

use std::sync::{Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bson::RawDocumentBuf;

use super::{Error, Stream, connection::Connection, session::exchange};
use crate::{
    config::{Address, Login},
    mongo::{
        ErrorKind, Hello, ReplyError, SaslReply, command,
        scram::{ClientFirst, Keys, Mechanism, Recipe, ScramError},
    },
    wire::Dialect,
};

/// The keys of one user on one server, kept because making them costs five handshakes. A changed
/// password changes the salt on the server, and with it the recipe.
#[derive(Debug, Default)]
pub struct KeyCache(Mutex<Option<(Recipe, Keys)>>);

impl KeyCache {
    async fn keys(&self, recipe: &Recipe, login: &Login) -> Result<Keys, ScramError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, keys)) = kept.filter(|(kept, _)| kept == recipe) {
            return Ok(keys);
        }
        let (to_derive, login) = (recipe.clone(), login.clone());
        let derive = move || to_derive.keys(&login.username, &login.password);
        // The runtime only refuses this when it is shutting down.
        let derived = tokio::task::spawn_blocking(derive).await;
        let keys = derived.unwrap_or(Err(ScramError::Malformed("a running agent")))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((recipe.clone(), keys.clone()));
        Ok(keys)
    }
}

/// The first step, sent inside the greeting on the guess that the server knows SCRAM-SHA-256.
///
/// # Errors
/// The operating system has no random bytes.
pub(super) fn first(login: &Login, mechanism: Mechanism) -> std::io::Result<ClientFirst> {
    let mut nonce = [0_u8; 24];
    getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
    Ok(ClientFirst::new(mechanism, &login.username, BASE64.encode(nonce)))
}

/// One login.
pub(super) struct Conversation<'a> {
    pub(super) address: &'a Address,
    pub(super) login: &'a Login,
    pub(super) keys: &'a KeyCache,
    pub(super) dialect: Dialect,
}

impl Conversation<'_> {
    /// Logs in, going on from the greeting's first step if the server took it.
    pub(super) async fn run(
        &self,
        connection: &mut Connection<Stream>,
        guessed: ClientFirst,
        hello: &Hello,
    ) -> Result<(), Error> {
        let (first, reply) = match &hello.speculative {
            Some(reply) => (guessed, reply.clone()),
            None => {
                let first = first(self.login, Mechanism::best_of(&hello.mechanisms))
                    .map_err(|error| Error::closed(self.address, &error))?;
                let reply = self.step(connection, command::sasl_start(&first)).await?;
                (first, reply)
            }
        };
        let challenge = first.challenged(&reply.payload).map_err(|fault| self.broken(fault))?;
        let keys = self.keys.keys(challenge.recipe(), self.login).await;
        let last = challenge.answer(&keys.map_err(|fault| self.broken(fault))?);
        let answer = command::sasl_continue(reply.conversation, last.payload());
        let reply = self.step(connection, answer).await?;
        last.verify(&reply.payload).map_err(|fault| self.broken(fault))?;
        if !reply.done {
            // Servers before 4.4 do not know skipEmptyExchange and want one empty step more.
            let empty = command::sasl_continue(reply.conversation, "");
            if !self.step(connection, empty).await?.done {
                return Err(self.broken(ScramError::Malformed("an end")));
            }
        }
        Ok(())
    }

    async fn step(
        &self,
        connection: &mut Connection<Stream>,
        command: RawDocumentBuf,
    ) -> Result<SaslReply, Error> {
        let database = &self.login.auth_source;
        let command = command::addressed(command, database, self.dialect);
        let reply = exchange(connection, self.address, self.dialect, (database, &command)).await?;
        let document = reply.document().map_err(|fault| self.refused(fault))?;
        SaslReply::read(document).ok_or_else(|| self.broken(ScramError::Malformed("a payload")))
    }

    fn refused(&self, fault: ReplyError) -> Error {
        match fault {
            ReplyError::Server(error) if error.kind() == ErrorKind::Authentication => {
                Error::Credentials {
                    address: self.address.clone(),
                    username: self.login.username.clone(),
                    database: self.login.auth_source.clone(),
                    what: format!("error {}: {}", error.code, error.message),
                }
            }
            fault => Error::Reply { address: self.address.clone(), fault },
        }
    }

    fn broken(&self, fault: ScramError) -> Error {
        Error::Scram { address: self.address.clone(), fault }
    }
}
