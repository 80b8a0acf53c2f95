//! What the last TLS handshake showed, and what the server says of TLS and logins.

use crate::{
    metrics::{
        Points,
        row::{
            Measure::{Date, Of, Plain, Seconds},
            Row, Series, Source, counter, gauge, info, status, status_by,
        },
    },
    mongo::TlsMode,
    net::{HandshakeReport, Transport},
    sample::{Collector, Number, Reading, Sample},
    tls::{Certificate, Verification},
};

/// Certificates of a chain that are shown; real chains have two or three.
const MAX_CERTIFICATES: usize = 10;

pub(super) const ROWS: &[Row] = &[
    gauge(
        "tls.enabled",
        Plain,
        "Whether the agent's connection to this host is encrypted: 0 is plaintext.",
        Source::Derived("the connection, or the configuration while there is none", enabled),
    ),
    gauge(
        "tls.observed",
        Plain,
        "Whether the agent's connection to this host is of this kind.",
        Source::Derived("the connection", observed),
    ),
    gauge(
        "tls.server_mode",
        Plain,
        "Whether the server states this mode of TLS, which a rolling upgrade raises step by step.",
        Source::Derived("getParameter tlsMode or sslMode", server_mode),
    ),
    gauge(
        "tls.validation_off",
        Plain,
        "Whether the agent connects to this host whatever its certificate says.",
        Source::Derived("the configuration", validation_off),
    ),
    gauge(
        "tls.certificate.valid",
        Plain,
        "Whether the host's certificate passed the verification, which is run even where its \
         outcome is tolerated.",
        Source::Derived("the TLS handshake", valid),
    ),
    info(
        "tls.connection.info",
        "What was agreed on in the last TLS handshake, and the outcome of the verification.",
        Source::Derived("the TLS handshake", connection),
    ),
    gauge(
        "tls.certificate.not_after.timestamp",
        Seconds,
        "When the certificate expires, since the Unix epoch: the server's own, the earliest of \
         the intermediate ones it sent, the trusted one that decided, and the agent's own.",
        Source::Derived("the TLS handshake", not_after),
    ),
    gauge(
        "tls.crl.next_update.timestamp",
        Seconds,
        "When the first of the revocation lists for this host must be renewed, since the Unix \
         epoch.",
        Source::Derived("the files of revocation lists", crl_next_update),
    ),
    info(
        "tls.certificate.info",
        "The certificates of the host's chain, the trusted one that decided, and the agent's own.",
        Source::Derived("the TLS handshake", certificates),
    ),
    gauge(
        "tls.reported_certificate.not_after.timestamp",
        Date,
        "When the certificate expires that the server itself reports, since the Unix epoch.",
        status(&["security.SSLServerCertificateExpirationDate"]),
    ),
    counter(
        "tls.accepted_connections",
        Of("{connection}"),
        "Connections that the server accepted, by TLS version.",
        status_by(
            "version",
            &["transportSecurity.*"],
            &[
                ("1.0", "1.0"),
                ("1.1", "1.1"),
                ("1.2", "1.2"),
                ("1.3", "1.3"),
                ("unknown", "unknown"),
            ],
        ),
    ),
    counter(
        "logins.attempted",
        Of("{login}"),
        "Logins that were attempted, by mechanism.",
        logins("security.authentication.mechanisms.*.authenticate.received"),
    ),
    counter(
        "logins.succeeded",
        Of("{login}"),
        "Logins that succeeded, by mechanism.",
        logins("security.authentication.mechanisms.*.authenticate.successful"),
    ),
    counter(
        "speculative_logins.attempted",
        Of("{login}"),
        "Logins that were attempted within hello, by mechanism.",
        logins("security.authentication.mechanisms.*.speculativeAuthenticate.received"),
    ),
    counter(
        "speculative_logins.succeeded",
        Of("{login}"),
        "Logins within hello that succeeded, by mechanism.",
        logins("security.authentication.mechanisms.*.speculativeAuthenticate.successful"),
    ),
];

const fn logins(path: &'static str) -> Source {
    Source::Reply(Collector::ServerStatus, Series::Each("mechanism", path))
}

