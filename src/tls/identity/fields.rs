//! The parts of a DER SEQUENCE, taken one after another; borrowed, so that no secret is copied.

use x509_parser::asn1_rs::{Any, FromDer as _, Oid, Tag};

use crate::tls::name::MAX_IDENTIFIER_BYTES;

/// What is left of a SEQUENCE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The parts of the SEQUENCE that these bytes are.
    pub(super) fn of(der: &'a [u8]) -> Option<Self> {
        Self(der).sequence()
    }

    fn take(&mut self, tag: Tag) -> Option<&'a [u8]> {
        let (rest, part) = Any::from_der(self.0).ok()?;
        if part.tag() != tag {
            return None;
        }
        self.0 = rest;
        Some(part.data)
    }

    /// Whether the next part is of this kind.
    pub(super) fn next_is(&self, tag: Tag) -> bool {
        Any::from_der(self.0).is_ok_and(|(_, part)| part.tag() == tag)
    }

    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.take(Tag::Sequence).map(Self)
    }

    pub(super) fn octets(&mut self) -> Option<&'a [u8]> {
        self.take(Tag::OctetString)
    }

    /// An INTEGER as it is encoded, without the zeros in front.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        let bytes = self.take(Tag::Integer)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..)
    }

    /// An INTEGER that is not negative; what has more than 64 bits is the greatest number.
    pub(super) fn number(&mut self) -> Option<u64> {
        let negative = Any::from_der(self.0).is_ok_and(|(_, it)| it.data.first() >= Some(&0x80));
        let bytes = self.integer().filter(|_| !negative)?;
        let number = bytes
            .iter()
            .try_fold(0_u64, |number, byte| Some(number.checked_mul(256)? | u64::from(*byte)));
        Some(number.unwrap_or(u64::MAX))
    }

    /// An OBJECT IDENTIFIER with dots; none that is too long for any in use.
    pub(super) fn identifier(&mut self) -> Option<String> {
        let bytes = self.take(Tag::Oid).filter(|bytes| bytes.len() <= MAX_IDENTIFIER_BYTES)?;
        Some(Oid::new(bytes.into()).to_id_string())
    }

    /// What an explicit tag of this number holds.
    pub(super) fn tagged(&mut self, number: u32) -> Option<Self> {
        self.take(Tag(number)).map(Self)
    }
}
