//! SCRAM, the client's side (RFC 5802, RFC 7677), as MongoDB speaks it: SCRAM-SHA-1 takes the MD5
//! digest of user and password that its older mechanism used as its password, SCRAM-SHA-256 the
//! SASLprep form of the password itself (MongoDB authentication specification).
//!
//! The conversation is a chain of types, each consumed by the next: [`ClientFirst`] →
//! [`Challenge`] → (derive [`Keys`]) → [`ClientFinal`] → verified.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Fewer iterations are an attempt to learn the password cheaply (RFC 7677 section 4).
const MIN_ITERATIONS: u32 = 4_096;

/// More iterations are an attempt to keep us busy; this many take about 0.2 seconds. MongoDB's
/// defaults are 10,000 and 15,000.
const MAX_ITERATIONS: u32 = 1_000_000;

/// Longest message of a server that is looked at; real ones have about 100 bytes.
const MAX_MESSAGE_BYTES: usize = 4_096;

/// GS2 header without channel binding, and its base64 form (RFC 5802 section 7).
const GS2: &str = "n,,";
const GS2_BASE64: &str = "biws";

/// What went wrong between the two sides; none of it says anything of the password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScramError {
    /// A message that is none of SCRAM.
    #[error("the server's SCRAM message lacks {0}")]
    Malformed(&'static str),
    /// The server's nonce does not begin with ours: somebody replays.
    #[error("the server's nonce does not extend ours")]
    Nonce,
    /// The iteration count is out of bounds.
    #[error(
        "the server asks for {0} SCRAM iterations, {MIN_ITERATIONS} to {MAX_ITERATIONS} are accepted"
    )]
    Iterations(u32),
    /// The server does not know the password either: it is not the one that it claims to be.
    #[error("the server's SCRAM signature is wrong: it does not know this user's password")]
    ServerSignature,
    /// The password holds characters that SASLprep forbids.
    #[error("the password holds characters that SCRAM-SHA-256 forbids (RFC 4013)")]
    Password,
    /// The server says what is wrong, in the words of RFC 5802 section 7.
    #[error("the server ended the SCRAM conversation: {0}")]
    Server(String),
}

/// The mechanisms that the agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// SCRAM-SHA-1: servers from 3.0 on.
    Sha1,
    /// SCRAM-SHA-256: servers from 4.0 on.
    Sha256,
}

impl Mechanism {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    /// The best that a server offers for the user. A server that does not say (before 4.0, or an
    /// unknown user) is asked for SCRAM-SHA-1, as the authentication specification says.
    pub fn best_of(offered: &[String]) -> Self {
        let sha256 = offered.iter().any(|name| name == Self::Sha256.name());
        if sha256 { Self::Sha256 } else { Self::Sha1 }
    }
}

/// The first message.
#[derive(Clone, Debug)]
pub struct ClientFirst {
    mechanism: Mechanism,
    nonce: String,
    bare: String,
}

impl ClientFirst {
    /// `nonce` is at least 18 random bytes, base64.
    pub fn new(mechanism: Mechanism, username: &str, nonce: String) -> Self {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={name},r={nonce}");
        Self { mechanism, nonce, bare }
    }

    /// The mechanism it belongs to.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What is sent.
    pub fn payload(&self) -> String {
        format!("{GS2}{}", self.bare)
    }

    /// Reads the server's first message.
    ///
    /// # Errors
    /// See [`ScramError`].
    pub fn challenged(self, message: &[u8]) -> Result<Challenge, ScramError> {
        let message = readable(message)?;
        let nonce = field(message, "r").ok_or(ScramError::Malformed("a nonce"))?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salt = field(message, "s").and_then(|salt| BASE64.decode(salt).ok());
        let salt = salt.filter(|salt| !salt.is_empty()).ok_or(ScramError::Malformed("a salt"))?;
        let iterations = field(message, "i").and_then(|count| count.parse().ok());
        let iterations = iterations.ok_or(ScramError::Malformed("an iteration count"))?;
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(ScramError::Iterations(iterations));
        }
        let without_proof = format!("c={GS2_BASE64},r={nonce}");
        let signed = format!("{},{message},{without_proof}", self.bare);
        Ok(Challenge {
            recipe: Recipe { mechanism: self.mechanism, salt, iterations },
            without_proof,
            signed,
        })
    }
}

