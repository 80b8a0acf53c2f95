//! PEM files: blocks with their lines, and what else people put in their place.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use thiserror::Error;

/// Largest PEM file that is read; the bundle of all public CAs has 0.25 MiB.
pub(super) const MAX_FILE_BYTES: u64 = 16 << 20;

/// Why a file holds no usable certificates.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PemError {
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// One certificate in binary form.
    #[error(
        "the file is a DER certificate, PEM is needed: openssl x509 -inform DER -in FILE -out FILE.pem"
    )]
    Der,
    /// A binary container.
    #[error(
        "the file is binary (PKCS#7 or PKCS#12), PEM is needed: openssl pkcs12 -in FILE -nokeys -out FILE.pem, \
         or openssl pkcs7 -inform DER -print_certs -in FILE -out FILE.pem"
    )]
    Container,
    /// A Java key store.
    #[error(
        "the file is a Java key store, PEM is needed: keytool -exportcert -rfc -keystore FILE -alias ALIAS"
    )]
    JavaKeyStore,
    /// UTF-16, as some editors on Windows save.
    #[error("the file is UTF-16 text, save it as UTF-8 or ASCII")]
    Utf16,
    /// A PEM container of another kind.
    #[error(
        "line {0} begins a PKCS#7 block, certificates are needed: openssl pkcs7 -print_certs -in FILE -out FILE.pem"
    )]
    Pkcs7(usize),
    /// OpenSSL's own extension of a certificate.
    #[error(
        "line {0} begins a TRUSTED CERTIFICATE, a plain one is needed: openssl x509 -in FILE -out FILE.pem"
    )]
    Trusted(usize),
    /// Text without any certificate.
    #[error("the file holds no certificate (no line -----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// A block without its end.
    #[error("certificate {number} (line {line}) has no line -----END CERTIFICATE-----")]
    Unfinished {
        /// Which certificate of the file, from 1.
        number: usize,
        /// The line of its BEGIN.
        line: usize,
    },
    /// A block whose content is not base64 or not X.509.
    #[error("certificate {number} (line {line}) is damaged: {what}")]
    Damaged {
        /// Which certificate of the file, from 1.
        number: usize,
        /// The line of its BEGIN.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Text without any revocation list.
    #[error("the file holds no revocation list (no line -----BEGIN X509 CRL-----)")]
    NoList,
    /// A revocation list that is damaged, or of a kind that cannot be used.
    #[error("revocation list {number} (line {line}) cannot be used: {what}")]
    DamagedList {
        /// Which list of the file, from 1.
        number: usize,
        /// The line of its BEGIN.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Reads a whole file, up to the limit; the error is in words.
pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, String> {
    // Opening a named pipe would wait for its writer, so the kind is asked before.
    let metadata = fs::metadata(file).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a directory" } else { "not a regular file" };
        return Err(format!("it is {kind}"));
    }
    let mut content = Vec::new();
    File::open(file)
        .and_then(|open| open.take(MAX_FILE_BYTES + 1).read_to_end(&mut content))
        .map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("it is larger than {MAX_FILE_BYTES} bytes"));
    }
    Ok(content)
}

/// One block of a file, still unjudged.
#[derive(Debug)]
pub(super) struct Block {
    /// Which certificate of the file, from 1.
    pub(super) number: usize,
    /// The line of its BEGIN.
    pub(super) line: usize,
    pub(super) der: Vec<u8>,
}

/// All certificates of a PEM file; blocks of other kinds (keys, parameters) are stepped over.
///
/// # Errors
/// See [`PemError`]: a file without certificates is an error, so is one damaged block.
pub(super) fn certificates(content: &[u8]) -> Result<Vec<Block>, PemError> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    stranger(content)?;
    let text = String::from_utf8_lossy(content);
    let mut lines = text.lines().map(str::trim).zip(1..);
    let mut blocks = Vec::new();
    while let Some((marker, line)) = lines.next() {
        match marker {
            "-----BEGIN PKCS7-----" => return Err(PemError::Pkcs7(line)),
            "-----BEGIN TRUSTED CERTIFICATE-----" => return Err(PemError::Trusted(line)),
            "-----BEGIN CERTIFICATE-----" | "-----BEGIN X509 CERTIFICATE-----" => {
                let number = blocks.len() + 1;
                let body = body(&mut lines).ok_or(PemError::Unfinished { number, line })?;
                let der = decode(&body).ok_or(PemError::Damaged {
                    number,
                    line,
                    what: "its text is not base64",
                })?;
                blocks.push(Block { number, line, der });
            }
            _ => {}
        }
    }
    if blocks.is_empty() { Err(PemError::NoCertificate) } else { Ok(blocks) }
}

