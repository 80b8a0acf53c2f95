//! The table of the options that a connection string may have: those of MongoDB's URI-options
//! specification that mean something to a monitoring agent, and older spellings.

/// One option.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct UriOption {
    /// As the specification writes it; capitals mean nothing.
    pub(in crate::config) name: &'static str,
    /// What it is about: two names of one thing have one.
    pub(super) subject: Subject,
    /// How its value is read.
    pub(super) reads: Reads,
    /// One clause.
    pub(in crate::config) meaning: &'static str,
}

/// What an option is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Tls,
    TrustedFile,
    CrlFile,
    /// A file with certificate and key.
    CertificateKeyFile,
    CertificateFile,
    PrivateKeyFile,
    KeyPassword,
    Insecure,
    AllowInvalidCertificates,
    AllowInvalidHostnames,
    DisableOcsp,
    DisableRevocation,
    AuthSource,
    AuthMechanism,
    DirectConnection,
    ConnectTimeout,
    SocketTimeout,
    ReplicaSet,
    Compressors,
    AppName,
}

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    Flag,
    /// A flag that says the contrary of its subject.
    Contrary,
    /// The names of Python's ssl module: whether certificates may be invalid.
    CertificateRequirement,
    Path,
    Secret,
    Source,
    Mechanism,
    Milliseconds,
    /// Nothing is done with it, and the meaning says so.
    Nothing,
}

const fn row(
    name: &'static str,
    subject: Subject,
    reads: Reads,
    meaning: &'static str,
) -> UriOption {
    UriOption { name, subject, reads, meaning }
}

pub(in crate::config) const ROWS: &[UriOption] = &[
    row(
        "tls",
        Subject::Tls,
        Reads::Flag,
        "as ssl; true when another tls option stands there and neither says otherwise",
    ),
    row("ssl", Subject::Tls, Reads::Flag, "another name of tls"),
    row("tlsCAFile", Subject::TrustedFile, Reads::Path, "as sslTrustedServerCertificates"),
    row("tlsCRLFile", Subject::CrlFile, Reads::Path, "as sslTrustedServerCrls"),
    row(
        "tlsCertificateKeyFile",
        Subject::CertificateKeyFile,
        Reads::Path,
        "as sslClientCertificate",
    ),
    row(
        "tlsCertificateKeyFilePassword",
        Subject::KeyPassword,
        Reads::Secret,
        "as sslClientCertificatePassword",
    ),
    row(
        "tlsCertificateFile",
        Subject::CertificateFile,
        Reads::Path,
        "PEM file of the client certificate, with its key in tlsPrivateKeyFile",
    ),
    row("tlsPrivateKeyFile", Subject::PrivateKeyFile, Reads::Path, "PEM file of that key"),
    row(
        "tlsInsecure",
        Subject::Insecure,
        Reads::Flag,
        "tlsAllowInvalidCertificates and tlsAllowInvalidHostnames in one, without them beside it",
    ),
    row(
        "tlsAllowInvalidCertificates",
        Subject::AllowInvalidCertificates,
        Reads::Flag,
        "the contrary of sslRequireValidServerCertificates",
    ),
    row(
        "tlsAllowInvalidHostnames",
        Subject::AllowInvalidHostnames,
        Reads::Flag,
        "as sslAllowInvalidHostnames",
    ),
    row(
        "tlsDisableCertificateRevocationCheck",
        Subject::DisableRevocation,
        Reads::Flag,
        "true: no revocation list for these hosts, not the one above the sections either",
    ),
    row(
        "tlsDisableOCSPEndpointCheck",
        Subject::DisableOcsp,
        Reads::Flag,
        "true says what is so anyway: the agent asks no OCSP responder",
    ),
    row(
        "authSource",
        Subject::AuthSource,
        Reads::Source,
        "as the key; before the database of the URI, which is before admin",
    ),
    row("authMechanism", Subject::AuthMechanism, Reads::Mechanism, "as the key"),
    row(
        "connectTimeoutMS",
        Subject::ConnectTimeout,
        Reads::Milliseconds,
        "as dialTimeoutSeconds, for these hosts, 1 to 600000",
    ),
    row(
        "socketTimeoutMS",
        Subject::SocketTimeout,
        Reads::Milliseconds,
        "as commandTimeoutSecs, for these hosts, 1 to 600000",
    ),
    row(
        "directConnection",
        Subject::DirectConnection,
        Reads::Flag,
        "true, for one host alone, says what is so anyway: no other members are looked for",
    ),
    row(
        "replicaSet",
        Subject::ReplicaSet,
        Reads::Nothing,
        "without effect: the hosts of the URI are watched, other members are not looked for, and \
         the name is not compared",
    ),
    row(
        "compressors",
        Subject::Compressors,
        Reads::Nothing,
        "without effect: the agent does not negotiate compression",
    ),
    row(
        "appName",
        Subject::AppName,
        Reads::Nothing,
        "without effect: the agent does not tell servers a name",
    ),
    row("ssl_ca_certs", Subject::TrustedFile, Reads::Path, "older name of tlsCAFile"),
    row("ssl_crlfile", Subject::CrlFile, Reads::Path, "older name of tlsCRLFile"),
    row(
        "ssl_certfile",
        Subject::CertificateFile,
        Reads::Path,
        "older name of tlsCertificateFile; without ssl_keyfile it holds the key too",
    ),
    row("ssl_keyfile", Subject::PrivateKeyFile, Reads::Path, "older name of tlsPrivateKeyFile"),
    row(
        "ssl_pem_passphrase",
        Subject::KeyPassword,
        Reads::Secret,
        "older name of tlsCertificateKeyFilePassword",
    ),
    row(
        "ssl_cert_reqs",
        Subject::AllowInvalidCertificates,
        Reads::CertificateRequirement,
        "CERT_NONE: tlsAllowInvalidCertificates=true; CERT_OPTIONAL, CERT_REQUIRED: false",
    ),
    row(
        "ssl_match_hostname",
        Subject::AllowInvalidHostnames,
        Reads::Contrary,
        "the contrary of tlsAllowInvalidHostnames",
    ),
    row(
        "sslverifycertificate",
        Subject::AllowInvalidCertificates,
        Reads::Contrary,
        "the contrary of tlsAllowInvalidCertificates",
    ),
];

