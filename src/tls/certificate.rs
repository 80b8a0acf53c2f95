//! From DER to the parts of a certificate that people read.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    objects::{oid_registry, oid2sn},
    prelude::FromDer,
    public_key::PublicKey,
    time::ASN1Time,
};

use super::{name, report::Certificate};

/// More names than this are left out of a report; certificates of big clusters have a few dozen.
const MAX_NAMES: usize = 100;

/// Reads one certificate; `None` when it is not X.509.
pub(super) fn read(der: &[u8]) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(Certificate {
        subject: name::text(certificate.subject()),
        issuer: name::text(certificate.issuer()),
        names: names(&certificate),
        serial: hexadecimal(certificate.raw_serial()),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        key: key(&certificate),
        signature_algorithm: algorithm(&certificate),
        fingerprint: hexadecimal(&Sha256::digest(der)),
    })
}

/// A moment in words, in UTC.
pub(super) fn date(seconds: i64) -> String {
    match ASN1Time::from_timestamp(seconds).map(|time| time.to_datetime()) {
        Ok(time) => {
            let month = u8::from(time.month());
            let (hour, minute, second) = (time.hour(), time.minute(), time.second());
            let (year, day) = (time.year(), time.day());
            format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
        }
        Err(_) => format!("{seconds} s since 1970"),
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(general_name).take(MAX_NAMES).collect()
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name::escape(name)),
        GeneralName::IPAddress(bytes) => {
            if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                return Some(std::net::Ipv4Addr::from(four).to_string());
            }
            let sixteen = <[u8; 16]>::try_from(*bytes).ok()?;
            Some(std::net::Ipv6Addr::from(sixteen).to_string())
        }
        _ => None,
    }
}

fn key(certificate: &X509Certificate<'_>) -> String {
    let info = certificate.public_key();
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
        _ => match oid2sn(&info.algorithm.algorithm, oid_registry()) {
            Ok(short) => short.to_owned(),
            Err(_) => info.algorithm.algorithm.to_id_string(),
        },
    }
}

fn algorithm(certificate: &X509Certificate<'_>) -> String {
    let algorithm = &certificate.signature_algorithm.algorithm;
    match oid2sn(algorithm, oid_registry()) {
        Ok(short) => short.to_owned(),
        Err(_) => algorithm.to_id_string(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_into_the_words_people_use() {
        let mut parameters =
            rcgen::CertificateParams::new(["db1.example".to_owned(), "127.0.0.1".to_owned()])
                .expect("names");
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "Acme, Inc");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "db1\nforged line");
        parameters.not_after = rcgen::date_time_ymd(2030, 2, 3);
        let key = rcgen::KeyPair::generate().expect("a key");
        let signed = parameters.self_signed(&key).expect("a certificate");
        let certificate = read(signed.der()).expect("readable");
        assert_eq!(certificate.subject, "CN=db1\\0Aforged line,O=Acme\\, Inc");
        assert_eq!(certificate.issuer, certificate.subject);
        assert_eq!(certificate.names, ["db1.example", "127.0.0.1"]);
        assert_eq!(date(certificate.not_after), "2030-02-03 00:00:00 UTC");
        assert_eq!(certificate.key, "EC 256");
        assert_eq!(certificate.signature_algorithm, "ecdsa-with-SHA256");
        assert_eq!(certificate.fingerprint.len(), 64);
        assert_eq!(read(b"no certificate"), None);
    }
}