/// The certificates of a PEM text in DER, in the order in which they stand.
///
/// # Errors
/// See [`PemError`].
pub fn chain(content: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    Ok(certificates(content)?.into_iter().map(|block| block.der).collect())
}

/// All revocation lists of a PEM file; blocks of other kinds are stepped over.
///
/// # Errors
/// See [`PemError`].
pub(super) fn revocation_lists(content: &[u8]) -> Result<Vec<Block>, PemError> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    stranger(content)?;
    let text = String::from_utf8_lossy(content);
    let mut lines = text.lines().map(str::trim).zip(1..);
    let mut blocks = Vec::new();
    while let Some((marker, line)) = lines.next() {
        if marker == "-----BEGIN X509 CRL-----" {
            let number = blocks.len() + 1;
            let what = "it has no line -----END X509 CRL-----, or its text is not base64";
            let damaged = PemError::DamagedList { number, line, what };
            let der = body(&mut lines).and_then(|body| decode(&body)).ok_or(damaged)?;
            blocks.push(Block { number, line, der });
        }
    }
    if blocks.is_empty() { Err(PemError::NoList) } else { Ok(blocks) }
}

/// Recognises the files that are met in place of PEM.
fn stranger(content: &[u8]) -> Result<(), PemError> {
    match content {
        [] => Err(PemError::Empty),
        [0xfe, 0xed, 0xfe, 0xed, ..] => Err(PemError::JavaKeyStore),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(PemError::Utf16),
        [0x30, 0x80..=0x84, ..] if super::certificate::read(content).is_some() => {
            Err(PemError::Der)
        }
        [0x30, 0x80..=0x84, ..] => Err(PemError::Container),
        _ if content.trim_ascii().is_empty() => Err(PemError::Empty),
        _ => Ok(()),
    }
}

/// The lines up to the END marker; `None` when there is none before the next BEGIN.
fn body<'a>(lines: &mut impl Iterator<Item = (&'a str, usize)>) -> Option<String> {
    let mut body = String::new();
    for (line, _) in lines {
        match line {
            "-----END CERTIFICATE-----"
            | "-----END X509 CERTIFICATE-----"
            | "-----END X509 CRL-----" => return Some(body),
            _ if line.starts_with("-----") => return None,
            _ => {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    None
}

/// Only the base64 decoding is left to rustls-pemfile: it knows no lines, and answers "nothing"
/// where a file is of another kind.
fn decode(body: &str) -> Option<Vec<u8>> {
    let block = format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n");
    let mut bytes = block.as_bytes();
    let der = rustls_pemfile::certs(&mut bytes).next()?.ok()?;
    (!der.is_empty()).then(|| der.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> (String, Vec<u8>) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("a name");
        let signed = parameters.self_signed(&key).expect("a certificate");
        (signed.pem(), signed.der().to_vec())
    }

    #[test]
    fn certificates_are_found_among_keys_comments_windows_line_ends_and_a_byte_order_mark() {
        let (pem, der) = certificate();
        let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let file = format!("\u{feff}# our CA\n{key}{pem}\n  {pem}").replace('\n', "\r\n");
        let blocks = certificates(file.as_bytes()).expect("two certificates");
        assert_eq!(blocks.len(), 2);
        assert!(blocks.iter().all(|block| block.der == der));
        assert_eq!(blocks.first().map(|block| block.line), Some(8));
    }

    #[test]
    fn what_is_met_in_place_of_pem_is_named() {
        let (pem, der) = certificate();
        let cut = pem.replace("-----END CERTIFICATE-----", "");
        let bad = pem.replace("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n%%%");
        let cases: [(&[u8], PemError); 11] = [
            (b"", PemError::Empty),
            (b" \n\t\n", PemError::Empty),
            (&der, PemError::Der),
            (&[0x30, 0x82, 1, 2, 3], PemError::Container),
            (&[0xfe, 0xed, 0xfe, 0xed, 0], PemError::JavaKeyStore),
            (b"\xff\xfe-\0-\0", PemError::Utf16),
            (b"-----BEGIN PKCS7-----\n", PemError::Pkcs7(1)),
            (b"\n-----BEGIN TRUSTED CERTIFICATE-----\n", PemError::Trusted(2)),
            (b"hello\n", PemError::NoCertificate),
            (cut.as_bytes(), PemError::Unfinished { number: 1, line: 1 }),
            (
                bad.as_bytes(),
                PemError::Damaged { number: 1, line: 1, what: "its text is not base64" },
            ),
        ];
        for (content, expected) in cases {
            assert_eq!(certificates(content).expect_err("refused"), expected);
        }
    }
}