/// Options that the specification gives to drivers: they are about pools, writes and elections, of
/// which the agent has none.
pub(super) const OF_DRIVERS: &[&str] = &[
    "authMechanismProperties",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxConnecting",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "proxyHost",
    "proxyPassword",
    "proxyPort",
    "proxyUsername",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "retryReads",
    "retryWrites",
    "serverMonitoringMode",
    "serverSelectionTimeoutMS",
    "serverSelectionTryOnce",
    "timeoutMS",
    "uuidRepresentation",
    "w",
    "waitQueueTimeoutMS",
    "wTimeoutMS",
    "zlibCompressionLevel",
];

/// Pairs that must not stand in one URI, whatever their values (URI-options specification,
/// "Conflicting TLS options"; the last two are ours, for two places of one certificate).
pub(super) const CONFLICTS: &[(Subject, Subject)] = &[
    (Subject::Insecure, Subject::AllowInvalidCertificates),
    (Subject::Insecure, Subject::AllowInvalidHostnames),
    (Subject::Insecure, Subject::DisableOcsp),
    (Subject::Insecure, Subject::DisableRevocation),
    (Subject::AllowInvalidCertificates, Subject::DisableOcsp),
    (Subject::AllowInvalidCertificates, Subject::DisableRevocation),
    (Subject::DisableOcsp, Subject::DisableRevocation),
    (Subject::CertificateKeyFile, Subject::CertificateFile),
    (Subject::CertificateKeyFile, Subject::PrivateKeyFile),
];

impl Subject {
    /// Whether it is about TLS alone.
    pub(super) fn about_tls(self) -> bool {
        self <= Self::DisableRevocation
    }
}

/// The row of an option in whatever capitals.
pub(super) fn find(name: &str) -> Option<&'static UriOption> {
    ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_is_unique_even_without_capitals() {
        let mut seen = HashSet::new();
        for name in ROWS.iter().map(|row| row.name).chain(OF_DRIVERS.iter().copied()) {
            assert!(seen.insert(name.to_lowercase()), "{name} stands twice");
        }
    }

    #[test]
    fn the_subjects_about_tls_are_those_whose_options_say_so() {
        for row in ROWS {
            let named = row.name.starts_with("tls") || row.name.starts_with("ssl");
            assert_eq!(row.subject.about_tls(), named, "{}", row.name);
        }
    }

    #[test]
    fn the_shipped_file_names_every_option() {
        let shipped = include_str!("../../../monitoring-agent.config");
        let words: HashSet<&str> = shipped
            .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
            .collect();
        for row in ROWS {
            assert!(words.contains(row.name), "{}", row.name);
        }
    }
}
