//! Which certificate of a file is the key's, and which of the others lead from it to its root.

use rustls::{pki_types::CertificateDer, sign::SigningKey};
use x509_parser::{
    certificate::X509Certificate, extensions::ParsedExtension, prelude::FromDer, x509::X509Name,
};

use crate::tls::{
    certificate,
    pem::{Block, PemError},
    report::Certificate,
};

/// The longest chains in use have five certificates; several of one name (cross-signed, renewed) are
/// all sent. OpenSSL takes 100 KiB.
pub(super) const MAX_CERTIFICATES: usize = 16;

/// As many subjects are named when none of them is the right one.
const MAX_SUBJECTS: usize = 3;

/// One certificate of the file.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) readable: Certificate,
    der: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    public_key: Vec<u8>,
    /// Subject and authority key identifiers, where the certificate has them.
    key_identifier: Option<Vec<u8>>,
    issuer_key_identifier: Option<Vec<u8>>,
}

impl Member {
    /// # Errors
    /// The block holds no X.509 certificate.
    pub(super) fn read(block: Block) -> Result<Self, PemError> {
        let damaged = PemError::Damaged {
            number: block.number,
            line: block.line,
            what: "it is not an X.509 certificate",
        };
        let readable = certificate::read(&block.der).ok_or_else(|| damaged.clone())?;
        let (_, parsed) = X509Certificate::from_der(&block.der).map_err(|_| damaged)?;
        let raw = |name: &X509Name<'_>| name.as_raw().to_vec();
        let mut member = Self {
            readable,
            der: Vec::new(),
            subject: raw(parsed.subject()),
            issuer: raw(parsed.issuer()),
            public_key: parsed.public_key().raw.to_vec(),
            key_identifier: None,
            issuer_key_identifier: None,
        };
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(own) => {
                    member.key_identifier = Some(own.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(authority) => {
                    member.issuer_key_identifier =
                        authority.key_identifier.as_ref().map(|it| it.0.to_vec());
                }
                _ => {}
            }
        }
        member.der = block.der;
        Ok(member)
    }

    /// By name, unless the key identifiers say that another of the same name is meant.
    fn may_be_issued_by(&self, other: &Self) -> bool {
        self.issuer == other.subject
            && match (&self.issuer_key_identifier, &other.key_identifier) {
                (Some(expected), Some(actual)) => expected == actual,
                _ => true,
            }
    }
}

/// The certificate of the key. After a renewal with the same key there may be two: the one that ends
/// last, so that appending the new one is enough.
pub(super) fn leaf<'a>(members: &'a [Member], key: &dyn SigningKey) -> Option<&'a Member> {
    let public_key = key.public_key()?;
    members
        .iter()
        .rev()
        .filter(|it| it.public_key == public_key.as_ref())
        .max_by_key(|it| it.readable.not_after)
}

/// The leaf and those that lead from it to its root, each behind one that it may have issued, as TLS
/// 1.2 asks for. What does not belong to the chain is left out. `None` when there are too many.
pub(super) fn from(leaf: &Member, members: &[Member]) -> Option<Vec<CertificateDer<'static>>> {
    let mut chain = vec![leaf];
    let mut position = 0;
    while let Some(&link) = chain.get(position) {
        for member in members {
            if link.may_be_issued_by(member) && chain.iter().all(|it| it.der != member.der) {
                chain.push(member);
            }
            if chain.len() > MAX_CERTIFICATES {
                return None;
            }
        }
        position += 1;
    }
    Some(chain.into_iter().map(|it| CertificateDer::from(it.der.clone())).collect())
}

