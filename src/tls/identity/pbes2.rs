//! Encrypted PKCS#8 (RFC 5958) by PBES2 (RFC 8018): a key derivation and a cipher, each with its
//! parameters.
//!
//! ```text
//! SEQUENCE { SEQUENCE { PBES2, SEQUENCE { derivation, cipher } }, OCTET STRING }
//! derivation   PBKDF2 { salt, iterations, [length], [function] }  or  scrypt { salt, N, r, p, [length] }
//! cipher       { name, initialization vector }
//! ```

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use x509_parser::asn1_rs::Tag;
use zeroize::Zeroizing;

use super::{
    cipher::{Cipher, MAX_KEY_BYTES},
    fields::Fields,
    key::BlockError,
};
use crate::secret::Secret;

/// About two seconds; OpenSSL's default is 2,048, and 1,300,000 is the most that is recommended.
const MAX_ITERATIONS: u64 = 10_000_000;

/// The memory that scrypt may take; OpenSSL itself opens no file that needs more than 32 MiB.
const MAX_SCRYPT_BYTES: u64 = 64 << 20;

/// How often scrypt may go through that memory; its authors and OpenSSL have 1.
const MAX_SCRYPT_PASSES: u64 = 16;

const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const SCRYPT: &str = "1.3.6.1.4.1.11591.4.11";

/// PBES1 of PKCS#5 and of PKCS#12. What OpenSSL 3 has moved to its legacy provider is marked.
const OLD_SCHEMES: [(&str, &str, bool); 12] = [
    ("1.2.840.113549.1.5.1", "PBE-MD2-DES", true),
    ("1.2.840.113549.1.5.3", "PBE-MD5-DES", true),
    ("1.2.840.113549.1.5.4", "PBE-MD2-RC2-64", true),
    ("1.2.840.113549.1.5.6", "PBE-MD5-RC2-64", true),
    ("1.2.840.113549.1.5.10", "PBE-SHA1-DES", true),
    ("1.2.840.113549.1.5.11", "PBE-SHA1-RC2-64", true),
    ("1.2.840.113549.1.12.1.1", "PBE-SHA1-RC4-128", true),
    ("1.2.840.113549.1.12.1.2", "PBE-SHA1-RC4-40", true),
    ("1.2.840.113549.1.12.1.3", "PBE-SHA1-3DES", false),
    ("1.2.840.113549.1.12.1.4", "PBE-SHA1-2DES", false),
    ("1.2.840.113549.1.12.1.5", "PBE-SHA1-RC2-128", true),
    ("1.2.840.113549.1.12.1.6", "PBE-SHA1-RC2-40", true),
];

