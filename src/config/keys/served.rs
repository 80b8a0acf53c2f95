//! The keys that are in force in this version, in the order of the shipped file.

use super::{
    super::value::Kind,
    Key,
    Place::{self, Both, Host, Top},
    State,
};

const fn row(name: &'static str, place: Place, meaning: &'static str) -> Key {
    Key::new(name, place, State::Served, meaning)
}

/// The longest poll interval: a day.
const POLL: Kind = Kind::Seconds { least: 1, most: 86_400 };

/// The longest wait for one server: ten minutes hide nothing but a dead server.
const WAIT: Kind = Kind::Seconds { least: 1, most: 600 };

/// Zero gives up what is not delivered; service managers kill after 90 seconds by default.
const GRACE: Kind = Kind::Seconds { least: 0, most: 600 };

pub(super) const ROWS: &[Key] = &[
    row("hosts", Top, "the servers to watch: host or host:port, separated by commas")
        .kind(Kind::Hosts, ""),
    row("pollIntervalSecs", Both, "time between the starts of two polls of a host")
        .kind(POLL, "10"),
    row("commandTimeoutSecs", Top, "how long one command may take").kind(WAIT, "10"),
    row("dialTimeoutSeconds", Top, "how long DNS, TCP, TLS and login together may take")
        .kind(WAIT, "40")
        .also(&["serverSelectionTimeoutSeconds"]),
    row("useSslForAllConnections", Top, "TLS to every host, without exception")
        .kind(Kind::Flag, "false"),
    row(
        "sslTrustedServerCertificates",
        Both,
        "PEM file of the only certificates trusted for hosts; none: the system's trust store",
    )
    .kind(Kind::Path, ""),
    row("sslRequireValidServerCertificates", Both, "refuse hosts whose certificate is not valid")
        .kind(Kind::Flag, "true"),
    row("sslAllowInvalidHostnames", Both, "accept valid certificates for other names")
        .kind(Kind::Flag, "false"),
    row("sslTrustedServerCrls", Both, "PEM file of revocation lists for host certificates")
        .kind(Kind::Path, ""),
    row("sslClientCertificate", Both, "PEM file of the certificate and key shown to hosts")
        .kind(Kind::Path, ""),
    row("sslClientCertificatePassword", Both, "what that key is encrypted with")
        .kind(Kind::Secret, ""),
    row("sslClientCertificatePasswordFile", Both, "a file that holds it").kind(Kind::Path, ""),
    row("globalAuthUsername", Top, "the user on every host that has none of its own"),
    row("globalAuthPassword", Top, "its password").kind(Kind::Secret, ""),
    row("globalAuthPasswordFile", Top, "a file that holds its password").kind(Kind::Path, ""),
    row("prometheusListenAddress", Top, "where /metrics is served: IP:PORT, :PORT or off")
        .kind(Kind::Listen, "127.0.0.1:9216"),
    row("mmsBaseUrl", Top, "the management server that samples are sent to")
        .kind(Kind::BaseUrl, ""),
    row("mmsGroupId", Top, "the project there: part of the URL, and the user of HTTP Basic")
        .kind(Kind::GroupId, ""),
    row("mmsApiKey", Top, "the agent's key there: the password of HTTP Basic")
        .kind(Kind::Secret, ""),
    row("mmsApiKeyFile", Top, "a file that holds the agent's key").kind(Kind::Path, ""),
    row(
        "sslTrustedMMSServerCertificate",
        Top,
        "PEM file of the only certificates trusted for it; none: the system's trust store",
    )
    .kind(Kind::Path, "")
    .also(&["httpsCAFile"]),
    row("sslRequireValidMMSServerCertificates", Top, "refuse it when its certificate is not valid")
        .kind(Kind::Flag, "true")
        .also(&["tlsRequireValidMMSServerCertificates"]),
    row(
        "sslServerClientCertificate",
        Top,
        "PEM file of the certificate and key shown to the management server",
    )
    .kind(Kind::Path, "")
    .also(&["tlsMMSServerClientCertificate"]),
    row("sslServerClientCertificatePassword", Top, "what that key is encrypted with")
        .kind(Kind::Secret, "")
        .also(&["tlsMMSServerClientCertificatePassword"]),
    row("sslServerClientCertificatePasswordFile", Top, "a file that holds it")
        .kind(Kind::Path, "")
        .also(&["tlsMMSServerClientCertificatePasswordFile"]),
    row("stateDirectory", Top, "the folder of what must outlive a restart")
        .kind(Kind::Path, "/var/lib/monitoring-agent"),
    row("stopGraceSecs", Top, "how long deliveries may go on after a stop").kind(GRACE, "10"),
    row("logLevel", Top, "the least severe level that is logged: ERROR, WARN, INFO, DEBUG")
        .kind(Kind::LogLevel, "INFO"),
    row("address", Host, "host or host:port of this server").kind(Kind::Address, ""),
    row("uri", Host, "a connection string in place of address, see below").kind(Kind::Uri, ""),
    row("ssl", Host, "TLS to this host: true, false, or prefer during an upgrade")
        .kind(Kind::Ssl, "false"),
    row("scramWithoutTls", Host, "log in by SCRAM also while ssl = prefer has no TLS")
        .kind(Kind::Flag, "false"),
    row("username", Host, "the user on this host"),
    row("password", Host, "its password").kind(Kind::Secret, ""),
    row("passwordFile", Host, "a file that holds its password").kind(Kind::Path, ""),
    row("authSource", Host, "the database that the user was created on")
        .kind(Kind::Database, "admin"),
    row("authMechanism", Host, "SCRAM-SHA-1, SCRAM-SHA-256 or MONGODB-X509; none: the best SCRAM")
        .kind(Kind::Mechanism, ""),
];