/// The subjects in words.
pub(super) fn subjects(members: &[Member]) -> String {
    let mut subjects: Vec<&str> =
        members.iter().take(MAX_SUBJECTS).map(|it| it.readable.subject.as_str()).collect();
    if members.len() > MAX_SUBJECTS {
        subjects.push("…");
    }
    subjects.join("; ")
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    };
    use rustls::{crypto::aws_lc_rs::sign::any_supported_type, pki_types::PrivatePkcs8KeyDer};

    use super::*;

    fn named(name: &str, end: i32) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.not_after = rcgen::date_time_ymd(end, 1, 1);
        parameters.use_authority_key_identifier_extension = true;
        parameters
    }

    fn authority(name: &str) -> CertificateParams {
        let mut parameters = named(name, 2040);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters
    }

    fn key() -> KeyPair {
        KeyPair::generate().expect("a key")
    }

    fn copy(key: &KeyPair) -> KeyPair {
        KeyPair::from_pem(&key.serialize_pem()).expect("the same key")
    }

    fn member(certificate: &rcgen::Certificate) -> Member {
        let der = certificate.der().to_vec();
        Member::read(Block { number: 1, line: 1, der }).expect("a certificate")
    }

    fn ders(members: &[&Member]) -> Vec<CertificateDer<'static>> {
        members.iter().map(|it| CertificateDer::from(it.der.clone())).collect()
    }

    /// Leaf, intermediate, root, a stranger, and the leaf's key.
    fn family() -> ([Member; 4], KeyPair) {
        let [root_key, middle_key, leaf_key] = [key(), key(), key()];
        let root = authority("root").self_signed(&root_key).expect("a root");
        let root_issuer = Issuer::new(authority("root"), root_key);
        let middle = authority("middle").signed_by(&middle_key, &root_issuer).expect("signed");
        let middle_issuer = Issuer::new(authority("middle"), middle_key);
        let leaf = named("leaf", 2030).signed_by(&leaf_key, &middle_issuer).expect("signed");
        let stranger = authority("stranger").self_signed(&key()).expect("another root");
        ([member(&leaf), member(&middle), member(&root), member(&stranger)], leaf_key)
    }

    fn found<'a>(members: &'a [Member], key: &KeyPair) -> Option<&'a Member> {
        let der = PrivatePkcs8KeyDer::from(key.serialize_der());
        leaf(members, &*any_supported_type(&der.into()).expect("a key"))
    }

    #[test]
    fn every_order_of_a_file_gives_the_chain_from_the_leaf_to_the_root() {
        let (family, leaf_key) = family();
        let [leaf, middle, root, _] = &family;
        let expected = ders(&[leaf, middle, root]);
        let mut orders = 0;
        for code in 0..256_usize {
            let order: Vec<usize> = (0..4).map(|place| code >> (2 * place) & 3).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            if sorted != [0, 1, 2, 3] {
                continue;
            }
            let members: Vec<Member> = order.iter().map(|&index| family[index].clone()).collect();
            let leaf = found(&members, &leaf_key).expect("the key's certificate");
            assert_eq!(from(leaf, &members).as_ref(), Some(&expected), "{order:?}");
            orders += 1;
        }
        assert_eq!(orders, 24);
    }

    #[test]
    fn doubled_certificates_are_sent_once_and_missing_ones_end_the_chain() {
        let ([leaf, middle, root, _], _) = family();
        let doubled = [leaf.clone(), leaf.clone(), middle.clone(), middle.clone()];
        assert_eq!(from(&leaf, &doubled), Some(ders(&[&leaf, &middle])));
        assert_eq!(from(&leaf, &[root, leaf.clone()]), Some(ders(&[&leaf])));
    }

    #[test]
    fn of_two_issuers_of_one_name_the_one_that_signed_is_taken_by_its_key_identifier() {
        let ([leaf, middle, root, _], _) = family();
        let namesake = member(&authority("middle").self_signed(&key()).expect("a certificate"));
        let members = [namesake, root.clone(), leaf.clone(), middle.clone()];
        assert_eq!(from(&leaf, &members), Some(ders(&[&leaf, &middle, &root])));
    }

    #[test]
    fn after_a_renewal_with_the_same_key_the_certificate_that_ends_last_is_taken() {
        let leaf_key = key();
        let at = |year| {
            let issuer = Issuer::new(authority("root"), key());
            member(&named("leaf", year).signed_by(&copy(&leaf_key), &issuer).expect("signed"))
        };
        let (old, new) = (at(2030), at(2031));
        for members in [[old.clone(), new.clone()], [new.clone(), old]] {
            assert_eq!(found(&members, &leaf_key).map(|it| &it.der), Some(&new.der));
        }
        assert!(found(&family().0, &leaf_key).is_none());
    }

    #[test]
    fn a_chain_beyond_the_limit_is_not_sent() {
        let same: Vec<Member> = (0..=MAX_CERTIFICATES)
            .map(|_| {
                let mut parameters = named("same", 2030);
                parameters.use_authority_key_identifier_extension = false;
                member(&parameters.self_signed(&key()).expect("a certificate"))
            })
            .collect();
        assert_eq!(from(&same[0], &same), None);
        assert_eq!(from(&same[0], &same[2..]).map(|chain| chain.len()), Some(MAX_CERTIFICATES));
        assert_eq!(subjects(&same), "CN=same; CN=same; CN=same; …");
    }
}