/// How the keys of a user are made from the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    mechanism: Mechanism,
    salt: Vec<u8>,
    iterations: u32,
}

/// The two keys that a login needs; making them takes milliseconds of work on purpose.
#[derive(Clone)]
pub struct Keys {
    client: Zeroizing<Vec<u8>>,
    server: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Recipe {
    /// Derives the keys. Takes about 2.5 ms for 15,000 iterations and up to 0.2 s at the limit:
    /// not for the reactor's threads.
    ///
    /// # Errors
    /// [`ScramError::Password`].
    pub fn keys(&self, username: &str, password: &Secret) -> Result<Keys, ScramError> {
        let salted = match self.mechanism {
            Mechanism::Sha1 => {
                let digest = mongo_digest(username, password);
                let mut salted = Zeroizing::new(vec![0; 20]);
                pbkdf2::pbkdf2_hmac::<Sha1>(
                    digest.as_bytes(),
                    &self.salt,
                    self.iterations,
                    &mut salted,
                );
                salted
            }
            Mechanism::Sha256 => {
                let prepared = stringprep::saslprep(password.expose());
                let prepared = prepared.map_err(|_| ScramError::Password)?;
                let prepared = Zeroizing::new(prepared.into_owned());
                let mut salted = Zeroizing::new(vec![0; 32]);
                pbkdf2::pbkdf2_hmac::<Sha256>(
                    prepared.as_bytes(),
                    &self.salt,
                    self.iterations,
                    &mut salted,
                );
                salted
            }
        };
        Ok(Keys {
            client: Zeroizing::new(mac(self.mechanism, &salted, b"Client Key")),
            server: Zeroizing::new(mac(self.mechanism, &salted, b"Server Key")),
        })
    }
}

/// The server's first message, understood.
#[derive(Clone, Debug)]
pub struct Challenge {
    recipe: Recipe,
    without_proof: String,
    signed: String,
}

impl Challenge {
    /// What the keys must be made of.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Answers with keys made by this challenge's [`Recipe`].
    pub fn answer(self, keys: &Keys) -> ClientFinal {
        let mechanism = self.recipe.mechanism;
        let stored = match mechanism {
            Mechanism::Sha1 => Sha1::digest(&*keys.client).to_vec(),
            Mechanism::Sha256 => Sha256::digest(&*keys.client).to_vec(),
        };
        let signature = mac(mechanism, &Zeroizing::new(stored), self.signed.as_bytes());
        let proof: Vec<u8> =
            keys.client.iter().zip(&signature).map(|(key, mask)| key ^ mask).collect();
        let payload = format!("{},p={}", self.without_proof, BASE64.encode(proof));
        let expected = mac(mechanism, &keys.server, self.signed.as_bytes());
        ClientFinal { payload, expected }
    }
}

/// The last message.
pub struct ClientFinal {
    payload: String,
    expected: Vec<u8>,
}

impl ClientFinal {
    /// What is sent.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// Checks that the server knows the password too; without this, anybody could pose as it.
    ///
    /// # Errors
    /// See [`ScramError`].
    pub fn verify(self, message: &[u8]) -> Result<(), ScramError> {
        let message = readable(message)?;
        if let Some(error) = field(message, "e") {
            return Err(ScramError::Server(error.chars().take(60).collect()));
        }
        let signature = field(message, "v").and_then(|text| BASE64.decode(text).ok());
        let signature = signature.ok_or(ScramError::Malformed("a signature"))?;
        // A comparison in variable time tells a server only what it has just been sent.
        if signature == self.expected { Ok(()) } else { Err(ScramError::ServerSignature) }
    }
}

/// A message as text: short, and without control characters.
fn readable(message: &[u8]) -> Result<&str, ScramError> {
    let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed("text"))?;
    if text.len() > MAX_MESSAGE_BYTES || text.chars().any(char::is_control) {
        return Err(ScramError::Malformed("a sane length"));
    }
    Ok(text)
}

