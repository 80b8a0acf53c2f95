//! A client that may do anything: the library's own session, made blocking.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bson::{Document, RawDocumentBuf};
use monitoring_agent::{
    config::{Address, Host, Login, TlsPolicy, TrustSource},
    net::{Session, Target, Trusts},
    secret::Secret,
};

use super::trouble::{Outcome, Trouble};

/// Longer than a replica set takes to be initiated, or a user to reach all members.
const LIMIT: Duration = Duration::from_secs(30);

/// A name and a password.
#[derive(Clone, Copy)]
pub(crate) struct User<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
}

/// An open session.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    session: Session,
}

impl Client {
    /// Connects to a server of this machine, over TLS when an authority is given.
    pub(crate) fn connect(
        server: SocketAddr,
        authority: Option<&Path>,
        user: Option<User<'_>>,
    ) -> Outcome<Self> {
        let host = host(server, authority, user);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let target = Target::new(&host, &Arc::new(Trusts::default()));
        let target = target.map_err(|fault| refused(&host, &fault))?;
        let session = runtime.block_on(Session::open(&target));
        let session = session.map_err(|fault| refused(&host, &fault))?;
        Ok(Self { runtime, session })
    }

    /// Sends a command and takes its reply, which says ok.
    pub(crate) fn command(&mut self, database: &str, command: &Document) -> Outcome<Document> {
        let name = command.keys().next().cloned().unwrap_or_default();
        let failed = |what: String| Trouble::new(format!("{name} failed: {what}"), "report this");
        let raw = RawDocumentBuf::try_from(command).map_err(|fault| failed(fault.to_string()))?;
        let reply = self.runtime.block_on(self.session.command(database, raw));
        let reply = reply.map_err(|fault| failed(fault.to_string()))?;
        let document = reply.document().map_err(|fault| failed(fault.to_string()))?;
        Document::try_from(document).map_err(|fault| failed(fault.to_string()))
    }
}

fn host(server: SocketAddr, authority: Option<&Path>, user: Option<User<'_>>) -> Host {
    Host {
        name: server.to_string().into(),
        address: Address { host: "localhost".to_owned(), port: server.port() },
        tls: authority.map(|file| TlsPolicy::new(TrustSource::File(file.to_owned()), true)),
        prefer: None,
        login: user
            .map(|user| Login::scram(user.name, Secret::new(user.password.to_owned()), "admin")),
        poll_interval: LIMIT,
        command_timeout: LIMIT,
        dial_timeout: LIMIT,
    }
}

fn refused(host: &Host, fault: &dyn std::error::Error) -> Trouble {
    Trouble::new(
        format!("no session with {}: {fault}", host.name),
        "the log of that server says more",
    )
}
