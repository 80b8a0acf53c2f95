//! Somebody between the agent and a server, who reads along and does worse.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use bson::{RawDocumentBuf, rawdoc};

use super::trouble::Outcome;

/// The first byte of a TLS connection.
const TLS_RECORD: u8 = 0x16;

/// What is done to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Nothing: all bytes go through.
    None,
    /// Those that begin a TLS handshake end at once; plaintext goes through.
    CutTls,
    /// Those too; and plaintext is answered by a server that offers PLAIN alone.
    Impersonate,
}

/// A middleman, until the process ends.
pub(crate) struct Middleman {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    attack: Attack,
    /// What callers sent, as far as it went in or through.
    heard: Vec<u8>,
    open: Vec<TcpStream>,
}

impl Middleman {
    /// Stands in front of a server.
    pub(crate) fn before(server: SocketAddr, attack: Attack) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = State { attack, heard: Vec::new(), open: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for caller in listener.incoming().filter_map(Result::ok) {
                let state = Arc::clone(&shared);
                // A caller or server that goes away is what this is for.
                thread::spawn(move || drop(receive(caller, server, &state)));
            }
        });
        Ok(Self { address, state })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes what is done, and ends every connection there is.
    pub(crate) fn turn_to(&self, attack: Attack) {
        let mut state = lock(&self.state);
        state.attack = attack;
        for stream in state.open.drain(..) {
            let _gone_already = stream.shutdown(Shutdown::Both);
        }
    }

    /// Changes what is done to connections from now on; those there are live on.
    pub(crate) fn let_pass(&self) {
        lock(&self.state).attack = Attack::None;
    }

    /// Everything heard since the last time this was asked.
    pub(crate) fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.state).heard)
    }
}

/// Whether a text stands somewhere in bytes.
pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().expect("nothing panics while it holds this lock")
}

fn receive(mut caller: TcpStream, server: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    let mut first = [0; 1];
    caller.peek(&mut first)?;
    let attack = lock(state).attack;
    match attack {
        Attack::CutTls | Attack::Impersonate if first == [TLS_RECORD] => {
            // What was sent is read first, so that the caller sees an end and not a reset.
            let mut hello = vec![0; 8 << 10];
            let length = caller.read(&mut hello)?;
            lock(state).heard.extend_from_slice(hello.get(..length).unwrap_or_default());
            Ok(())
        }
        Attack::Impersonate => impersonate(&mut caller, state),
        Attack::None | Attack::CutTls => pass(caller, server, state),
    }
}

fn pass(mut caller: TcpStream, server: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    lock(state).open.extend([caller.try_clone()?, server.try_clone()?]);
    let (mut answers, mut back) = (server.try_clone()?, caller.try_clone()?);
    let backwards = thread::spawn(move || {
        let _ended = io::copy(&mut answers, &mut back);
        let _gone_already = back.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 16 << 10];
    loop {
        let length = caller.read(&mut buffer)?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            let _gone_already = server.shutdown(Shutdown::Both);
            let _ended = backwards.join();
            return Ok(());
        }
        lock(state).heard.extend_from_slice(bytes);
        server.write_all(bytes)?;
    }
}

/// Answers hello, and listens to what the caller does with it.
fn impersonate(caller: &mut TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let hello = rawdoc! {
        "ismaster": true, "maxWireVersion": 6, "saslSupportedMechs": ["PLAIN"], "ok": 1,
    };
    let asked = message(caller, state)?;
    caller.write_all(&reply(&asked, &hello))?;
    message(caller, state).map(drop)
}

/// One message of MongoDB's wire protocol.
fn message(caller: &mut TcpStream, state: &Mutex<State>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    caller.read_exact(&mut length)?;
    let body = u64::from(u32::from_le_bytes(length)).saturating_sub(4);
    let mut message = length.to_vec();
    caller.take(body.min(1 << 20)).read_to_end(&mut message)?;
    lock(state).heard.extend_from_slice(&message);
    Ok(message)
}

/// OP_REPLY to a message.
fn reply(asked: &[u8], document: &RawDocumentBuf) -> Vec<u8> {
    let request = asked.get(4..8).unwrap_or_default();
    let length = u32::try_from(36 + document.as_bytes().len()).expect("small");
    let mut reply = length.to_le_bytes().to_vec();
    reply.extend([1, 0, 0, 0]);
    reply.extend(request);
    reply.extend([1, 0, 0, 0]);
    reply.extend([0; 16]);
    reply.extend([1, 0, 0, 0]);
    reply.extend(document.as_bytes());
    reply
}
