//! What a handshake showed, kept also when it failed.

/// What the last handshake with a host showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Version, cipher and group; `None` when the handshake did not come to an end.
    pub negotiated: Option<Negotiated>,
    /// The verdict on the certificate, also where the policy tolerates it.
    pub verification: Verification,
    /// What the server presented, its own certificate first. Empty when it presented none.
    pub chain: Vec<Certificate>,
    /// The trusted certificate that decided, when the verification found one.
    pub anchor: Option<Certificate>,
    /// Why the certificate is valid; `None` when it is not.
    pub accepted: Option<Acceptance>,
    /// When the first of the revocation lists in use must be renewed, seconds since the Unix
    /// epoch.
    pub crl_next_update: Option<i64>,
}

/// Why a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The rule that accepted it.
    pub rule: Rule,
    /// How its name was judged.
    pub name: NameRule,
}

/// The rule by which a certificate was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It leads to a trusted certificate authority.
    Chain,
    /// It is itself among the trusted certificates.
    ExactMatch,
}

/// How a certificate's name was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// By its subject alternative names.
    AlternativeName,
    /// By its common name, as it has no subject alternative names: deprecated.
    CommonName,
    /// Not at all (sslAllowInvalidHostnames), and it is for other names.
    NotRequired,
}

/// The parameters both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The suite's IANA name, for example `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The key exchange group, for example `X25519`.
    pub group: String,
}

/// The closed set of outcomes of a verification: the label `verification`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verification {
    /// Chain, dates and name are right.
    Valid,
    /// No trusted CA signed it.
    UnknownIssuer,
    /// It is for other names.
    WrongName,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// Its issuer has revoked it.
    Revoked,
    /// No revocation list of its issuer is there, or none that is in force.
    RevocationUnknown,
    /// It is not for servers.
    WrongPurpose,
    /// The server did not prove that it holds the certificate's key.
    KeyNotProven,
    /// It breaks another rule.
    Invalid,
    /// The server presented no certificate that could be judged.
    NotVerified,
}

impl Verification {
    /// The value of the label `verification`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::UnknownIssuer => "unknown_issuer",
            Self::WrongName => "wrong_name",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::WrongPurpose => "wrong_purpose",
            Self::KeyNotProven => "key_not_proven",
            Self::Invalid => "invalid",
            Self::NotVerified => "not_verified",
        }
    }
}

/// The readable parts of one X.509 certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's distinguished name, as RFC 2253 and OpenSSL print it: the name of the user that
    /// MONGODB-X509 logs in.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The names of the subject alternative name extension: DNS names and IP addresses.
    pub names: Vec<String>,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
    /// Kind and size of the key, for example `RSA 2048`.
    pub key: String,
    /// The signature's algorithm, for example `sha256WithRSAEncryption`.
    pub signature_algorithm: String,
    /// SHA-256 of the certificate in hexadecimal.
    pub fingerprint: String,
}
