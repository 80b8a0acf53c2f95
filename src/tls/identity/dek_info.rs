//! Traditional encryption of PEM (RFC 1421 headers, as OpenSSL has written them since SSLeay): the
//! block keeps its label, and headers name the cipher.
//!
//! ```text
//! -----BEGIN RSA PRIVATE KEY-----
//! Proc-Type: 4,ENCRYPTED
//! DEK-Info: AES-256-CBC,F0…          cipher, initialization vector in hexadecimal
//!
//! base64
//! ```

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::{
    cipher::{Cipher, MAX_KEY_BYTES},
    key::BlockError,
};
use crate::secret::Secret;

/// EVP_BytesToKey takes the first bytes of the vector for salt.
const SALT_BYTES: usize = 8;

/// The headers that matter, and the base64 text behind them.
#[derive(Debug, Default)]
pub(super) struct Headers<'a> {
    encrypted: bool,
    info: Option<&'a [u8]>,
    pub(super) text: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Cuts the headers off; most blocks have none.
    pub(super) fn read(mut text: &'a [u8]) -> Self {
        let mut headers = Self::default();
        while let Some((line, rest)) = first_line(text) {
            let Some((name, value)) = header(line) else { break };
            match name {
                b"Proc-Type" => headers.encrypted = value.ends_with(b"ENCRYPTED"),
                b"DEK-Info" => headers.info = Some(value),
                _ => {}
            }
            text = rest;
        }
        Self { text, ..headers }
    }

    pub(super) fn are_of_an_encrypted_key(&self) -> bool {
        self.encrypted || self.info.is_some()
    }

    /// Decrypts the bytes behind the text.
    ///
    /// # Errors
    /// See [`BlockError`]. A wrong password is noticed by the padding, or by what comes out not being a
    /// key; the caller looks at that.
    pub(super) fn decrypt(
        &self,
        der: Zeroizing<Vec<u8>>,
        password: &Secret,
    ) -> Result<Zeroizing<Vec<u8>>, BlockError> {
        let info = self.info.ok_or(BlockError::Damaged("its DEK-Info line is missing"))?;
        let malformed = BlockError::Damaged("its DEK-Info line is not CIPHER,HEXADECIMAL");
        let comma = info.iter().position(|byte| *byte == b',').ok_or_else(|| malformed.clone())?;
        let (name, vector) = info.split_at_checked(comma).ok_or_else(|| malformed.clone())?;
        let cipher = cipher(name)?;
        let vector = vector.get(1..).and_then(|it| hexadecimal(it.trim_ascii()));
        let vector = vector.filter(|it| it.len() == cipher.block_bytes()).ok_or(malformed)?;
        let key = derive(password, vector.get(..SALT_BYTES).unwrap_or_default());
        let key = key.get(..cipher.key_bytes()).unwrap_or_default();
        cipher.decrypt(key, &vector, der).ok_or(BlockError::WrongPassword)
    }
}

/// The first line without blanks around it, and the rest.
fn first_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = text.split_at_checked(end + 1)?;
    Some((line.trim_ascii(), rest))
}

/// `NAME: VALUE`; base64 has no colon.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((line.get(..colon)?.trim_ascii(), line.get(colon + 1..)?.trim_ascii()))
}

fn cipher(name: &[u8]) -> Result<Cipher, BlockError> {
    match name.trim_ascii() {
        b"AES-128-CBC" => Ok(Cipher::Aes128),
        b"AES-192-CBC" => Ok(Cipher::Aes192),
        b"AES-256-CBC" => Ok(Cipher::Aes256),
        b"DES-EDE3-CBC" => Ok(Cipher::TripleDes),
        b"DES-CBC" => Err(BlockError::legacy("DES-CBC")),
        b"RC2-CBC" | b"RC2-64-CBC" | b"RC2-40-CBC" => Err(BlockError::legacy("RC2")),
        _ => Err(BlockError::scheme("a cipher other than AES and 3DES")),
    }
}

fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// EVP_BytesToKey(3) with MD5 and one iteration, as PEM encryption uses it: each part of the key is the
/// digest of the part before, the password and the salt.
fn derive(password: &Secret, salt: &[u8]) -> Zeroizing<[u8; MAX_KEY_BYTES]> {
    let mut key = Zeroizing::new([0; MAX_KEY_BYTES]);
    let mut part: Zeroizing<Vec<u8>> = Zeroizing::default();
    for piece in key.chunks_mut(16) {
        let mut digest = Md5::new();
        digest.update(part.as_slice());
        digest.update(password.expose());
        digest.update(salt);
        part = Zeroizing::new(digest.finalize().to_vec());
        piece.copy_from_slice(&part);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_cut_off_and_most_blocks_have_none() {
        let headers =
            Headers::read(b"Proc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,00\r\n\r\nAAAA\r\n");
        assert!(headers.are_of_an_encrypted_key());
        assert_eq!(headers.info, Some(b"AES-128-CBC,00".as_slice()));
        assert_eq!(headers.text, b"\r\nAAAA\r\n");
        let plain = Headers::read(b"AAAA\n");
        assert!(!plain.are_of_an_encrypted_key());
        assert_eq!(plain.text, b"AAAA\n");
    }

    #[test]
    fn every_defect_of_the_headers_is_named() {
        let line = BlockError::Damaged("its DEK-Info line is not CIPHER,HEXADECIMAL");
        for (text, expected) in [
            ("Proc-Type: 4,ENCRYPTED\n\n", BlockError::Damaged("its DEK-Info line is missing")),
            ("DEK-Info: AES-256-CBC\n", line.clone()),
            ("DEK-Info: AES-256-CBC,\n", line.clone()),
            ("DEK-Info: AES-256-CBC,00112233445566\n", line.clone()),
            ("DEK-Info: AES-256-CBC,0011223344556677889900112233445g\n", line.clone()),
            ("DEK-Info: DES-EDE3-CBC,00112233445566778\n", line),
            ("DEK-Info: DES-CBC,0011223344556677\n", BlockError::legacy("DES-CBC")),
            (
                "DEK-Info: CAMELLIA-256-CBC,00\n",
                BlockError::scheme("a cipher other than AES and 3DES"),
            ),
            ("DEK-Info: DES-EDE3-CBC,0011223344556677\n", BlockError::WrongPassword),
        ] {
            let headers = Headers::read(text.as_bytes());
            let refused = headers.decrypt(Zeroizing::default(), &Secret::new("x".to_owned()));
            assert_eq!(refused.expect_err(text), expected, "{text}");
        }
    }
}
