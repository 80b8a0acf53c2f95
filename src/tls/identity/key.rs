//! The private key of a PEM file: exactly one, in any form, opened.

use std::{fmt, sync::Arc};

use rustls::{crypto::aws_lc_rs::sign::any_supported_type, sign::SigningKey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{dek_info::Headers, kind::Form, pbes2, stranger};
use crate::{
    secret::Secret,
    tls::pem::{self, Section},
};

/// Why a file holds no usable private key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// UTF-16, as some editors on Windows save.
    #[error("the file is UTF-16 text, save it as UTF-8 or ASCII")]
    Utf16,
    /// A binary container with key and certificates.
    #[error("the file is PKCS#12, PEM is needed: openssl pkcs12 -in FILE -out FILE.pem")]
    Pkcs12,
    /// A Java key store.
    #[error(
        "the file is a Java key store, PEM is needed: keytool -importkeystore -srckeystore FILE \
         -destkeystore FILE.p12 -deststoretype PKCS12, then openssl pkcs12 -in FILE.p12 -out FILE.pem"
    )]
    JavaKeyStore,
    /// A key in binary form.
    #[error(
        "the file is a key in DER form, PEM is needed: openssl pkey -inform DER -in FILE -out FILE.pem"
    )]
    DerKey,
    /// A certificate in binary form.
    #[error(
        "the file is a certificate in DER form, PEM with the private key is needed: openssl x509 \
         -inform DER -in FILE -out FILE.pem, and append the key"
    )]
    DerCertificate,
    /// Something else in binary form.
    #[error("the file is binary (PKCS#7, or another kind without a private key), PEM is needed")]
    Binary,
    /// Text without any private key.
    #[error(
        "the file holds no private key (no line -----BEGIN PRIVATE KEY-----): append the key to it"
    )]
    NoKey,
    /// Which of them is meant cannot be told.
    #[error("the file holds several private keys, in {first} and in {second}: leave only one")]
    Several {
        /// Where the first key is.
        first: Place,
        /// Where the second key is.
        second: Place,
    },
    /// The block of the key cannot be used.
    #[error("{place}: {what}")]
    Block {
        /// Where it is.
        place: Place,
        /// What is wrong with it.
        what: BlockError,
    },
}

/// Where in its file a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which block of the file, from 1, certificates and all others counted.
    pub block: usize,
    /// The line of its BEGIN, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} (line {})", self.block, self.line)
    }
}

/// Why the block of a private key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// Its END is missing.
    #[error("the private key has no END line of its kind")]
    Unfinished,
    /// It is not what its label says.
    #[error("the private key is damaged: {0}")]
    Damaged(&'static str),
    /// Encrypted, and no password is configured.
    #[error(
        "the private key is encrypted and no password is set: set it beside the file \
         (sslClientCertificatePassword, sslServerClientCertificatePassword towards the management \
         server, tlsCertificateKeyFilePassword in a connection string)"
    )]
    NoPassword,
    /// Encrypted with another password.
    #[error("the password does not open the private key")]
    WrongPassword,
    /// Encrypted in a way that is not read.
    #[error(
        "the private key is encrypted with {scheme}, which is not supported: openssl pkcs8 -topk8 -v2 \
         aes-256-cbc{options} -in FILE -out FILE.new converts it; append the certificates of FILE to \
         FILE.new"
    )]
    Scheme {
        /// Its name.
        scheme: &'static str,
        /// What OpenSSL 3 needs to read it.
        options: &'static str,
    },
    /// Opening it would take too much time or memory.
    #[error(
        "the private key takes {number} {what} to decrypt, the limit is {limit}: openssl pkcs8 -topk8 \
         -v2 aes-256-cbc -in FILE -out FILE.new encrypts it anew; append the certificates of FILE to \
         FILE.new"
    )]
    TooCostly {
        /// What is too much.
        what: &'static str,
        /// How much the file asks for.
        number: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// The format of OpenSSH.
    #[error(
        "the private key is in the format of OpenSSH, and such a key has no certificate for TLS: \
         ssh-keygen -p -m PKCS8 -f FILE converts it where one was issued for it"
    )]
    OpenSsh,
    /// RSA, but too short or too long.
    #[error(
        "the RSA key has {0} bits, 2048 to 8192 are accepted: make a new key and have a certificate \
         issued for it"
    )]
    RsaBits(usize),
    /// The curve is written out, not named.
    #[error(
        "the key describes its elliptic curve by explicit parameters, a named one is needed: make key \
         and certificate anew with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
    )]
    ExplicitCurve,
    /// A key that TLS here cannot use.
    #[error(
        "it is {0}; RSA (2048 to 8192 bits), P-256, P-384, P-521 and Ed25519 are supported: make a new \
         key and have a certificate issued for it"
    )]
    Kind(&'static str),
}

