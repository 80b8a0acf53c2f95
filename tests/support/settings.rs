//! Texts of `monitoring-agent.config`.

use std::path::PathBuf;

use super::{
    guard::Folder,
    receiver::Receiver,
    replica_set::{MONITOR, ReplicaSet},
    trouble::Outcome,
};

/// Lines of a configuration, in order.
#[derive(Clone, Default)]
pub(crate) struct Settings(String);

impl Settings {
    /// A fast pace, any free port, and a state directory beside the file.
    pub(crate) fn new() -> Self {
        Self::default()
            .set("pollIntervalSecs", "1")
            .set("prometheusListenAddress", "127.0.0.1:0")
            .set("stateDirectory", "state")
    }

    pub(crate) fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.0 += &format!("{key} = {value}\n");
        self
    }

    /// Begins the section of a host; what follows belongs to it.
    pub(crate) fn host(mut self, name: &str, address: impl std::fmt::Display) -> Self {
        self.0 += &format!("\n[host {name}]\n");
        self.set("address", address)
    }

    /// Watches all members over TLS, logged in as the monitoring user.
    pub(crate) fn watch(self, set: &ReplicaSet) -> Self {
        self.set("hosts", set.hosts().join(", "))
            .set("useSslForAllConnections", "true")
            .set("sslTrustedServerCertificates", set.authority().display())
            .set("globalAuthUsername", MONITOR.name)
            .set("globalAuthPassword", MONITOR.password)
    }

    /// Delivers to a receiver, whose authority is written into the folder.
    pub(crate) fn deliver(self, receiver: &Receiver, folder: &Folder) -> Outcome<Self> {
        let authority = folder.write("management-ca.pem", receiver.authority())?;
        let account = receiver.account();
        Ok(self
            .set("mmsBaseUrl", receiver.url())
            .set("mmsGroupId", &account.group_id)
            .set("mmsApiKey", &account.api_key)
            .set("sslTrustedMMSServerCertificate", authority.display()))
    }

    /// Writes the file, for its owner only.
    pub(crate) fn write(&self, folder: &Folder) -> Outcome<PathBuf> {
        folder.write("monitoring-agent.config", &self.0)
    }
}
