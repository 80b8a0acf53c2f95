//! Ports where no MongoDB server answers.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use super::{certificates::Identity, trouble::Outcome};

/// A header that claims 2 GiB − 1, in answer to anything.
const TWO_GIGABYTES: [u8; 16] = [0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 1, 0, 0, 0, 0xdd, 7, 0, 0];

/// What the stranger does with each connection.
#[derive(Clone)]
pub(crate) enum Manners {
    /// Answers the first bytes with an HTTP answer.
    Http,
    /// Accepts and never answers.
    Silent,
    /// Answers the first bytes with bytes that are no message.
    Garbage,
    /// Answers the first bytes with the header of a message of 2 GiB.
    Boaster,
    /// Closes at once.
    Closer,
    /// Presents a certificate, and closes after the handshake.
    Tls(Arc<rustls::ServerConfig>),
}

impl Manners {
    pub(crate) fn presenting(identity: &Identity) -> Self {
        Self::Tls(Arc::new(identity.server_config()))
    }
}

/// Listens until the process ends, and treats each caller according to its manners.
pub(crate) fn listen(manners: Manners) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for caller in listener.incoming().filter_map(Result::ok) {
            let manners = manners.clone();
            // A caller that goes away in the middle is not the stranger's problem.
            thread::spawn(move || drop(receive(caller, &manners)));
        }
    });
    Ok(address)
}

fn receive(mut caller: TcpStream, manners: &Manners) -> std::io::Result<()> {
    match manners {
        Manners::Http => {
            let page = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            answer(&mut caller, page.as_bytes())
        }
        Manners::Garbage => answer(&mut caller, &[0x5a; 64]),
        Manners::Boaster => answer(&mut caller, &TWO_GIGABYTES),
        Manners::Silent => read_to_the_end(&mut caller),
        Manners::Closer => Ok(()),
        Manners::Tls(config) => {
            let session = rustls::ServerConnection::new(Arc::clone(config));
            let mut session = session.map_err(std::io::Error::other)?;
            session.complete_io(&mut caller).map(drop)
        }
    }
}

/// Waits for the first bytes, answers, and keeps the connection open: what ends it must be the
/// other side's judgement of the answer.
fn answer(caller: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut first = [0; 1];
    caller.read_exact(&mut first)?;
    caller.write_all(bytes)?;
    read_to_the_end(caller)
}

fn read_to_the_end(caller: &mut TcpStream) -> std::io::Result<()> {
    std::io::copy(caller, &mut std::io::sink()).map(drop)
}