impl BlockError {
    /// A scheme that OpenSSL 3 still reads by default.
    pub(super) fn scheme(scheme: &'static str) -> Self {
        Self::Scheme { scheme, options: "" }
    }

    /// A scheme that OpenSSL 3 reads only with its legacy provider.
    pub(super) fn legacy(scheme: &'static str) -> Self {
        Self::Scheme { scheme, options: " -provider legacy -provider default" }
    }
}

/// A private key that can sign.
pub(super) struct Key {
    pub(super) signing: Arc<dyn SigningKey>,
    pub(super) place: Place,
}

/// Opens the one private key of a file.
///
/// # Errors
/// See [`KeyError`].
pub(super) fn read(content: &[u8], password: Option<&Secret>) -> Result<Key, KeyError> {
    let content = pem::without_byte_order_mark(content);
    stranger::recognise(content)?;
    let section = only_key(content)?;
    let place = place(&section);
    let signing = open(&section, password).map_err(|what| KeyError::Block { place, what })?;
    Ok(Key { signing, place })
}

fn place(section: &Section<'_>) -> Place {
    Place { block: section.number, line: section.line }
}

fn only_key(content: &[u8]) -> Result<Section<'_>, KeyError> {
    let mut keys = pem::sections(content).filter(|it| it.label.ends_with(b"PRIVATE KEY"));
    let first = keys.next().ok_or(KeyError::NoKey)?;
    match keys.next() {
        None => Ok(first),
        Some(second) => Err(KeyError::Several { first: place(&first), second: place(&second) }),
    }
}

fn open(
    section: &Section<'_>,
    password: Option<&Secret>,
) -> Result<Arc<dyn SigningKey>, BlockError> {
    let form = match section.label {
        b"PRIVATE KEY" | b"ENCRYPTED PRIVATE KEY" => Form::Pkcs8,
        b"RSA PRIVATE KEY" => Form::Pkcs1,
        b"EC PRIVATE KEY" => Form::Sec1,
        b"OPENSSH PRIVATE KEY" => return Err(BlockError::OpenSsh),
        b"DSA PRIVATE KEY" => return Err(BlockError::Kind("a DSA key")),
        _ => return Err(BlockError::Kind("a key of another kind")),
    };
    if !section.finished {
        return Err(BlockError::Unfinished);
    }
    let headers = Headers::read(section.text);
    let bytes =
        pem::decode_secret(headers.text).ok_or(BlockError::Damaged("its text is not base64"))?;
    let pbes2 = section.label == b"ENCRYPTED PRIVATE KEY";
    if !pbes2 && !headers.are_of_an_encrypted_key() {
        return signing_key(form, &bytes, BlockError::Damaged("it is not of the kind it says"));
    }
    let password = password.ok_or(BlockError::NoPassword)?;
    let clear: Zeroizing<Vec<u8>> =
        if pbes2 { pbes2::decrypt(&bytes, password)? } else { headers.decrypt(bytes, password)? };
    // The padding fits by chance with one wrong password of 256.
    signing_key(form, &clear, BlockError::WrongPassword)
}

fn signing_key(
    form: Form,
    der: &[u8],
    misfit: BlockError,
) -> Result<Arc<dyn SigningKey>, BlockError> {
    if !form.fits(der) {
        return Err(misfit);
    }
    any_supported_type(&form.wrap(der)).map_err(|_| form.objection(der))
}
