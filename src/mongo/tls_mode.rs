//! How a server says it uses TLS.

/// The values of the parameter `tlsMode`, in the order of a rolling upgrade. Source: the MongoDB
/// manual, `net.tls.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsMode {
    /// No TLS.
    Disabled,
    /// Clients may use it; members do not among themselves.
    Allow,
    /// Clients may use it; members do among themselves.
    Prefer,
    /// Nothing else is accepted.
    Require,
}

impl TlsMode {
    /// All of them, in the order of an upgrade.
    pub const ALL: [Self; 4] = [Self::Disabled, Self::Allow, Self::Prefer, Self::Require];

    /// The value of `tlsMode`, and of the label `mode`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Allow => "allowTLS",
            Self::Prefer => "preferTLS",
            Self::Require => "requireTLS",
        }
    }

    /// Reads `tlsMode`, or `sslMode` of servers before 4.2 (`allowSSL`); `None` for what neither
    /// knows.
    pub fn of(stated: &str) -> Option<Self> {
        let stated = stated.replace("SSL", "TLS");
        Self::ALL.into_iter().find(|mode| mode.name() == stated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_of_names_are_read_and_nothing_else() {
        for (stated, expected) in [
            ("disabled", Some(TlsMode::Disabled)),
            ("allowTLS", Some(TlsMode::Allow)),
            ("allowSSL", Some(TlsMode::Allow)),
            ("preferSSL", Some(TlsMode::Prefer)),
            ("requireTLS", Some(TlsMode::Require)),
            ("requireSSL", Some(TlsMode::Require)),
            ("", None),
            ("on", None),
        ] {
            assert_eq!(TlsMode::of(stated), expected, "{stated}");
        }
    }
}
