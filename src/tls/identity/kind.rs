//! What the bytes of a private key are, once they are in the clear: for telling damage, a wrong
//! password and a kind of key that cannot be used from one another.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use x509_parser::asn1_rs::Tag;

use super::{fields::Fields, key::BlockError};

/// How a key in the clear is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Pkcs8,
    /// RSA only.
    Pkcs1,
    /// Elliptic curves only.
    Sec1,
}

/// What TLS and its library can use.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

const RSA: &str = "1.2.840.113549.1.1.1";
const ELLIPTIC: &str = "1.2.840.10045.2.1";

/// Kinds of keys, and curves, by the identifiers of PKCS#8 and SEC1.
const NAMES: [(&str, &str); 11] = [
    ("1.2.840.113549.1.1.10", "an RSA-PSS key"),
    ("1.2.840.10040.4.1", "a DSA key"),
    ("1.2.840.10046.2.1", "a Diffie-Hellman key"),
    ("1.3.101.110", "an X25519 key"),
    ("1.3.101.111", "an X448 key"),
    ("1.3.101.113", "an Ed448 key"),
    ("1.3.132.0.10", "a key of the curve secp256k1"),
    ("1.3.132.0.33", "a key of the curve P-224"),
    ("1.3.36.3.3.2.8.1.1.7", "a key of the curve brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "a key of the curve brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "a key of the curve brainpoolP512r1"),
];

impl Form {
    /// Whether these bytes have the outline of a key of this form.
    pub(super) fn fits(self, der: &[u8]) -> bool {
        let Some(mut fields) = Fields::of(der) else { return false };
        let version = fields.number();
        match self {
            Self::Pkcs8 => {
                matches!(version, Some(0 | 1))
                    && fields.sequence().is_some()
                    && fields.octets().is_some()
            }
            Self::Pkcs1 => version == Some(0) && fields.next_is(Tag::Integer),
            Self::Sec1 => version == Some(1) && fields.octets().is_some(),
        }
    }

    /// The same bytes for rustls.
    pub(super) fn wrap(self, der: &[u8]) -> PrivateKeyDer<'_> {
        match self {
            Self::Pkcs8 => PrivatePkcs8KeyDer::from(der).into(),
            Self::Pkcs1 => PrivatePkcs1KeyDer::from(der).into(),
            Self::Sec1 => PrivateSec1KeyDer::from(der).into(),
        }
    }

    /// Why a key that [fits](Self::fits) cannot be used.
    pub(super) fn objection(self, der: &[u8]) -> BlockError {
        match self {
            Self::Pkcs8 => pkcs8(der),
            Self::Pkcs1 => rsa(der),
            Self::Sec1 => sec1(der),
        }
        .unwrap_or(BlockError::Damaged("its numbers do not fit together"))
    }
}

fn pkcs8(der: &[u8]) -> Option<BlockError> {
    let mut fields = Fields::of(der)?;
    let _version = fields.number()?;
    let mut algorithm = fields.sequence()?;
    match algorithm.identifier()?.as_str() {
        RSA => rsa(fields.octets()?),
        ELLIPTIC if algorithm.next_is(Tag::Sequence) => Some(BlockError::ExplicitCurve),
        ELLIPTIC => curve(&algorithm.identifier()?),
        identifier => other(identifier),
    }
}

fn rsa(der: &[u8]) -> Option<BlockError> {
    let mut fields = Fields::of(der)?;
    let _version = fields.number()?;
    let modulus = fields.integer()?;
    let unused = modulus.first()?.leading_zeros() as usize;
    let bits = modulus.len().checked_mul(8)?.checked_sub(unused)?;
    (!RSA_BITS.contains(&bits)).then_some(BlockError::RsaBits(bits))
}

fn sec1(der: &[u8]) -> Option<BlockError> {
    let mut fields = Fields::of(der)?;
    let (_version, _secret) = (fields.number()?, fields.octets()?);
    let mut parameters = fields.tagged(0)?;
    if parameters.next_is(Tag::Sequence) {
        return Some(BlockError::ExplicitCurve);
    }
    curve(&parameters.identifier()?)
}

/// The curves of P-256, P-384 and P-521 raise no objection.
fn curve(identifier: &str) -> Option<BlockError> {
    match identifier {
        "1.2.840.10045.3.1.7" | "1.3.132.0.34" | "1.3.132.0.35" => None,
        identifier => Some(named(identifier).unwrap_or(BlockError::Kind("a key of another curve"))),
    }
}

fn other(identifier: &str) -> Option<BlockError> {
    match identifier {
        "1.3.101.112" => None,
        identifier => Some(named(identifier).unwrap_or(BlockError::Kind("a key of another kind"))),
    }
}

fn named(identifier: &str) -> Option<BlockError> {
    NAMES.iter().find(|(it, _)| *it == identifier).map(|(_, name)| BlockError::Kind(name))
}
