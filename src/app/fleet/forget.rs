//! `monitoring-agent tls --forget HOST`: the way back when TLS was really switched off.

use thiserror::Error;

use crate::{
    config::Config,
    ratchet::{Ratchet, RatchetError},
};

/// MongoDB's port, for whoever names a host without one.
const PORT: u16 = 27017;

/// What became of a mark; each with the host's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// It was there, and is no more.
    Mark(String),
    /// There was none.
    Nothing(String),
}

/// Why nothing was forgotten.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// Neither configured nor marked.
    #[error(
        "no host {0} is configured, and none at this address has spoken TLS: write the name of its section, or host:port"
    )]
    Unknown(String),
    /// The file of marks cannot be used.
    #[error(transparent)]
    Ratchet(#[from] RatchetError),
}

/// Forgets that a host, by its name or address, has spoken TLS. It also works while the agent runs,
/// and for hosts that are configured no more.
///
/// # Errors
/// See [`ForgetError`].
pub fn forget(config: &Config, host: &str) -> Result<Forgotten, ForgetError> {
    let ratchet = Ratchet::of(&config.state_directory);
    let marks = ratchet.marks()?;
    let candidates = [host.to_ascii_lowercase(), format!("{}:{PORT}", host.to_ascii_lowercase())];
    let named = config.hosts.iter().find(|it| *it.name == *host);
    let by_address = || {
        let address = |it: &&crate::config::Host| {
            candidates.contains(&it.address.to_string().to_ascii_lowercase())
        };
        config.hosts.iter().find(address)
    };
    let configured = named.or_else(by_address).map(|it| it.address.to_string());
    let marked = || candidates.iter().find(|it| marks.contains(*it)).cloned();
    let address = configured.or_else(marked);
    let address = address.ok_or_else(|| ForgetError::Unknown(host.to_owned()))?;
    Ok(match ratchet.forget(&address)? {
        true => Forgotten::Mark(address),
        false => Forgotten::Nothing(address),
    })
}