/// The functions of PBKDF2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Debug)]
enum Derivation<'a> {
    Pbkdf2 { salt: &'a [u8], iterations: u32, function: Function },
    Scrypt { salt: &'a [u8], parameters: scrypt::Params },
}

/// Decrypts an EncryptedPrivateKeyInfo to a PrivateKeyInfo.
///
/// # Errors
/// See [`BlockError`]. A wrong password is noticed by the padding, or by what comes out not being a
/// key; the caller looks at that.
pub(super) fn decrypt(der: &[u8], password: &Secret) -> Result<Zeroizing<Vec<u8>>, BlockError> {
    let (scheme, parameters, text) = parts(der).ok_or(MALFORMED)?;
    let mut parameters = match (scheme.as_str(), parameters) {
        (PBES2, Some(parameters)) => parameters,
        (PBES2, None) => return Err(MALFORMED),
        (scheme, _) => return Err(old(scheme)),
    };
    let derivation = parameters.sequence().ok_or(MALFORMED)?;
    let (cipher, vector) = cipher(parameters.sequence().ok_or(MALFORMED)?)?;
    let derivation = read_derivation(derivation, cipher)?;
    let mut key = Zeroizing::new([0; MAX_KEY_BYTES]);
    let key = key.get_mut(..cipher.key_bytes()).unwrap_or_default();
    derive(&derivation, password.expose().as_bytes(), key)?;
    let text = Zeroizing::new(text.to_vec());
    cipher.decrypt(key, vector, text).ok_or(BlockError::WrongPassword)
}

/// Whether these bytes are an EncryptedPrivateKeyInfo, of whatever scheme.
pub(super) fn recognises(der: &[u8]) -> bool {
    parts(der).is_some()
}

const MALFORMED: BlockError = BlockError::Damaged("it is no encrypted PKCS#8 key");

fn parts(der: &[u8]) -> Option<(String, Option<Fields<'_>>, &[u8])> {
    let mut whole = Fields::of(der)?;
    let mut algorithm = whole.sequence()?;
    Some((algorithm.identifier()?, algorithm.sequence(), whole.octets()?))
}

fn old(scheme: &str) -> BlockError {
    match OLD_SCHEMES.iter().find(|(identifier, ..)| *identifier == scheme) {
        Some((_, name, true)) => BlockError::legacy(name),
        Some((_, name, false)) => BlockError::scheme(name),
        None => BlockError::scheme("another scheme than PBES2"),
    }
}

fn cipher(mut fields: Fields<'_>) -> Result<(Cipher, &[u8]), BlockError> {
    let cipher = match fields.identifier().ok_or(MALFORMED)?.as_str() {
        "2.16.840.1.101.3.4.1.2" => Cipher::Aes128,
        "2.16.840.1.101.3.4.1.22" => Cipher::Aes192,
        "2.16.840.1.101.3.4.1.42" => Cipher::Aes256,
        "1.2.840.113549.3.7" => Cipher::TripleDes,
        "1.3.14.3.2.7" => return Err(BlockError::legacy("DES-CBC")),
        "1.2.840.113549.3.2" => return Err(BlockError::legacy("RC2")),
        _ => return Err(BlockError::scheme("a cipher other than AES in CBC mode and 3DES")),
    };
    let vector = fields.octets().filter(|vector| vector.len() == cipher.block_bytes());
    Ok((cipher, vector.ok_or(MALFORMED)?))
}

fn read_derivation(mut fields: Fields<'_>, cipher: Cipher) -> Result<Derivation<'_>, BlockError> {
    let name = fields.identifier().ok_or(MALFORMED)?;
    let mut parameters = fields.sequence().ok_or(MALFORMED)?;
    let salt = parameters.octets().ok_or(MALFORMED)?;
    let mut number = || parameters.number().ok_or(MALFORMED);
    let derivation = match name.as_str() {
        PBKDF2 => Derivation::Pbkdf2 {
            salt,
            iterations: iterations(number()?)?,
            function: Function::Sha1,
        },
        SCRYPT => {
            Derivation::Scrypt { salt, parameters: scrypt_cost(number()?, number()?, number()?)? }
        }
        _ => return Err(BlockError::scheme("a derivation other than PBKDF2 and scrypt")),
    };
    if parameters.next_is(Tag::Integer) {
        let length = parameters.number().and_then(|length| usize::try_from(length).ok());
        if length != Some(cipher.key_bytes()) {
            return Err(MALFORMED);
        }
    }
    Ok(match (derivation, parameters.sequence()) {
        (Derivation::Pbkdf2 { salt, iterations, .. }, Some(name)) => {
            Derivation::Pbkdf2 { salt, iterations, function: function(name)? }
        }
        (derivation, _) => derivation,
    })
}

fn iterations(number: u64) -> Result<u32, BlockError> {
    if number > MAX_ITERATIONS {
        let (what, limit) = ("PBKDF2 iterations", MAX_ITERATIONS);
        return Err(BlockError::TooCostly { what, number, limit });
    }
    u32::try_from(number).ok().filter(|number| *number > 0).ok_or(MALFORMED)
}

/// RFC 7914: N is a power of two, the memory is 128·N·r bytes, and it is filled p times.
fn scrypt_cost(n: u64, r: u64, p: u64) -> Result<scrypt::Params, BlockError> {
    let memory = n.saturating_mul(r).saturating_mul(128);
    for (what, number, limit) in [
        ("bytes of memory for scrypt", memory, MAX_SCRYPT_BYTES),
        ("passes of scrypt", p, MAX_SCRYPT_PASSES),
    ] {
        if number > limit {
            return Err(BlockError::TooCostly { what, number, limit });
        }
    }
    let parameters = || {
        let exponent = u8::try_from(n.trailing_zeros()).ok().filter(|_| n.is_power_of_two())?;
        scrypt::Params::new(exponent, u32::try_from(r).ok()?, u32::try_from(p).ok()?).ok()
    };
    parameters().ok_or(MALFORMED)
}

fn function(mut name: Fields<'_>) -> Result<Function, BlockError> {
    Ok(match name.identifier().ok_or(MALFORMED)?.as_str() {
        "1.2.840.113549.2.7" => Function::Sha1,
        "1.2.840.113549.2.8" => Function::Sha224,
        "1.2.840.113549.2.9" => Function::Sha256,
        "1.2.840.113549.2.10" => Function::Sha384,
        "1.2.840.113549.2.11" => Function::Sha512,
        _ => return Err(BlockError::scheme("a function other than HMAC with SHA-1 and SHA-2")),
    })
}

fn derive(derivation: &Derivation<'_>, password: &[u8], key: &mut [u8]) -> Result<(), BlockError> {
    match derivation {
        Derivation::Pbkdf2 { salt, iterations, function } => match function {
            Function::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, *iterations, key),
            Function::Sha224 => pbkdf2_hmac::<Sha224>(password, salt, *iterations, key),
            Function::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, *iterations, key),
            Function::Sha384 => pbkdf2_hmac::<Sha384>(password, salt, *iterations, key),
            Function::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, *iterations, key),
        },
        Derivation::Scrypt { salt, parameters } => {
            scrypt::scrypt(password, salt, parameters, key).map_err(|_| MALFORMED)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_scrypt_is_bounded_before_it_is_paid() {
        let refused = |n, r, p| scrypt_cost(n, r, p).expect_err("refused");
        assert!(scrypt_cost(16_384, 8, 1).is_ok());
        assert!(scrypt_cost(65_536, 8, 16).is_ok());
        let memory = "bytes of memory for scrypt";
        let passes = "passes of scrypt";
        for ((n, r, p), (what, number, limit)) in [
            ((131_072, 8, 1), (memory, 128 << 20, MAX_SCRYPT_BYTES)),
            ((u64::MAX, u64::MAX, 1), (memory, u64::MAX, MAX_SCRYPT_BYTES)),
            ((16_384, 8, 17), (passes, 17, MAX_SCRYPT_PASSES)),
        ] {
            assert_eq!(refused(n, r, p), BlockError::TooCostly { what, number, limit });
        }
        for (n, r, p) in [(0, 8, 1), (3, 8, 1), (16_384, 0, 1), (16_384, 8, 0)] {
            assert_eq!(refused(n, r, p), MALFORMED, "{n} {r} {p}");
        }
    }

    #[test]
    fn the_iterations_of_pbkdf2_are_bounded_before_they_are_made() {
        assert_eq!(iterations(MAX_ITERATIONS), Ok(10_000_000));
        assert_eq!(iterations(0), Err(MALFORMED));
        let (what, number) = ("PBKDF2 iterations", u64::MAX);
        let refused = BlockError::TooCostly { what, number, limit: MAX_ITERATIONS };
        assert_eq!(iterations(u64::MAX), Err(refused));
    }
}
