//! The keys that are known and not in force: of later versions, and of the original agent.

use super::{
    super::value::Kind,
    Key,
    Place::{self, Both, Host, Top},
    State,
};

const fn later(name: &'static str, place: Place, meaning: &'static str) -> Key {
    Key::new(name, place, State::Later, meaning)
}

const fn no_effect(name: &'static str, meaning: &'static str) -> Key {
    Key::new(name, Top, State::NoEffect, meaning)
}

const fn retired(name: &'static str, instead: &'static str) -> Key {
    Key::new(name, Top, State::Retired, instead)
}

const LOCAL_CONFIGURATION: &str = "this agent does not manage servers";
const LOG_TO_STDERR: &str = "the log goes to standard error, where the service manager keeps it";
const NO_SERVER_POOL: &str = "write the one management server in mmsBaseUrl";

// A default here is what this version does anyway: writing just that is no error.
pub(super) const ROWS: &[Key] = &[
    later("sslClientCertificatePasswordExec", Both, "command that prints the password of its key"),
    later("sslServerClientCertificatePasswordExec", Top, "command that prints that password")
        .also(&["tlsMMSServerClientCertificatePasswordExec"]),
    later("mmsApiKeyExec", Top, "command that prints the agent's key"),
    later("globalAuthPasswordExec", Top, "command that prints the password"),
    later("httpProxy", Top, "proxy towards the management server"),
    later("krb5Principal", Top, "Kerberos login"),
    later("krb5Keytab", Top, "Kerberos login"),
    later("krb5ConfigLocation", Top, "Kerberos login"),
    later("gssapiServiceName", Top, "Kerberos login").also(&["gsappiServiceName"]),
    later("prometheusWebConfigFile", Top, "TLS and passwords for the Prometheus endpoint"),
    later("metricNames", Top, "which names the metrics bear").kind(Kind::Text, "native"),
    later("metricsLevel", Top, "how much /metrics shows").kind(Kind::Text, "core"),
    later("seriesPerHost", Top, "limit of series a host"),
    later("topCollections", Top, "how many collections have series of their own"),
    later("spoolMaxBytes", Top, "size of the spool on disk"),
    later("spoolMaxAgeHours", Top, "age of the spool on disk"),
    later("logFormat", Top, "log lines as text or JSON").kind(Kind::Text, "text"),
    later("passwordExec", Host, "command that prints the password"),
    later("labels", Host, "labels on everything of this host"),
    no_effect("throttlePassesDbstats", "no database statistics are collected yet"),
    no_effect("throttlePassesOplog", "the oplog is not read yet"),
    no_effect("throttlePassesShardChunkCounts", "chunks are not counted yet"),
    no_effect("configCollectionsEnabled", "config.collections is not read yet"),
    no_effect("configDatabasesEnabled", "config.databases is not read yet"),
    no_effect("disableGetLogsDataCollection", "the logs of servers are not collected yet"),
    no_effect(
        "disableLocksAndRecordStatsDataCollection",
        "the locks of serverStatus are collected all the same",
    ),
    no_effect("logFile", LOG_TO_STDERR),
    no_effect("maxLogFileSizeBytes", LOG_TO_STDERR).also(&["maxLogFileSize"]),
    no_effect("maxLogFiles", LOG_TO_STDERR),
    no_effect("maxLogFileDurationHrs", LOG_TO_STDERR),
    retired("disableProfileDataCollection", "profiler data is never collected"),
    retired("enableLocalConfigurationServer", LOCAL_CONFIGURATION),
    retired("enableMunin", "run node_exporter for the figures of the machine"),
    retired("localConfigurationServerPort", LOCAL_CONFIGURATION),
    retired("mmsConfigBackup", "this file is the whole configuration"),
    retired("monitoringAgentKrb5CCName", "set KRB5CCNAME in the environment"),
    retired(
        "otelConfig",
        "samples are sent by OTLP to mmsBaseUrl; [upload NAME] sections of a later version will \
         name other receivers",
    ),
    retired("serverPoolKey", NO_SERVER_POOL),
    retired("serverPoolPropertiesFile", NO_SERVER_POOL),
    retired("serverPoolStateFile", NO_SERVER_POOL),
];