fn enabled(sample: &Sample, points: &mut Points<'_>) {
    let connection = sample.outcome.as_ref().ok();
    let encrypted =
        connection.map_or(sample.host.tls, |reading| reading.transport == Transport::Tls);
    points.closed(&[], Number::Integer(encrypted.into()));
}

fn observed(sample: &Sample, points: &mut Points<'_>) {
    let Ok(reading) = &sample.outcome else { return };
    for transport in Transport::ALL {
        let is = reading.transport == transport;
        points.closed(&[("transport", transport.name().into())], Number::Integer(is.into()));
    }
}

fn server_mode(sample: &Sample, points: &mut Points<'_>) {
    let Some(stated) = sample.outcome.as_ref().ok().and_then(Reading::tls_mode) else { return };
    for mode in TlsMode::ALL {
        points.closed(&[("mode", mode.name().into())], Number::Integer((mode == stated).into()));
    }
}

fn validation_off(sample: &Sample, points: &mut Points<'_>) {
    if sample.host.tls {
        points.closed(&[], Number::Integer((!sample.host.require_valid).into()));
    }
}

fn valid(sample: &Sample, points: &mut Points<'_>) {
    if let Some(report) = &sample.handshake {
        let valid = report.verification == Verification::Valid;
        points.closed(&[], Number::Integer(valid.into()));
    }
}

fn connection(sample: &Sample, points: &mut Points<'_>) {
    let Some(report) = &sample.handshake else { return };
    let negotiated = report.negotiated.as_ref();
    points.info(&[
        ("version", negotiated.map(|agreed| agreed.version)),
        ("cipher", negotiated.map(|agreed| agreed.cipher.as_str())),
        ("group", negotiated.map(|agreed| agreed.group.as_str())),
        ("verification", Some(report.verification.name())),
    ]);
}

fn not_after(sample: &Sample, points: &mut Points<'_>) {
    let Some(report) = &sample.handshake else { return };
    for class in ["server", "intermediate", "ca", "client"] {
        let of_class = classified(report).filter(|(found, _)| *found == class);
        if let Some(earliest) = of_class.map(|(_, certificate)| certificate.not_after).min() {
            points.closed(&[("certificate", class.into())], Number::Integer(earliest));
        }
    }
}

fn crl_next_update(sample: &Sample, points: &mut Points<'_>) {
    let next_update = sample.handshake.as_ref().and_then(|report| report.crl_next_update);
    if let Some(next_update) = next_update {
        points.closed(&[], Number::Integer(next_update));
    }
}

fn certificates(sample: &Sample, points: &mut Points<'_>) {
    let Some(report) = &sample.handshake else { return };
    for (class, certificate) in classified(report) {
        points.info(&[
            ("certificate", Some(class)),
            ("subject", Some(&certificate.subject)),
            ("issuer", Some(&certificate.issuer)),
            ("names", Some(&certificate.names.join(","))),
            ("serial", Some(&certificate.serial)),
            ("key", Some(&certificate.key)),
            ("signature_algorithm", Some(&certificate.signature_algorithm)),
            ("fingerprint", Some(&certificate.fingerprint)),
        ]);
    }
}

/// The certificates with the class each belongs to. A root that the server sends as well is no
/// intermediate certificate, whether it is trusted or not.
fn classified(report: &HandshakeReport) -> impl Iterator<Item = (&'static str, &Certificate)> {
    let anchor = report.anchor.as_ref();
    let is_anchor = move |certificate: &Certificate| {
        anchor.is_some_and(|anchor| anchor.fingerprint == certificate.fingerprint)
    };
    let chain = report.chain.iter().take(MAX_CERTIFICATES).enumerate();
    let sent = chain.filter_map(move |(place, certificate)| match place {
        0 => Some(("server", certificate)),
        _ if certificate.subject == certificate.issuer || is_anchor(certificate) => None,
        _ => Some(("intermediate", certificate)),
    });
    let ours = report.client.as_ref().map(|certificate| ("client", certificate));
    sent.chain(anchor.map(|certificate| ("ca", certificate))).chain(ours)
}
