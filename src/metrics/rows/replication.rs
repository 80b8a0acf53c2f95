//! Replication: what hello, replSetGetStatus and serverStatus say of the set and its members.

use super::members;
use crate::{
    metrics::row::{
        Measure::{Bytes, Date, Milliseconds, Minutes, Of, Plain, Seconds, Timestamp},
        Paths, Row, Series, Source, counter, gauge, info, status, status_by,
    },
    sample::Collector,
};

pub(super) const ROWS: &[Row] = &[
    gauge(
        "writable_primary",
        Plain,
        "Whether the server takes writes: a primary, a standalone, a mongos.",
        hello(&["isWritablePrimary", "ismaster"]),
    ),
    gauge(
        "secondary",
        Plain,
        "Whether the server is a secondary of a replica set.",
        hello(&["secondary"]),
    ),
    gauge(
        "arbiter",
        Plain,
        "Whether the server is an arbiter of a replica set.",
        hello(&["arbiterOnly"]),
    ),
    gauge("read_only", Plain, "Whether the server was started read-only.", hello(&["readOnly"])),
    gauge(
        "wire_version.lowest",
        Plain,
        "The lowest version of the wire protocol that the server speaks.",
        hello(&["minWireVersion"]),
    ),
    gauge(
        "wire_version.highest",
        Plain,
        "The highest version of the wire protocol that the server speaks.",
        hello(&["maxWireVersion"]),
    ),
    gauge(
        "session_timeout",
        Minutes,
        "How long a logical session lives after its last use.",
        hello(&["logicalSessionTimeoutMinutes"]),
    ),
    gauge(
        "last_write.timestamp",
        Date,
        "When the server last wrote or applied an operation, since the Unix epoch.",
        hello(&["lastWrite.lastWriteDate"]),
    ),
    gauge(
        "last_majority_write.timestamp",
        Date,
        "When the last operation was written that a majority has, since the Unix epoch.",
        hello(&["lastWrite.majorityWriteDate"]),
    ),
    gauge(
        "replica_set.state",
        Plain,
        "The server's own state in its replica set: 1 for the state it is in.",
        Source::Derived("replSetGetStatus myState", members::own_state),
    ),
    gauge(
        "replica_set.term",
        Plain,
        "The term of the replica set's last election that the server knows of.",
        replication(&["term"]),
    ),
    gauge(
        "replica_set.config_version",
        Plain,
        "The version of the replica set's configuration.",
        hello(&["setVersion"]),
    ),
    gauge(
        "replica_set.voting_members",
        Of("{member}"),
        "Members that vote.",
        replication(&["votingMembersCount"]),
    ),
    gauge(
        "replica_set.election_majority",
        Of("{member}"),
        "Members whose votes elect a primary.",
        replication(&["majorityVoteCount"]),
    ),
    gauge(
        "replica_set.write_majority",
        Of("{member}"),
        "Members that must have a write of concern majority.",
        replication(&["writeMajorityCount"]),
    ),
    gauge(
        "replica_set.heartbeat_interval",
        Milliseconds,
        "Time between two heartbeats.",
        replication(&["heartbeatIntervalMillis"]),
    ),
    gauge(
        "replica_set.optime.timestamp",
        Timestamp,
        "Times of the last operation that the server committed, applied, wrote to disk, or may read with concern majority.",
        Source::Reply(
            Collector::ReplSetGetStatus,
            Series::By(
                "kind",
                &["optimes.*.ts"],
                &[
                    ("committed", "lastCommittedOpTime"),
                    ("applied", "appliedOpTime"),
                    ("durable", "durableOpTime"),
                    ("majority_read", "readConcernMajorityOpTime"),
                ],
            ),
        ),
    ),
    gauge(
        "replica_set.stable_recovery.timestamp",
        Timestamp,
        "The time that the server can recover to, since the Unix epoch.",
        replication(&["lastStableRecoveryTimestamp"]),
    ),
    gauge(
        "replica_set.last_election.timestamp",
        Date,
        "When the server last won an election, since the Unix epoch; only the primary knows.",
        replication(&["electionCandidateMetrics.lastElectionDate"]),
    ),
    gauge(
        "replica_set.last_vote.timestamp",
        Date,
        "When the server last voted for another member, since the Unix epoch.",
        replication(&["electionParticipantMetrics.lastVoteDate"]),
    ),
    gauge(
        "replica_set.initial_sync.data",
        Bytes,
        "Estimated size of the data that the initial sync in progress copies.",
        replication(&["initialSyncStatus.approxTotalDataSize"]),
    ),
    gauge(
        "replica_set.initial_sync.copied",
        Bytes,
        "Estimated size of the data that the initial sync in progress has copied.",
        replication(&["initialSyncStatus.approxTotalBytesCopied"]),
    ),
    gauge(
        "replica_set.initial_sync.remaining",
        Milliseconds,
        "Estimated time that the initial sync in progress still needs.",
        replication(&["initialSyncStatus.remainingInitialSyncEstimatedMillis"]),
    ),
    info(
        "replica_set.member.info",
        "The members of the replica set, and from whom each of them syncs.",
        Source::Derived("replSetGetStatus members.*", members::information),
    ),
    gauge(
        "replica_set.member.state",
        Plain,
        "The state of each member as the server sees it: 1 for the state it is in.",
        Source::Derived("replSetGetStatus members.*.state", members::states),
    ),
    gauge(
        "replica_set.member.lag",
        Seconds,
        "How far each member is behind the primary, by their last operations.",
        Source::Derived("replSetGetStatus members.*.optimeDate", members::lag),
    ),
    gauge(
        "replica_set.member.health",
        Plain,
        "Whether the server reaches the member.",
        member("members.*.health"),
    ),
    gauge(
        "replica_set.member.self",
        Plain,
        "Marks the member that is this server.",
        member("members.*.self"),
    ),
    gauge(
        "replica_set.member.uptime",
        Seconds,
        "How long the server has seen the member online.",
        member("members.*.uptime"),
    ),
    gauge(
        "replica_set.member.ping",
        Milliseconds,
        "Round-trip time of the server's packets to the member.",
        member("members.*.pingMs"),
    ),
    gauge(
        "replica_set.member.optime.timestamp",
        Date,
        "The time of the last operation that the member applied, since the Unix epoch.",
        member("members.*.optimeDate"),
    ),
    gauge(
        "replica_set.member.durable_optime.timestamp",
        Date,
        "The time of the last operation that the member wrote to disk, since the Unix epoch.",
        member("members.*.optimeDurableDate"),
    ),
    gauge(
        "replica_set.member.last_heartbeat.timestamp",
        Date,
        "When the member last answered a heartbeat of the server, since the Unix epoch.",
        member("members.*.lastHeartbeat"),
    ),
    gauge(
        "replica_set.member.last_heartbeat_received.timestamp",
        Date,
        "When the server last received a heartbeat of the member, since the Unix epoch.",
        member("members.*.lastHeartbeatRecv"),
    ),
    gauge(
        "replica_set.member.election.timestamp",
        Date,
        "When the member was elected, since the Unix epoch; only for the primary.",
        member("members.*.electionDate"),
    ),
    gauge(
        "replica_set.member.config_version",
        Plain,
        "The version of the configuration that the member has.",
        member("members.*.configVersion"),
    ),
    counter(
        "elections.called",
        Of("{election}"),
        "Elections that the server called, by reason.",
        elections(&["electionMetrics.*.called"]),
    ),
    counter(
        "elections.won",
        Of("{election}"),
        "Elections that the server called and won, by reason.",
        elections(&["electionMetrics.*.successful"]),
    ),
    counter(
        "elections.step_downs",
        Of("{election}"),
        "Times that the server stepped down because it saw a higher term.",
        status(&["electionMetrics.numStepDownsCausedByHigherTerm"]),
    ),
    counter(
        "elections.catch_ups",
        Of("{election}"),
        "Elections that the server won, by the outcome of catching up.",
        status_by(
            "outcome",
            &["electionMetrics.numCatchUps*"],
            &[
                ("succeeded", "Succeeded"),
                ("already_caught_up", "AlreadyCaughtUp"),
                ("skipped", "Skipped"),
                ("timed_out", "TimedOut"),
                ("failed", "FailedWithError"),
                ("new_term", "FailedWithNewTerm"),
                ("aborted", "FailedWithReplSetAbortPrimaryCatchUpCmd"),
            ],
        ),
    ),
];

const fn hello(paths: Paths) -> Source {
    Source::Reply(Collector::Hello, Series::One(paths))
}

const fn replication(paths: Paths) -> Source {
    Source::Reply(Collector::ReplSetGetStatus, Series::One(paths))
}

const fn member(path: &'static str) -> Source {
    Source::Reply(Collector::ReplSetGetStatus, Series::Named("member", path, "members.*.name"))
}

const fn elections(paths: Paths) -> Source {
    status_by(
        "reason",
        paths,
        &[
            ("step_up", "stepUpCmd"),
            ("priority_takeover", "priorityTakeover"),
            ("catch_up_takeover", "catchUpTakeover"),
            ("election_timeout", "electionTimeout"),
            ("freeze_timeout", "freezeTimeout"),
        ],
    )
}
