//! The fleet as a table for people.

use super::{Fleet, HostTls};
use crate::{mongo::TlsMode, net::Transport};

const HEAD: [&str; 7] =
    ["HOST", "SSL", "OBSERVED", "SERVER MODE", "CERTIFICATE", "EXPIRES", "NOTE"];

const DAY: i64 = 86_400;

/// The table, and below it how many hosts there are of each kind.
pub(super) fn table(fleet: &Fleet, now: i64) -> String {
    let rows: Vec<_> = fleet.hosts.iter().map(|host| row(host, now)).collect();
    let rows: Vec<_> = std::iter::once(HEAD.map(str::to_owned)).chain(rows).collect();
    let widths = std::array::from_fn::<usize, 7, _>(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text + "\n" + &summary(fleet)
}

fn row(host: &HostTls, now: i64) -> [String; 7] {
    let none = || "-".to_owned();
    let observed = match (host.transport, &host.negotiated) {
        (None, _) => "down".to_owned(),
        (Some(Transport::Tls), Some(agreed)) => format!("TLS {}", agreed.version),
        (Some(Transport::Tls), None) => "TLS".to_owned(),
        (Some(Transport::Plaintext), _) => "plaintext".to_owned(),
    };
    [
        host.name.to_string(),
        host.ssl.name().to_owned(),
        observed,
        host.server_mode.map_or_else(none, |mode| mode.name().to_owned()),
        host.verification.map_or_else(none, |it| it.name().replace('_', " ")),
        host.not_after.map_or_else(none, |seconds| expiry((seconds - now).div_euclid(DAY))),
        host.note.clone().unwrap_or_default(),
    ]
}

fn expiry(days: i64) -> String {
    match days {
        -1 => "1 day ago".to_owned(),
        i64::MIN..=-2 => format!("{} days ago", days.unsigned_abs()),
        0 => "today".to_owned(),
        1 => "in 1 day".to_owned(),
        _ => format!("in {days} days"),
    }
}

fn summary(fleet: &Fleet) -> String {
    let down = fleet.down();
    let up = fleet.hosts.len() - down;
    let modes = TlsMode::ALL.map(|mode| format!("{} {}", fleet.stated(Some(mode)), mode.name()));
    format!(
        "hosts: {up} up, {down} down\n\
         observed: {} TLS, {} plaintext\n\
         server modes: {}, {} unknown\n",
        fleet.observed(Transport::Tls),
        fleet.observed(Transport::Plaintext),
        modes.join(", "),
        fleet.stated(None),
    )
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fleet, *};

    #[test]
    fn the_table_has_a_line_for_each_host_and_counts_below() {
        let expected = "\
HOST         SSL     OBSERVED   SERVER MODE  CERTIFICATE  EXPIRES     NOTE
db1          true    TLS 1.3    requireTLS   valid        in 80 days
second \"db\"  prefer  plaintext  disabled     -            -           no TLS yet
db3          true    down       -            -            -           refused

hosts: 2 up, 1 down
observed: 1 TLS, 1 plaintext
server modes: 1 disabled, 0 allowTLS, 0 preferTLS, 1 requireTLS, 1 unknown
";
        assert_eq!(table(&fleet(), 10 * DAY), expected);
    }

    #[test]
    fn an_expiry_is_told_in_whole_days() {
        for (days, expected) in [
            (-2, "2 days ago"),
            (-1, "1 day ago"),
            (0, "today"),
            (1, "in 1 day"),
            (30, "in 30 days"),
        ] {
            assert_eq!(expiry(days), expected);
        }
    }
}
