//! Distinguished names: as `openssl x509 -subject -nameopt RFC2253` prints them, which is how MongoDB
//! names the users of X.509 login, and as the rule that tells members of a cluster from clients.

use std::fmt::Write as _;

use x509_parser::{
    asn1_rs::{Tag, ToDer},
    certificate::X509Certificate,
    prelude::FromDer,
    x509::{AttributeTypeAndValue, X509Name},
};

/// The longest identifiers in use have 30 bytes; what it takes to write one out in decimal grows with
/// the square of its length, and peers choose it.
pub(super) const MAX_IDENTIFIER_BYTES: usize = 128;

/// OpenSSL's short names of the attributes that X.520, RFC 4519, RFC 4524, PKCS#9 and the EV
/// guidelines define for names.
const SHORT_NAMES: [(&str, &str); 55] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.14", "searchGuide"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.16", "postalAddress"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.18", "postOfficeBox"),
    ("2.5.4.19", "physicalDeliveryOfficeName"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.21", "telexNumber"),
    ("2.5.4.22", "teletexTerminalIdentifier"),
    ("2.5.4.23", "facsimileTelephoneNumber"),
    ("2.5.4.24", "x121Address"),
    ("2.5.4.25", "internationaliSDNNumber"),
    ("2.5.4.26", "registeredAddress"),
    ("2.5.4.27", "destinationIndicator"),
    ("2.5.4.28", "preferredDeliveryMethod"),
    ("2.5.4.31", "member"),
    ("2.5.4.32", "owner"),
    ("2.5.4.33", "roleOccupant"),
    ("2.5.4.34", "seeAlso"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.45", "x500UniqueIdentifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.49", "distinguishedName"),
    ("2.5.4.50", "uniqueMember"),
    ("2.5.4.51", "houseIdentifier"),
    ("2.5.4.54", "dmdName"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.72", "role"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.3", "mail"),
    ("0.9.2342.19200300.100.1.4", "info"),
    ("0.9.2342.19200300.100.1.9", "host"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.44", "uid"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.2.840.113549.1.9.8", "unstructuredAddress"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

/// What a server compares to tell whether a certificate is one of its cluster's own members.
const ORGANISATION: [&str; 3] = ["O", "OU", "DC"];

/// A distinguished name in text, last part first.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|part| {
            let mut values: Vec<String> = part.iter().map(attribute).collect();
            values.reverse();
            values.join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// Whether MongoDB takes the client's certificate (DER) for that of a member of the server's cluster:
/// all O, OU and DC attributes of the subjects are equal, in any order, and there is at least one
/// (manual, "x.509 for Internal Authentication", member certificate requirements). Such a client
/// logs in as `__system`, with every privilege.
pub fn same_organisation(client: &[u8], server: &[u8]) -> bool {
    match (organisation(client), organisation(server)) {
        (Some(client), Some(server)) => !client.is_empty() && client == server,
        _ => false,
    }
}

fn organisation(der: &[u8]) -> Option<Vec<(&'static str, String)>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut attributes: Vec<_> = certificate
        .subject()
        .iter_attributes()
        .filter_map(|it| {
            let kind = short_name(it).filter(|kind| ORGANISATION.contains(kind))?;
            Some((kind, value(it).unwrap_or_else(|| dump(it))))
        })
        .collect();
    attributes.sort();
    Some(attributes)
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    match (short_name(attribute), value(attribute)) {
        (Some(kind), Some(value)) => format!("{kind}={}", escape(&value)),
        (Some(kind), None) => format!("{kind}={}", dump(attribute)),
        (None, _) => {
            let identifier = identifier(attribute).unwrap_or_else(|| "unknown".to_owned());
            format!("{identifier}={}", dump(attribute))
        }
    }
}

fn short_name(attribute: &AttributeTypeAndValue<'_>) -> Option<&'static str> {
    let identifier = identifier(attribute)?;
    SHORT_NAMES.iter().find(|(known, _)| *known == identifier).map(|(_, name)| *name)
}

fn identifier(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let identifier = attribute.attr_type();
    (identifier.as_bytes().len() <= MAX_IDENTIFIER_BYTES).then(|| identifier.to_id_string())
}

/// The text of a value; `None` when its type is none of text.
fn value(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let bytes = attribute.as_slice();
    match attribute.attr_value().tag() {
        Tag::Utf8String => Some(std::str::from_utf8(bytes).ok()?.to_owned()),
        // T61 text is Latin-1 in practice, and to OpenSSL.
        Tag::NumericString
        | Tag::PrintableString
        | Tag::T61String
        | Tag::Ia5String
        | Tag::VisibleString => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
        Tag::BmpString => {
            let (units, []) = bytes.as_chunks::<2>() else { return None };
            char::decode_utf16(units.iter().map(|&unit| u16::from_be_bytes(unit)))
                .collect::<Result<_, _>>()
                .ok()
        }
        Tag::UniversalString => {
            let (units, []) = bytes.as_chunks::<4>() else { return None };
            units.iter().map(|&unit| char::from_u32(u32::from_be_bytes(unit))).collect()
        }
        _ => None,
    }
}

/// RFC 2253 section 2.4: what has no text is shown as its encoding.
fn dump(attribute: &AttributeTypeAndValue<'_>) -> String {
    let der = attribute.attr_value().to_der_vec().unwrap_or_default();
    der.iter().fold("#".to_owned(), |mut out, byte| {
        let _ = write!(out, "{byte:02X}");
        out
    })
}

/// RFC 2253 section 2.4; whatever is not printable ASCII in hexadecimal, as OpenSSL and MongoDB do, so
/// that no name can forge a log line.
pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (index, byte) in value.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => out.extend(['\\', byte.into()]),
            b'#' | b' ' if index == 0 => out.extend(['\\', byte.into()]),
            b' ' if index == last => out.extend(['\\', byte.into()]),
            b' '..=b'~' => out.push(byte.into()),
            _ => {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn certificate(attributes: &[(DnType, DnValue)]) -> Vec<u8> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        for (kind, value) in attributes {
            parameters.distinguished_name.push(kind.clone(), value.clone());
        }
        let key = KeyPair::generate().expect("a key");
        parameters.self_signed(&key).expect("a certificate").der().to_vec()
    }

    fn subject(der: &[u8]) -> String {
        text(X509Certificate::from_der(der).expect("a certificate").1.subject())
    }

    #[test]
    fn names_are_printed_as_openssl_prints_them() {
        for (pem, expected) in [
            (
                include_str!("../../tests/data/keys/names-odd.pem"),
                include_str!("../../tests/data/keys/names-odd.txt"),
            ),
            (
                include_str!("../../tests/data/keys/names-known.pem"),
                include_str!("../../tests/data/keys/names-known.txt"),
            ),
        ] {
            let blocks = crate::tls::pem::certificates(pem.as_bytes()).expect("a certificate");
            assert_eq!(subject(&blocks[0].der), expected.trim_end_matches('\n'));
        }
    }

    #[test]
    fn strings_of_two_and_four_bytes_a_letter_are_read() {
        let bmp = rcgen::string::BmpString::try_from("dé").expect("letters");
        let universal = rcgen::string::UniversalString::try_from("d😀").expect("letters");
        let teletex = rcgen::string::TeletexString::try_from("abc").expect("letters");
        let der = certificate(&[
            (DnType::CommonName, DnValue::BmpString(bmp)),
            (DnType::OrganizationName, DnValue::UniversalString(universal)),
            (DnType::LocalityName, DnValue::TeletexString(teletex)),
        ]);
        assert_eq!(subject(&der), "L=abc,O=d\\F0\\9F\\98\\80,CN=d\\C3\\A9");
    }

    #[test]
    fn an_attribute_without_a_known_or_sensible_identifier_is_shown_by_its_bytes() {
        let der = certificate(&[
            (DnType::CustomDnType(vec![1, 2, 3]), DnValue::from("a")),
            (DnType::CustomDnType([vec![1, 2], vec![1; 127]].concat()), DnValue::from("b")),
            (DnType::CustomDnType([vec![1, 2], vec![1; 128]].concat()), DnValue::from("c")),
        ]);
        let long = format!("1.2{}=#0C0162", ".1".repeat(127));
        assert_eq!(subject(&der), format!("unknown=#0C0163,{long},1.2.3=#0C0161"));
    }

    #[test]
    fn a_client_is_a_member_when_every_o_ou_and_dc_is_equal_in_any_order() {
        let domain = || DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25]);
        let organisation = |value: &str| (DnType::OrganizationName, DnValue::from(value));
        let unit = |value: &str| (DnType::OrganizationalUnitName, DnValue::from(value));
        let printable = |value: &str| {
            (DnType::OrganizationName, DnValue::PrintableString(value.try_into().expect("plain")))
        };
        let name = |value: &str| (DnType::CommonName, DnValue::from(value));
        let dc = |value: &str| (domain(), DnValue::from(value));
        let server = vec![organisation("acme"), unit("db"), name("server")];
        for (case, client, server, expected) in [
            ("equal", vec![organisation("acme"), unit("db"), name("agent")], &server, true),
            ("another order", vec![unit("db"), name("agent"), organisation("acme")], &server, true),
            ("another string type", vec![printable("acme"), unit("db")], &server, true),
            ("another unit", vec![organisation("acme"), unit("ops")], &server, false),
            ("one attribute less", vec![organisation("acme")], &server, false),
            ("one attribute more", vec![organisation("acme"), unit("db"), dc("x")], &server, false),
            ("another case", vec![organisation("Acme"), unit("db")], &server, false),
            ("nothing on both sides", vec![name("agent")], &vec![name("server")], false),
            ("components of a domain", vec![dc("x"), name("agent")], &vec![dc("x")], true),
        ] {
            let same = same_organisation(&certificate(&client), &certificate(server));
            assert_eq!(same, expected, "{case}");
        }
        assert!(!same_organisation(b"no certificate", &certificate(&server)));
    }
}
