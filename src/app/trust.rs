//! A look at everybody who is trusted, before the first connection.

use std::collections::BTreeMap;

use tracing::error;

use super::StartError;
use crate::{
    config::{Config, TlsPolicy},
    net::Trusts,
    tls::{Fault, TrustError},
};

/// Files of trusted certificates that cannot be used are said; an empty system store is an error.
pub(super) fn look(config: &Config, trusts: &Trusts) -> Result<(), StartError> {
    for problem in problems(config, trusts) {
        match problem.fault {
            Fault::Trust(TrustError::EmptySystemStore { .. }) => {
                return Err(StartError::Trust(problem.to_string()));
            }
            _ => error!("{problem}; it is read again at each connect"),
        }
    }
    Ok(())
}

/// What is wrong with the trusted certificates that a configuration names, a line each, with the
/// hosts and destinations that rely on them.
pub fn trust_problems(config: &Config) -> Vec<String> {
    problems_of(config, &Trusts::default())
}

/// The same, by what is loaded already.
pub(super) fn problems_of(config: &Config, trusts: &Trusts) -> Vec<String> {
    problems(config, trusts).iter().map(ToString::to_string).collect()
}

/// A trust source that cannot be used, and by whom.
struct TrustProblem {
    fault: Fault,
    users: Vec<String>,
}

impl std::fmt::Display for TrustProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (needed for {})", self.fault, few(&self.users))
    }
}

fn problems(config: &Config, trusts: &Trusts) -> Vec<TrustProblem> {
    let hosts = config.hosts.iter().filter_map(|host| {
        Some((host.tls.as_ref()?, "sslTrustedServerCertificates", format!("host {}", host.name)))
    });
    let destinations = config.destinations.iter().filter(|it| it.url.starts_with("https:"));
    let destinations = destinations.map(|destination| {
        let name = format!("destination {}", destination.name);
        (&destination.tls, "sslTrustedMMSServerCertificate", name)
    });
    let mut problems = BTreeMap::<String, TrustProblem>::new();
    for (policy, setting, user) in hosts.chain(destinations) {
        if let Err(fault) = usable(policy, setting, trusts) {
            let problem = problems
                .entry(fault.to_string())
                .or_insert(TrustProblem { fault, users: Vec::new() });
            problem.users.push(user);
        }
    }
    problems.into_values().collect()
}

fn usable(policy: &TlsPolicy, setting: &'static str, trusts: &Trusts) -> Result<(), Fault> {
    let trust = trusts.load(&policy.trust)?;
    if trust.is_empty() && policy.require_valid {
        return Err(TrustError::EmptySystemStore { setting }.into());
    }
    if let Some(file) = &policy.crls {
        trusts.crls(file)?;
    }
    if let Some(files) = &policy.identity {
        trusts.identity(files)?;
    }
    Ok(())
}

/// The first names of a list, and how many more there are.
pub(super) fn few(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
