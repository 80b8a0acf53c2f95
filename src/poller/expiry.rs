//! Certificates and revocation lists that end soon: said once at each threshold, by whichever host
//! meets them first, as a fleet shares its authorities.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    net::HandshakeReport,
    tls::{Certificate, Verification},
};

/// Days before the end at which it is said, the earliest first.
const THRESHOLDS: [i64; 3] = [30, 7, 1];

const DAY: i64 = 86_400;

/// More certificates than this are not a fleet but somebody who presents a new one each time; then
/// the memory begins anew, and what is due is said again.
const MAX_REMEMBERED: usize = 20_000;

/// What was said, shared by all pollers.
#[derive(Clone, Debug, Default)]
pub struct Expiries(Arc<Mutex<HashMap<String, i64>>>);

/// Something that ends soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// `server`, `intermediate`, `ca`, `client` or `crl`.
    pub(super) what: &'static str,
    /// The certificate's subject; empty for a revocation list.
    pub(super) subject: String,
    /// Whole days that are left; 0 on the last day and after it.
    pub(super) days: i64,
}

impl Expiries {
    /// What of a host's report has come below a threshold since it was last said. `now` is in
    /// seconds since the Unix epoch.
    pub(super) fn due(&self, host: &str, report: &HandshakeReport, now: i64) -> Vec<Notice> {
        // A refused or tolerated certificate is another fault, and said as such.
        if report.verification != Verification::Valid {
            return Vec::new();
        }
        let certificates = classes(report)
            .map(|(what, it)| (what, it.fingerprint.clone(), it.subject.clone(), it.not_after));
        let crl = report.crl_next_update;
        let crl = crl.map(|end| ("crl", format!("crl of {host}"), String::new(), end));
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notices = Vec::new();
        for (what, key, subject, end) in certificates.chain(crl) {
            let left = end.saturating_sub(now);
            let Some(threshold) = crossed(left) else {
                // A list that was renewed may end soon again.
                told.remove(&key);
                continue;
            };
            if told.len() >= MAX_REMEMBERED {
                told.clear();
            }
            if told.insert(key, threshold).is_none_or(|before| threshold < before) {
                notices.push(Notice { what, subject, days: (left / DAY).max(0) });
            }
        }
        notices
    }
}

/// The smallest threshold that is not less than what is left, in seconds.
fn crossed(left: i64) -> Option<i64> {
    THRESHOLDS.into_iter().rev().find(|threshold| left <= threshold * DAY)
}

fn classes(report: &HandshakeReport) -> impl Iterator<Item = (&'static str, &Certificate)> {
    let chain = report.chain.iter().enumerate();
    let chain = chain.map(|(place, it)| (if place == 0 { "server" } else { "intermediate" }, it));
    let anchor = report.anchor.iter().map(|it| ("ca", it));
    chain.chain(anchor).chain(report.client.iter().map(|it| ("client", it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn report(server: i64, crl: Option<i64>) -> HandshakeReport {
        let certificate = |name: &str, not_after| Certificate {
            subject: format!("CN={name}"),
            issuer: String::new(),
            names: Vec::new(),
            serial: String::new(),
            not_before: 0,
            not_after,
            key: String::new(),
            signature_algorithm: String::new(),
            fingerprint: format!("{name} {not_after}"),
        };
        HandshakeReport {
            negotiated: None,
            verification: Verification::Valid,
            chain: vec![certificate("server", server)],
            anchor: Some(certificate("ca", NOW + 6 * DAY)),
            accepted: None,
            client: None,
            crl_next_update: crl,
        }
    }

    fn said(notices: &[Notice]) -> Vec<(&str, i64)> {
        notices.iter().map(|notice| (notice.what, notice.days)).collect()
    }

    #[test]
    fn each_threshold_is_said_once_and_a_shared_authority_once_for_all_hosts() {
        let expiries = Expiries::default();
        let due = |host: &str, report: &HandshakeReport, now| {
            let said = expiries.due(host, report, now);
            said.iter().map(|it| format!("({:?}, {})", it.what, it.days)).collect::<Vec<_>>()
        };
        let server = report(NOW + 40 * DAY, None);
        let none: Vec<String> = Vec::new();
        assert_eq!(due("a", &server, NOW), [r#"("ca", 6)"#]);
        assert_eq!(due("b", &server, NOW), none);
        assert_eq!(due("a", &server, NOW + 10 * DAY), [r#"("server", 30)"#, r#"("ca", 0)"#]);
        assert_eq!(due("a", &server, NOW + 11 * DAY), none);
        assert_eq!(due("a", &server, NOW + 34 * DAY), [r#"("server", 6)"#]);
        assert_eq!(due("a", &server, NOW + 39 * DAY), [r#"("server", 1)"#]);
        assert_eq!(due("a", &server, NOW + 41 * DAY), none);
    }

    #[test]
    fn a_revocation_list_that_was_renewed_is_said_again_when_it_ends_again() {
        let expiries = Expiries::default();
        let far = NOW + 400 * DAY;
        let due = |crl, now| {
            let mut of_far = report(far, Some(crl));
            of_far.anchor = None;
            said(&expiries.due("a", &of_far, now)).len()
        };
        assert_eq!(due(NOW + DAY, NOW), 1);
        assert_eq!(due(NOW + 60 * DAY, NOW), 0);
        assert_eq!(due(NOW + 60 * DAY, NOW + 31 * DAY), 1);
    }

    #[test]
    fn a_certificate_that_is_not_valid_is_not_said_to_end() {
        let mut refused = report(NOW + DAY, None);
        refused.verification = Verification::WrongName;
        assert_eq!(Expiries::default().due("a", &refused, NOW), []);
    }
}
