//! The management server that mmsBaseUrl, mmsGroupId and mmsApiKey describe.

use std::sync::Arc;

use super::{
    Destination, Problems, TlsPolicy,
    base_url::BaseUrl,
    credentials::{self, SecretKeys},
    identity,
    interpret::Top,
};

/// MongoDB's own cloud: what its agents send there is a protocol that nobody outside knows.
const PRIVATE: [&str; 2] = ["mms.mongodb.com", "api-agents.mongodb.com"];

/// The destination `mms`, or none when none of its keys is set.
pub(super) fn mms(top: &Top<'_>, problems: &mut Problems) -> Option<Destination> {
    const API_KEY: SecretKeys = SecretKeys { key: "mmsApiKey", file_key: "mmsApiKeyFile" };
    let values = &top.values;
    let api_key = (&values.mms_api_key, values.mms_api_key_file.as_deref());
    let api_key = credentials::secret(top, &top.settings, &API_KEY, api_key, problems);
    let identity = identity::for_management_server(top, problems);
    let trust = top.trust(values.ssl_trusted_mms_server_certificate.as_deref());
    let require_valid = values.ssl_require_valid_mms_server_certificates.0;
    check_complete(top, problems);
    let url = values.mms_base_url.as_ref()?;
    warn_of_url(top, url, problems);
    let group = values.mms_group_id.clone()?;
    Some(Destination {
        name: Arc::from("mms"),
        url: format!("{}/agents/api/otlp/{group}/v1/metrics", url.text),
        username: group,
        password: api_key?.value,
        tls: TlsPolicy { identity, ..TlsPolicy::new(trust, require_valid) },
        labels: vec![("agent".to_owned(), top.surroundings.machine.to_owned())],
    })
}

/// All three or none: half a destination is a mistake that would lose everything in silence.
fn check_complete(top: &Top<'_>, problems: &mut Problems) {
    let line = |key| top.settings.line(key).map(|line| (line, key));
    let parts = [
        ("mmsBaseUrl", line("mmsBaseUrl")),
        ("mmsGroupId", line("mmsGroupId")),
        ("mmsApiKey or mmsApiKeyFile", line("mmsApiKey").or_else(|| line("mmsApiKeyFile"))),
    ];
    let missing: Vec<&str> =
        parts.iter().filter(|(_, set)| set.is_none()).map(|&(name, _)| name).collect();
    match parts.iter().find_map(|&(_, set)| set) {
        Some((line, key)) if !missing.is_empty() => {
            let missing = missing.join(", and ");
            let what = format!("the management server needs {missing} too, set all three or none");
            problems.error(line, key, what);
        }
        None => warn_without_effect(top, "no management server is configured", problems),
        Some(_) => {}
    }
}

fn warn_without_effect(top: &Top<'_>, why: &str, problems: &mut Problems) {
    for key in [
        "sslTrustedMMSServerCertificate",
        "sslRequireValidMMSServerCertificates",
        "sslServerClientCertificate",
    ] {
        if let Some(line) = top.settings.line(key) {
            problems.warn(line, top.settings.spelled(key), format!("without effect, {why}"));
        }
    }
}

fn warn_of_url(top: &Top<'_>, url: &BaseUrl, problems: &mut Problems) {
    const KEY: &str = "mmsBaseUrl";
    let Some(line) = top.settings.line(KEY) else { return };
    if !url.encrypted {
        let what = "plain http: the key and all samples can be read on the way, write https";
        problems.warn(line, KEY, what);
        warn_without_effect(top, "mmsBaseUrl is plain http", problems);
    }
    if PRIVATE.contains(&url.host.as_str()) {
        let what = format!(
            "{} expects the private protocol of MongoDB's own agent, this agent speaks \
             OTLP: name a receiver of OTLP over HTTP",
            url.host
        );
        problems.warn(line, KEY, what);
    }
}
