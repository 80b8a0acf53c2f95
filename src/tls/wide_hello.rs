//! A ClientHello that offers everything, and what comes back: for diagnosis only, and pure.
//!
//! A server that shares no version or cipher with the agent often hangs up without an alert (a
//! real mongod does), which is also what a server without TLS does. Whoever answers this hello
//! speaks TLS, however old, and says which version and cipher it would have chosen. The
//! conversation ends there: nothing is verified, no key is made, no secret is sent.
//!
//! ```text
//! record    = type u8 · version u16 · length u16 · fragment        (RFC 5246, section 6.2)
//! handshake = type u8 · length u24 · body                          (section 7.4)
//! hello     = version u16 · random [32] · session id · ciphers · compressions · extensions
//! ```

use std::{fmt, net::IpAddr};

use crate::wire::Reader;

/// Bytes of an answer that are looked at; all that is wanted of it stands in its first hundred.
pub const MAX_ANSWER_BYTES: usize = 4 << 10;

/// Some load balancers hang at hellos of 256 to 511 bytes. RFC 7685 pads them: with extensions of
/// this length every hello is longer.
const EXTENSIONS_BYTES: usize = 400;

/// Type, version and length of a record.
const HEADER: usize = 5;

/// Longest fragment of a record: 2^14 bytes, and 2^11 for what a cipher adds.
const MAX_FRAGMENT: usize = (1 << 14) + (1 << 11);

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: u16 = 43;

/// Says that the client knows RFC 5746, which servers may insist on. No cipher.
const RENEGOTIATION_INFO: u16 = 0x00ff;

/// What answers a wide hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WideAnswer {
    /// The server speaks TLS, and would have gone on with these.
    ServerHello {
        /// The version that it chose.
        version: TlsVersion,
        /// The cipher that it chose.
        cipher: CipherSuite,
    },
    /// The server speaks TLS, and refuses even this hello.
    Alert {
        /// 1 is a warning, 2 is fatal.
        level: u8,
        /// By the registry of TLS alerts.
        description: u8,
    },
    /// Bytes that are no TLS, or no whole answer.
    NotTls,
    /// The connection ended without a byte.
    Nothing,
}

/// A version by its number on the wire, displayed as `TLS 1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsVersion(pub u16);

/// A cipher suite by its number on the wire, displayed by its IANA name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherSuite(pub u16);

const TLS_1_2: TlsVersion = TlsVersion(0x0303);
const TLS_1_3: TlsVersion = TlsVersion(0x0304);

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0300 => f.write_str("SSL 3.0"),
            version @ 0x0301..=0x0304 => write!(f, "TLS 1.{}", version - 0x0301),
            other => write!(f, "TLS version {other:#06x}"),
        }
    }
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match CIPHERS.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => write!(f, "TLS_{name}"),
            None => write!(f, "cipher {:#06x}", self.0),
        }
    }
}

impl WideAnswer {
    /// Whether the agent's own handshake could have gone on with what the server chose: TLS 1.3, or
    /// TLS 1.2 with ECDHE and AEAD.
    pub fn is_acceptable(self) -> bool {
        let Self::ServerHello { version, cipher } = self else { return false };
        let modern = || CIPHERS.iter().take(MODERN).any(|(number, _)| *number == cipher.0);
        version == TLS_1_3 || (version == TLS_1_2 && modern())
    }

    /// What these bytes say; `None` asks for more. Given no more than [`MAX_ANSWER_BYTES`].
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (mut left, mut handshake) = (bytes, Vec::new());
        loop {
            let mut header = Reader::new(left);
            let kind = header.u8("record type").ok()?;
            let [major, _minor] = header.array("record version").ok()?;
            let length = usize::from(u16::from_be_bytes(header.array("record length").ok()?));
            if !matches!(kind, ALERT | HANDSHAKE) || major != 3 || length > MAX_FRAGMENT {
                return Some(Self::NotTls);
            }
            // Of a record that is not whole yet the beginning counts: the certificate often
            // follows in the same one, and is more than is looked at.
            let fragment = left.get(HEADER..).unwrap_or_default();
            let whole = fragment.get(..length);
            match (kind, whole.unwrap_or(fragment)) {
                (ALERT, &[level, description, ..]) if handshake.is_empty() => {
                    return Some(Self::Alert { level, description });
                }
                (HANDSHAKE, part) if length > 0 => handshake.extend_from_slice(part),
                (ALERT, _) if whole.is_none() => {}
                _ => return Some(Self::NotTls),
            }
            if let Some(answer) = server_hello(&handshake) {
                return Some(answer);
            }
            left = fragment.get(whole?.len()..)?;
        }
    }

    /// What these bytes say when no more will come.
    pub fn read_last(bytes: &[u8]) -> Self {
        let incomplete = if bytes.is_empty() { Self::Nothing } else { Self::NotTls };
        Self::read(bytes).unwrap_or(incomplete)
    }
}

