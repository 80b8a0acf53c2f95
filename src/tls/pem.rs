//! PEM files: blocks with their lines, and what else people put in their place.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;
use zeroize::Zeroizing;

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
    let content = without_byte_order_mark(content);
    stranger(content)?;
    let mut blocks = Vec::new();
    for section in sections(content) {
        let line = section.line;
        match section.label {
            b"PKCS7" => return Err(PemError::Pkcs7(line)),
            b"TRUSTED CERTIFICATE" => return Err(PemError::Trusted(line)),
            b"CERTIFICATE" | b"X509 CERTIFICATE" => {
                let number = blocks.len() + 1;
                if !section.finished {
                    return Err(PemError::Unfinished { number, line });
                }
                let what = "its text is not base64";
                let der = decode(section.text).ok_or(PemError::Damaged { number, line, what })?;
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
    let content = without_byte_order_mark(content);
    stranger(content)?;
    let mut blocks = Vec::new();
    for section in sections(content).filter(|section| section.label == b"X509 CRL") {
        let (number, line) = (blocks.len() + 1, section.line);
        let what = "it has no line -----END X509 CRL-----, or its text is not base64";
        let damaged = PemError::DamagedList { number, line, what };
        let der = decode(section.text).filter(|_| section.finished).ok_or(damaged)?;
        blocks.push(Block { number, line, der });
    }
    if blocks.is_empty() { Err(PemError::NoList) } else { Ok(blocks) }
}

/// Editors on Windows begin a file with it.
pub(super) fn without_byte_order_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)
}

/// What stands between a BEGIN line and its end. Nothing is copied: it may be a key.
pub(super) struct Section<'a> {
    /// Which section of the file, from 1.
    pub(super) number: usize,
    /// The line of its BEGIN, from 1.
    pub(super) line: usize,
    /// What begins, for example `CERTIFICATE`.
    pub(super) label: &'a [u8],
    /// The lines in between: headers, if there are any, and base64.
    pub(super) text: &'a [u8],
    /// Whether an END of the same label follows.
    pub(super) finished: bool,
}

/// All sections of a PEM file, of every kind; text outside of them is stepped over.
pub(super) fn sections(content: &[u8]) -> Sections<'_> {
    Sections { rest: content, line: 0, number: 0 }
}

/// See [`sections`].
pub(super) struct Sections<'a> {
    rest: &'a [u8],
    line: usize,
    number: usize,
}

impl<'a> Sections<'a> {
    /// The next line without the blanks around it, and what follows it.
    fn peek(&self) -> Option<(&'a [u8], &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end.and_then(|end| self.rest.split_at_checked(end + 1)) {
            Some(parts) => parts,
            None => (self.rest, [].as_slice()),
        };
        Some((line.trim_ascii(), rest))
    }

    fn skip_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
        self.line += 1;
    }

    /// The lines up to the next marker, and whether it is the END of this label. A marker that
    /// begins another section is left in place.
    fn body(&mut self, label: &[u8]) -> (&'a [u8], bool) {
        let start = self.rest;
        while let Some((line, rest)) = self.peek() {
            if line.starts_with(b"-----") {
                let text = start.get(..start.len() - self.rest.len()).unwrap_or_default();
                if marked(line, b"-----BEGIN ").is_none() {
                    self.skip_to(rest);
                }
                return (text, marked(line, b"-----END ") == Some(label));
            }
            self.skip_to(rest);
        }
        (start, false)
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, rest) = self.peek()?;
            self.skip_to(rest);
            if let Some(label) = marked(line, b"-----BEGIN ") {
                self.number += 1;
                let (number, line) = (self.number, self.line);
                let (text, finished) = self.body(label);
                return Some(Section { number, line, label, text, finished });
            }
        }
    }
}

/// The label of a marker.
fn marked<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
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

/// Only the base64 decoding is left to rustls-pemfile: it knows no lines, and answers "nothing"
/// where a file is of another kind.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut block = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for line in text.split(|byte| *byte == b'\n') {
        block.extend_from_slice(line.trim_ascii());
        block.push(b'\n');
    }
    block.extend_from_slice(b"-----END CERTIFICATE-----\n");
    let der = rustls_pemfile::certs(&mut block.as_slice()).next()?.ok()?;
    (!der.is_empty()).then(|| der.to_vec())
}

/// The bytes behind the base64 text of a key, with no copy left in memory; rustls-pemfile would leave
/// some.
pub(super) fn decode_secret(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut compact = Zeroizing::new(Vec::with_capacity(text.len()));
    compact.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; base64::decoded_len_estimate(compact.len())]);
    let length = STANDARD.decode_slice(compact.as_slice(), &mut der).ok()?;
    der.truncate(length);
    (length > 0).then_some(der)
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
    fn sections_are_counted_and_know_whether_they_end() {
        let file = b"text\n-----BEGIN A-----\nx\n-----BEGIN B-----\r\ny\nz\n-----END B-----\n-----END C-----\n-----BEGIN D-----\nw";
        let found: Vec<Section<'_>> = sections(file).collect();
        let places: Vec<_> = found.iter().map(|it| (it.number, it.line, it.finished)).collect();
        assert_eq!(places, [(1, 2, false), (2, 4, true), (3, 9, false)]);
        let labels: Vec<_> = found.iter().map(|it| it.label).collect();
        assert_eq!(labels, [b"A", b"B", b"D"]);
        let texts: Vec<_> = found.iter().map(|it| it.text).collect();
        assert_eq!(texts, [b"x\n".as_slice(), b"y\nz\n", b"w"]);
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
