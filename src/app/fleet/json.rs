//! The fleet as JSON (RFC 8259) for programs.

use std::fmt::Write;

use super::{Fleet, HostTls};
use crate::{mongo::TlsMode, net::Transport};

const DAY: i64 = 86_400;

/// One document on one line.
pub(super) fn json(fleet: &Fleet, now: i64) -> String {
    let hosts: Vec<_> = fleet.hosts.iter().map(|it| host(it, now)).collect();
    let down = fleet.down();
    let transports = Transport::ALL.map(|it| (it.name(), fleet.observed(it).to_string()));
    let modes = TlsMode::ALL.map(|it| (it.name(), fleet.stated(Some(it)).to_string()));
    let unknown = ("unknown", fleet.stated(None).to_string());
    let modes: Vec<_> = modes.into_iter().chain([unknown]).collect();
    let summary = [
        ("hosts", fleet.hosts.len().to_string()),
        ("up", (fleet.hosts.len() - down).to_string()),
        ("down", down.to_string()),
        ("transports", object(&transports)),
        ("server_modes", object(&modes)),
    ];
    let hosts = format!("[{}]", hosts.join(","));
    object(&[("hosts", hosts), ("summary", object(&summary))]) + "\n"
}

fn host(host: &HostTls, now: i64) -> String {
    let agreed = host.negotiated.as_ref();
    object(&[
        ("name", text(&host.name)),
        ("address", text(&host.address.to_string())),
        ("ssl", text(host.ssl.name())),
        ("up", host.transport.is_some().to_string()),
        ("transport", or_null(host.transport.map(Transport::name))),
        ("tls_version", or_null(agreed.map(|agreed| agreed.version))),
        ("cipher", or_null(agreed.map(|agreed| agreed.cipher.as_str()))),
        ("group", or_null(agreed.map(|agreed| agreed.group.as_str()))),
        ("server_mode", or_null(host.server_mode.map(TlsMode::name))),
        ("verification", or_null(host.verification.map(|it| it.name()))),
        ("certificate_not_after_seconds", number(host.not_after)),
        (
            "certificate_days_left",
            number(host.not_after.map(|seconds| (seconds - now).div_euclid(DAY))),
        ),
        ("note", or_null(host.note.as_deref())),
    ])
}

fn object<S: AsRef<str>>(fields: &[(&str, S)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("{}:{}", text(name), value.as_ref()));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn or_null(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), text)
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

/// A string with everything escaped that must be.
fn text(value: &str) -> String {
    let mut out = String::from('"');
    for letter in value.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fleet, *};

    #[test]
    fn what_a_server_or_operator_wrote_cannot_break_out_of_a_string() {
        assert_eq!(text("a\"b\\c\n\t\u{1}ü\u{85}"), r#""a\"b\\c\n\u0009\u0001ü\u0085""#);
    }

    #[test]
    fn every_host_has_every_field_and_the_summary_counts_them() {
        let down = concat!(
            r#"{"name":"db3","address":"db3:27017","ssl":"true","up":false,"transport":null,"#,
            r#""tls_version":null,"cipher":null,"group":null,"server_mode":null,"#,
            r#""verification":null,"certificate_not_after_seconds":null,"#,
            r#""certificate_days_left":null,"note":"refused"}"#,
        );
        let up = concat!(
            r#"{"name":"db1","address":"db1:27017","ssl":"true","up":true,"transport":"tls","#,
            r#""tls_version":"1.3","cipher":"TLS_AES_256_GCM_SHA384","group":"X25519","#,
            r#""server_mode":"requireTLS","verification":"valid","#,
            r#""certificate_not_after_seconds":7776000,"certificate_days_left":80,"note":null}"#,
        );
        let summary = concat!(
            r#""summary":{"hosts":3,"up":2,"down":1,"transports":{"tls":1,"plaintext":1},"#,
            r#""server_modes":{"disabled":1,"allowTLS":0,"preferTLS":0,"requireTLS":1,"#,
            r#""unknown":1}}"#,
        );
        let json = json(&fleet(), 10 * DAY);
        for wanted in [down, up, summary, r#""name":"second \"db\"""#] {
            assert!(json.contains(wanted), "{wanted}\nis missing in\n{json}");
        }
        assert!(json.starts_with("{\"hosts\":[") && json.ends_with("}}\n"));
    }
}
