//! What people have in place of a PEM file with a key, and the commands that convert it.

use super::{key::KeyError, kind::Form, pbes2};
use crate::tls::certificate;

/// Recognises it by its first bytes.
///
/// # Errors
/// The file is not PEM; whether PEM is in it is another question.
pub(super) fn recognise(content: &[u8]) -> Result<(), KeyError> {
    match content {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => Err(KeyError::JavaKeyStore),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(KeyError::Utf16),
        _ if content.trim_ascii().is_empty() => Err(KeyError::Empty),
        [0x30, ..] if [Form::Pkcs8, Form::Pkcs1, Form::Sec1].iter().any(|it| it.fits(content)) => {
            Err(KeyError::DerKey)
        }
        [0x30, ..] if pbes2::recognises(content) => Err(KeyError::DerKey),
        [0x30, ..] if certificate::read(content).is_some() => Err(KeyError::DerCertificate),
        [0x30, rest @ ..] if is_pkcs12(rest) => Err(KeyError::Pkcs12),
        [0x30, 0x80..=0x84, ..] => Err(KeyError::Binary),
        _ => Ok(()),
    }
}

/// Version 3 behind a length, which may be open (Java writes BER).
fn is_pkcs12(length_and_rest: &[u8]) -> bool {
    let (Some(first), skipped) = (length_and_rest.first(), 1) else { return false };
    let more = match first {
        0x81..=0x84 => usize::from(first & 0x7f),
        _ => 0,
    };
    length_and_rest.get(skipped + more..).is_some_and(|rest| rest.starts_with(&[2, 1, 3]))
}