/// A handshake message that must be a ServerHello; `None` while it is not whole.
fn server_hello(handshake: &[u8]) -> Option<WideAnswer> {
    let mut reader = Reader::new(handshake);
    let [kind, length @ ..] = reader.array::<4>("handshake header").ok()?;
    let [high, middle, low] = length;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if kind != SERVER_HELLO || length > MAX_ANSWER_BYTES {
        return Some(WideAnswer::NotTls);
    }
    let body = reader.bytes(length, "ServerHello").ok()?;
    Some(chosen(&mut Reader::new(body)).unwrap_or(WideAnswer::NotTls))
}

/// What a ServerHello chose; `None` when its parts do not fit.
fn chosen(body: &mut Reader<'_>) -> Option<WideAnswer> {
    let legacy = u16::from_be_bytes(body.array("version").ok()?);
    body.skip(32, "random").ok()?;
    let session = body.u8("session id").ok()?;
    body.skip(session.into(), "session id").ok()?;
    let cipher = u16::from_be_bytes(body.array("cipher").ok()?);
    body.skip(1, "compression").ok()?;
    let version = selected_version(body).unwrap_or(legacy);
    Some(WideAnswer::ServerHello { version: TlsVersion(version), cipher: CipherSuite(cipher) })
}

/// From TLS 1.3 on the version stands in an extension. `None` where there is none.
fn selected_version(body: &mut Reader<'_>) -> Option<u16> {
    body.skip(2, "length of extensions").ok()?;
    loop {
        let kind = u16::from_be_bytes(body.array("extension type").ok()?);
        let length = u16::from_be_bytes(body.array("extension length").ok()?);
        let content = body.bytes(length.into(), "extension").ok()?;
        if let (SUPPORTED_VERSIONS, &[high, low]) = (kind, content) {
            return Some(u16::from_be_bytes([high, low]));
        }
    }
}

/// The whole record. `host` is a DNS name, which the server is told, or an IP address, which it is
/// not; `random` makes the hello fresh.
pub fn wide_hello(host: &str, random: [u8; 32]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(TLS_1_2.0.to_be_bytes());
    body.extend(random);
    body.push(0);
    let ciphers = CIPHERS.iter().map(|(number, _)| *number).chain([RENEGOTIATION_INFO]);
    body.extend(list_16(ciphers));
    body.extend([1, 0]);
    body.extend(long(&extensions(host)));
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let [_, length @ ..] = length;
    let handshake = [&[CLIENT_HELLO], length.as_slice(), &body].concat();
    // Servers that know nothing later than TLS 1.0 look at the record's version.
    [&[HANDSHAKE, 3, 1], long(&handshake).as_slice()].concat()
}

fn extensions(host: &str) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut add = |kind: u16, content: &[u8]| {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(long(content));
    };
    let name = host.trim_end_matches('.');
    if host.parse::<IpAddr>().is_err() && name.is_ascii() {
        add(0, &long(&[&[0], long(name.as_bytes()).as_slice()].concat()));
    }
    add(10, &list_16(GROUPS.iter().copied()));
    // All forms of curve points: uncompressed, and both compressed ones.
    add(11, &[3, 0, 1, 2]);
    add(13, &list_16(SIGNATURES.iter().copied()));
    let versions: Vec<u8> = (0x0301..=TLS_1_3.0).rev().flat_map(u16::to_be_bytes).collect();
    add(SUPPORTED_VERSIONS, &[&[8], versions.as_slice()].concat());
    // No share of a key: a server of TLS 1.3 asks for one by a ServerHello, which is all we want.
    add(51, &[0, 0]);
    let missing = EXTENSIONS_BYTES.saturating_sub(extensions.len() + 4);
    extensions.extend(21_u16.to_be_bytes());
    extensions.extend(long(&vec![0; missing]));
    extensions
}