/// The value of an attribute of a message.
fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = message.split(',').filter_map(|part| part.split_once('='));
    parts.find_map(|(key, value)| (key == name).then_some(value))
}

/// The password of SCRAM-SHA-1: hexadecimal MD5 of `user:mongo:password`.
fn mongo_digest(username: &str, password: &Secret) -> Zeroizing<String> {
    let text = Zeroizing::new(format!("{username}:mongo:{}", password.expose()));
    let digest = Md5::digest(text.as_bytes());
    Zeroizing::new(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn mac(mechanism: Mechanism, key: &[u8], message: &[u8]) -> Vec<u8> {
    match mechanism {
        Mechanism::Sha1 => hmac::<Hmac<Sha1>>(key, message),
        Mechanism::Sha256 => hmac::<Hmac<Sha256>>(key, message),
    }
}

fn hmac<H: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mac = <H as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn first(mechanism: Mechanism, nonce: &str) -> ClientFirst {
        ClientFirst::new(mechanism, "user", nonce.to_owned())
    }

    fn answer(first: ClientFirst, message: &str) -> ClientFinal {
        let challenge = first.challenged(message.as_bytes()).expect("a good challenge");
        let keys = challenge.recipe().keys("user", &Secret::new("pencil".to_owned()));
        challenge.answer(&keys.expect("a good password"))
    }

    /// The conversation of RFC 7677 section 3.
    #[test]
    fn sha256_speaks_as_rfc_7677_shows() {
        let first = first(Mechanism::Sha256, NONCE);
        assert_eq!(first.payload(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = answer(first, CHALLENGE);
        assert_eq!(
            last.payload(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(last.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
    }

    /// The conversation of the MongoDB authentication specification.
    #[test]
    fn sha1_speaks_as_the_authentication_specification_shows() {
        let last = answer(
            first(Mechanism::Sha1, "fyko+d2lbbFgONRv9qkxdawL"),
            "r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,s=rQ9ZY3MntBeuP3E1TDVC4w==,i=10000",
        );
        assert_eq!(
            last.payload(),
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,p=MC2T8BvbmWRckDw8oWl5IVghwCY="
        );
        assert_eq!(last.verify(b"v=UMWeI25JD1yNYZRMpZ4VHvhZ9e0="), Ok(()));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_refused() {
        let verify =
            |message: &[u8]| answer(first(Mechanism::Sha256, NONCE), CHALLENGE).verify(message);
        assert_eq!(verify(b"v=AAAA"), Err(ScramError::ServerSignature));
        assert_eq!(verify(b""), Err(ScramError::Malformed("a signature")));
        assert_eq!(verify(b"e=other-error"), Err(ScramError::Server("other-error".to_owned())));
    }

    #[test]
    fn challenges_that_no_honest_server_sends_are_refused() {
        let cases = [
            ("r=another,s=AAAA,i=4096", ScramError::Nonce),
            ("r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096", ScramError::Nonce),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1", ScramError::Iterations(1)),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=2147483647", ScramError::Iterations(2_147_483_647)),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", ScramError::Malformed("a salt")),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA", ScramError::Malformed("an iteration count")),
            ("s=AAAA,i=4096", ScramError::Malformed("a nonce")),
        ];
        for (message, expected) in cases {
            let refused = first(Mechanism::Sha256, NONCE).challenged(message.as_bytes());
            assert_eq!(refused.expect_err("refused"), expected, "{message}");
        }
    }

    #[test]
    fn a_user_name_cannot_add_attributes() {
        let first = ClientFirst::new(Mechanism::Sha256, "a,r=x=", "nonce".to_owned());
        assert_eq!(first.payload(), "n,,n=a=2Cr=3Dx=3D,r=nonce");
    }

    proptest! {
        #[test]
        fn no_challenge_makes_the_client_panic(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = first(Mechanism::Sha256, NONCE).challenged(&message);
        }
    }
}
