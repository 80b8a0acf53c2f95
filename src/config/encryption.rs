//! TLS of one host: whether, and by which policy. Its section and its URI both have a say, each
//! key above the sections fills what they leave open, and `useSslForAllConnections` means all.

use std::path::PathBuf;

use super::{
    Prefer, Problems, TlsPolicy, TrustSource, identity,
    interpret::Top,
    said::{Origin, Said, agreed},
    section::HostValues,
    settings::Settings,
    uri::Uri,
    value::{Flag, Ssl},
};

/// The answer. `prefer` is never there without `tls`.
pub(super) struct Encryption {
    pub(super) tls: Option<TlsPolicy>,
    pub(super) prefer: Option<Prefer>,
}

/// Decides for the hosts of one section; a host of the list is one with an empty section.
pub(super) fn encryption(
    top: &Top<'_>,
    settings: &Settings<'_>,
    values: &HostValues,
    uri: Option<&Uri>,
    problems: &mut Problems,
) -> Encryption {
    let ssl = ssl(top, settings, values, uri, problems);
    let policy = policy(top, settings, values, uri, problems);
    warn_of_empty_trust(top, settings, uri, problems);
    if ssl == Ssl::Never {
        warn_without_tls(settings, uri, problems);
    }
    warn_of_scram_without_tls(settings, values, ssl, problems);
    let scram_without_tls = values.scram_without_tls.0;
    Encryption {
        tls: (ssl != Ssl::Never).then_some(policy),
        prefer: (ssl == Ssl::Prefer).then_some(Prefer { scram_without_tls }),
    }
}

fn ssl(
    top: &Top<'_>,
    settings: &Settings<'_>,
    values: &HostValues,
    uri: Option<&Uri>,
    problems: &mut Problems,
) -> Ssl {
    let section = settings.said("ssl", Some(values.ssl));
    let uri_says = uri.and_then(Uri::tls);
    let uri_says = uri_says.map(|said| said.map(|tls| if tls { Ssl::Always } else { Ssl::Never }));
    let all = top.settings.line("useSslForAllConnections");
    if let Some(all) = all.filter(|_| top.values.use_ssl_for_all_connections.0) {
        let what = format!(
            "contradicts useSslForAllConnections = true on line {all}, which means all hosts: set \
             it to false and ssl = true per host to make exceptions"
        );
        let exceptions = [&section, &uri_says].into_iter().flatten();
        for said in exceptions.filter(|said| said.value != Ssl::Always) {
            said.by.error(&what, problems);
        }
        return Ssl::Always;
    }
    match agreed(section, uri_says, problems) {
        Some(said) => said.value,
        // Whoever names a CA file in a URI means TLS (URI-options specification, `tls`).
        None if uri.is_some_and(|uri| uri.about_tls().next().is_some()) => Ssl::Always,
        None => Ssl::Never,
    }
}

fn policy(
    top: &Top<'_>,
    settings: &Settings<'_>,
    values: &HostValues,
    uri: Option<&Uri>,
    problems: &mut Problems,
) -> TlsPolicy {
    let above = &top.values;
    let path = |name, value: &Option<PathBuf>| {
        settings.said(name, value.as_deref().map(|file| top.path(file)))
    };
    let flag = |name, value: Option<Flag>| settings.said(name, value.map(|flag| flag.0));

    let trusted = path("sslTrustedServerCertificates", &values.ssl_trusted_server_certificates);
    let uri_trusted = uri.and_then(Uri::trusted).map(|said| said.map(|file| top.path(&file)));
    let trusted = agreed(trusted, uri_trusted, problems);

    let crls = path("sslTrustedServerCrls", &values.ssl_trusted_server_crls);
    let uri_crls = uri.and_then(Uri::crls);
    let uri_crls = uri_crls.map(|said| said.map(|file| file.map(|file| top.path(&file))));
    let crls = agreed(crls.map(|said| said.map(Some)), uri_crls, problems);
    let all_crls = || above.ssl_trusted_server_crls.as_deref().map(|file| top.path(file));

    let valid = values.ssl_require_valid_server_certificates;
    let valid = flag("sslRequireValidServerCertificates", valid);
    let valid = agreed(valid, uri.and_then(Uri::require_valid), problems);

    let any_name = flag("sslAllowInvalidHostnames", values.ssl_allow_invalid_hostnames);
    let name = any_name.map(|said| said.map(|any| !any));
    let name = agreed(name, uri.and_then(Uri::require_name), problems);

    TlsPolicy {
        trust: match trusted {
            Some(file) => TrustSource::File(file.value),
            None => top.trust(above.ssl_trusted_server_certificates.as_deref()),
        },
        crls: crls.map_or_else(all_crls, |crls| crls.value),
        require_valid: valid
            .map_or(above.ssl_require_valid_server_certificates.0, |valid| valid.value),
        require_name: name.map_or(!above.ssl_allow_invalid_hostnames.0, |name| name.value),
        identity: identity::for_section(top, settings, values, uri, problems),
    }
}

fn warn_of_empty_trust(
    top: &Top<'_>,
    settings: &Settings<'_>,
    uri: Option<&Uri>,
    problems: &mut Problems,
) {
    const KEY: &str = "sslTrustedServerCertificates";
    let named_elsewhere = uri.is_some_and(|uri| uri.trusted().is_some());
    if let Some(line) = settings.empty(KEY).filter(|_| !named_elsewhere) {
        let what = match top.settings.line(KEY) {
            Some(above) => format!("empty, so the file of line {above} applies to this host too"),
            None => "empty, so every authority in the system's trust store is trusted for this \
                     host, name a file to trust its certificates alone"
                .to_owned(),
        };
        problems.warn(line, KEY, what);
    }
}

/// Settings that somebody may believe to be in force.
fn warn_without_tls(settings: &Settings<'_>, uri: Option<&Uri>, problems: &mut Problems) {
    const KEYS: [&str; 5] = [
        "sslTrustedServerCertificates",
        "sslTrustedServerCrls",
        "sslRequireValidServerCertificates",
        "sslAllowInvalidHostnames",
        "sslClientCertificate",
    ];
    let keys = KEYS.into_iter().filter_map(|key| settings.origin(key));
    let options: Vec<Origin> = uri.into_iter().flat_map(Uri::about_tls).collect();
    for by in keys.chain(options) {
        by.warn("without effect, this host is watched without TLS, write ssl = true", problems);
    }
}

/// Only `ssl = prefer` asks whether to log in without TLS.
fn warn_of_scram_without_tls(
    settings: &Settings<'_>,
    values: &HostValues,
    ssl: Ssl,
    problems: &mut Problems,
) {
    let said = settings.said("scramWithoutTls", Some(values.scram_without_tls.0));
    let Some(Said { value: allowed, by }) = said.filter(|_| values.ssl != Ssl::Prefer) else {
        return;
    };
    match ssl {
        Ssl::Never => by.warn(
            "without effect, this host logs in without TLS anyway: it belongs to ssl = prefer",
            problems,
        ),
        Ssl::Always if allowed => {
            by.warn("without effect, this host is always watched with TLS", problems);
        }
        Ssl::Always | Ssl::Prefer => {}
    }
}