/// Bytes behind their length in two bytes; nothing that is built here is longer.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [length.to_be_bytes().as_slice(), bytes].concat()
}

/// Numbers of two bytes each, behind their length.
fn list_16(numbers: impl Iterator<Item = u16>) -> Vec<u8> {
    long(&numbers.flat_map(u16::to_be_bytes).collect::<Vec<_>>())
}

/// The curves and fields that any server may want, those of today first.
const GROUPS: &[u16] = &[
    29, 23, 24, 25, 30, // X25519, P-256, P-384, P-521, X448
    22, 26, 27, 28, 19, 21, // secp256k1, Brainpool 256 to 512, P-192, P-224
    256, 257, 258, 259, 260, // ffdhe2048 to ffdhe8192
];

/// The signature algorithms that any server's key may need.
const SIGNATURES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, // ECDSA, Ed25519, Ed448
    0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, // RSA-PSS
    0x0401, 0x0501, 0x0601, 0x0301, 0x0303, // RSA PKCS#1, SHA-224
    0x0201, 0x0203, 0x0101, // SHA-1, MD5
    0x0402, 0x0302, 0x0202, // DSA
];

/// How many of the ciphers the agent itself speaks: the first ones.
const MODERN: usize = 9;

/// The ciphers on offer, best first, with their names in IANA's registry of TLS cipher suites
/// without `TLS_`.
const CIPHERS: &[(u16, &str)] = &[
    (0x1302, "AES_256_GCM_SHA384"),
    (0x1301, "AES_128_GCM_SHA256"),
    (0x1303, "CHACHA20_POLY1305_SHA256"),
    (0xc02c, "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02b, "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xcca9, "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xc030, "ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc02f, "ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xcca8, "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xc024, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc00a, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc009, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc013, "ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc0ad, "ECDHE_ECDSA_WITH_AES_256_CCM"),
    (0xc0ac, "ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0xc061, "ECDHE_RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc060, "ECDHE_RSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc077, "ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc076, "ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    (0x009f, "DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009e, "DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xccaa, "DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xc09f, "DHE_RSA_WITH_AES_256_CCM"),
    (0xc09e, "DHE_RSA_WITH_AES_128_CCM"),
    (0xc053, "DHE_RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc052, "DHE_RSA_WITH_ARIA_128_GCM_SHA256"),
    (0x006b, "DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0067, "DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0039, "DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0033, "DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0088, "DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0045, "DHE_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x00a3, "DHE_DSS_WITH_AES_256_GCM_SHA384"),
    (0x00a2, "DHE_DSS_WITH_AES_128_GCM_SHA256"),
    (0x0038, "DHE_DSS_WITH_AES_256_CBC_SHA"),
    (0x0032, "DHE_DSS_WITH_AES_128_CBC_SHA"),
    (0xc02e, "ECDH_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02d, "ECDH_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc032, "ECDH_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc031, "ECDH_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc005, "ECDH_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc004, "ECDH_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00f, "ECDH_RSA_WITH_AES_256_CBC_SHA"),
    (0xc00e, "ECDH_RSA_WITH_AES_128_CBC_SHA"),
    (0x009d, "RSA_WITH_AES_256_GCM_SHA384"),
    (0x009c, "RSA_WITH_AES_128_GCM_SHA256"),
    (0xc09d, "RSA_WITH_AES_256_CCM"),
    (0xc09c, "RSA_WITH_AES_128_CCM"),
    (0xc051, "RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc050, "RSA_WITH_ARIA_128_GCM_SHA256"),
    (0x003d, "RSA_WITH_AES_256_CBC_SHA256"),
    (0x003c, "RSA_WITH_AES_128_CBC_SHA256"),
    (0x0035, "RSA_WITH_AES_256_CBC_SHA"),
    (0x002f, "RSA_WITH_AES_128_CBC_SHA"),
    (0x0084, "RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0041, "RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0096, "RSA_WITH_SEED_CBC_SHA"),
    (0xc008, "ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc012, "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0016, "DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0013, "DHE_DSS_WITH_3DES_EDE_CBC_SHA"),
    (0x000a, "RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc007, "ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xc011, "ECDHE_RSA_WITH_RC4_128_SHA"),
    (0x0005, "RSA_WITH_RC4_128_SHA"),
    (0x0004, "RSA_WITH_RC4_128_MD5"),
    (0x0009, "RSA_WITH_DES_CBC_SHA"),
    (0xc019, "ECDH_anon_WITH_AES_256_CBC_SHA"),
    (0xc018, "ECDH_anon_WITH_AES_128_CBC_SHA"),
    (0x00a7, "DH_anon_WITH_AES_256_GCM_SHA384"),
    (0x00a6, "DH_anon_WITH_AES_128_GCM_SHA256"),
    (0x003a, "DH_anon_WITH_AES_256_CBC_SHA"),
    (0x0034, "DH_anon_WITH_AES_128_CBC_SHA"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// A ServerHello of TLS 1.2 as a record: a session id of two bytes, no extensions.
    fn answer(version: u16, cipher: u16, extensions: &[u8]) -> Vec<u8> {
        let [version, cipher] = [version, cipher].map(u16::to_be_bytes);
        let body = [&version, [7; 32].as_slice(), &[2, 1, 1], &cipher, &[0], extensions].concat();
        let length = u8::try_from(body.len()).expect("short");
        let handshake = [&[SERVER_HELLO, 0, 0, length], body.as_slice()].concat();
        record(HANDSHAKE, &handshake)
    }

    fn record(kind: u8, fragment: &[u8]) -> Vec<u8> {
        [&[kind, 3, 3], long(fragment).as_slice()].concat()
    }

    fn words(answer: Option<WideAnswer>) -> String {
        match answer {
            Some(WideAnswer::ServerHello { version, cipher }) => format!("{version} {cipher}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_a_server_chose_is_told_by_name_and_judged() {
        let in_extension = [0, 10, 0, 51, 0, 0, 0, 43, 0, 2, 3, 4];
        let cases: [(u16, u16, &[u8], &str, bool); 6] = [
            (0x0303, 0x009d, &[], "TLS 1.2 TLS_RSA_WITH_AES_256_GCM_SHA384", false),
            (0x0302, 0xc014, &[], "TLS 1.1 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", false),
            (0x0303, 0xc02f, &[], "TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", true),
            (0x0303, 0x1301, &in_extension, "TLS 1.3 TLS_AES_128_GCM_SHA256", true),
            (0x0300, 0x000a, &[], "SSL 3.0 TLS_RSA_WITH_3DES_EDE_CBC_SHA", false),
            (0x0305, 0xabcd, &[], "TLS version 0x0305 cipher 0xabcd", false),
        ];
        for (version, cipher, extensions, expected, acceptable) in cases {
            let answer = WideAnswer::read(&answer(version, cipher, extensions));
            assert_eq!(words(answer), expected);
            assert_eq!(answer.map(WideAnswer::is_acceptable), Some(acceptable), "{expected}");
        }
    }

    #[test]
    fn an_answer_in_pieces_is_waited_for_and_a_cut_one_proves_nothing() {
        let whole = answer(0x0303, 0x009d, &[]);
        for length in 0..whole.len() {
            let part = whole.get(..length).expect("within");
            assert_eq!(WideAnswer::read(part), None, "{length} bytes");
        }
        assert_eq!(WideAnswer::read_last(&[]), WideAnswer::Nothing);
        assert_eq!(WideAnswer::read_last(&whole[..20]), WideAnswer::NotTls);
        // A record that goes on with a long certificate tells as much.
        let mut longer = whole.clone();
        longer[3..5].copy_from_slice(&[0x3f, 0xff]);
        assert_eq!(WideAnswer::read(&longer), WideAnswer::read(&whole));
        // The same message in two records, as a server may cut it.
        let (first, second) = whole[5..].split_at(10);
        let records = [record(HANDSHAKE, first), record(HANDSHAKE, second)].concat();
        assert_eq!(WideAnswer::read(&records), WideAnswer::read(&whole));
    }

    #[test]
    fn alerts_and_everything_that_is_not_tls_are_told_apart() {
        let alert = WideAnswer::Alert { level: 2, description: 70 };
        assert_eq!(WideAnswer::read(&record(ALERT, &[2, 70])), Some(alert));
        let cases: [&[u8]; 8] = [
            &[0x16, 3, 3, 0xff, 0xff],
            b"HTTP/1.0 200 OK",
            &[0x16, 2, 0, 0, 1, 2],
            &[0x17, 3, 3, 0, 1, 2],
            &record(HANDSHAKE, &[1, 0, 0, 1, 0]),
            &record(HANDSHAKE, &[SERVER_HELLO, 0xff, 0, 0]),
            &record(HANDSHAKE, &[SERVER_HELLO, 0, 0, 1, 3]),
            &record(HANDSHAKE, &[]),
        ];
        for bytes in cases {
            assert_eq!(WideAnswer::read(bytes), Some(WideAnswer::NotTls), "{bytes:02x?}");
            assert!(!WideAnswer::NotTls.is_acceptable());
        }
    }

    /// The parts of our own hello, read back.
    fn read_back(hello: &[u8]) -> (Vec<u16>, Vec<(u16, Vec<u8>)>) {
        let mut reader = Reader::new(hello);
        assert_eq!(reader.bytes(3, "record").expect("there"), [HANDSHAKE, 3, 1]);
        let mut take = |count| u16::from_be_bytes(reader.array(count).expect("there"));
        let length = usize::from(take("length"));
        assert_eq!(length, hello.len() - 5);
        reader.skip(4 + 2 + 32, "fixed parts").expect("there");
        assert_eq!(reader.u8("session id").expect("there"), 0);
        let numbers = |bytes: &[u8]| -> Vec<u16> {
            bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
        };
        let length = u16::from_be_bytes(reader.array("ciphers").expect("there"));
        let ciphers = numbers(reader.bytes(length.into(), "ciphers").expect("there"));
        assert_eq!(reader.bytes(2, "compressions").expect("there"), [1, 0]);
        let length = u16::from_be_bytes(reader.array("extensions").expect("there"));
        let mut extensions = Vec::new();
        let mut left = Reader::new(reader.bytes(length.into(), "extensions").expect("there"));
        reader.finish("hello").expect("the lengths fit");
        while !left.is_empty() {
            let kind = u16::from_be_bytes(left.array("type").expect("there"));
            let length = u16::from_be_bytes(left.array("length").expect("there"));
            let content = left.bytes(length.into(), "content").expect("there");
            extensions.push((kind, content.to_vec()));
        }
        (ciphers, extensions)
    }

    #[test]
    fn the_hello_offers_every_cipher_once_and_all_versions_without_a_share_of_a_key() {
        let (ciphers, extensions) = read_back(&wide_hello("db1.example.net.", [9; 32]));
        assert_eq!(ciphers.len(), CIPHERS.len() + 1);
        assert_eq!(ciphers.iter().collect::<HashSet<_>>().len(), ciphers.len());
        for wanted in [0x002f, 0x009d, 0x000a, 0xc02f, 0x1301] {
            assert!(ciphers.contains(&wanted), "{wanted:#06x}");
        }
        let of = |kind| extensions.iter().find(|(found, _)| *found == kind).map(|(_, it)| &**it);
        let versions: &[u8] = &[8, 3, 4, 3, 3, 3, 2, 3, 1];
        assert_eq!(of(SUPPORTED_VERSIONS), Some(versions));
        assert_eq!(of(51), Some([0, 0].as_slice()));
        let name = [b"\0\x12\0\0\x0f".as_slice(), b"db1.example.net"].concat();
        assert_eq!(of(0), Some(name.as_slice()));
    }

    #[test]
    fn an_address_is_no_server_name_and_no_hello_has_the_length_that_hangs() {
        for host in ["10.0.0.1", "::1", "a", "my_host", &"long-name.".repeat(25)] {
            let hello = wide_hello(host, [0; 32]);
            let (_, extensions) = read_back(&hello);
            let named = extensions.iter().any(|(kind, _)| *kind == 0);
            assert_eq!(named, host.parse::<IpAddr>().is_err(), "{host}");
            assert!(hello.len() > 512 + 5, "{host}: {} bytes", hello.len());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = WideAnswer::read_last(&bytes);
        }

        #[test]
        fn an_answer_never_changes_with_more_bytes(
            flip in 0_usize..60, value in any::<u8>(), more in proptest::collection::vec(any::<u8>(), 0..20)
        ) {
            let mut bytes = answer(0x0303, 0x002f, &[]);
            if let Some(byte) = bytes.get_mut(flip) {
                *byte = value;
            }
            if let Some(first) = WideAnswer::read(&bytes) {
                prop_assert_eq!(WideAnswer::read(&[bytes, more].concat()), Some(first));
            }
        }
    }
}
