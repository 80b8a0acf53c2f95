//! The oplog: how the server fetches and applies it, and how it is truncated.

use crate::metrics::row::{
    Measure::{Bytes, Microseconds, Milliseconds, Of},
    Row, counter, gauge, status,
};

pub(super) const ROWS: &[Row] = &[
    counter(
        "replication.applied_operations",
        Of("{operation}"),
        "Operations of the oplog that the server applied.",
        status(&["metrics.repl.apply.ops"]),
    ),
    counter(
        "replication.applied_batches",
        Of("{batch}"),
        "Batches of the oplog that the server applied.",
        status(&["metrics.repl.apply.batches.num"]),
    ),
    counter(
        "replication.apply",
        Milliseconds,
        "Time that the server spent on applying the oplog.",
        status(&["metrics.repl.apply.batches.totalMillis"]),
    ),
    gauge(
        "replication.buffered_operations",
        Of("{operation}"),
        "Operations of the oplog that wait to be applied.",
        status(&["metrics.repl.buffer.count", "metrics.repl.buffer.apply.count"]),
    ),
    gauge(
        "replication.buffered",
        Bytes,
        "Bytes of the oplog that wait to be applied.",
        status(&["metrics.repl.buffer.sizeBytes", "metrics.repl.buffer.apply.sizeBytes"]),
    ),
    gauge(
        "replication.buffer_limit",
        Bytes,
        "Bytes of the oplog that may wait to be applied.",
        status(&["metrics.repl.buffer.maxSizeBytes", "metrics.repl.buffer.apply.maxSizeBytes"]),
    ),
    counter(
        "replication.fetched",
        Bytes,
        "Bytes fetched from the member that the server syncs from.",
        status(&["metrics.repl.network.bytes"]),
    ),
    counter(
        "replication.fetched_operations",
        Of("{operation}"),
        "Operations fetched from the member that the server syncs from.",
        status(&["metrics.repl.network.ops"]),
    ),
    counter(
        "replication.fetches",
        Of("{request}"),
        "Requests for operations to the member that the server syncs from.",
        status(&["metrics.repl.network.getmores.num"]),
    ),
    counter(
        "replication.fetch",
        Milliseconds,
        "Time of the requests for operations, with the wait for new ones.",
        status(&["metrics.repl.network.getmores.totalMillis"]),
    ),
    counter(
        "replication.empty_fetches",
        Of("{request}"),
        "Requests for operations that brought none.",
        status(&["metrics.repl.network.getmores.numEmptyBatches"]),
    ),
    counter(
        "replication.readers_created",
        Of("{process}"),
        "Times that the server began to read another member's oplog.",
        status(&["metrics.repl.network.readersCreated"]),
    ),
    counter(
        "replication.unacknowledged_writes_refused",
        Of("{operation}"),
        "Unacknowledged writes that failed because the server is not primary.",
        status(&[
            "metrics.repl.network.notPrimaryUnacknowledgedWrites",
            "metrics.repl.network.notMasterUnacknowledgedWrites",
        ]),
    ),
    counter(
        "replication.sync_source.selections",
        Of("{selection}"),
        "Times that the server looked for a member to sync from.",
        status(&["metrics.repl.syncSource.numSelections"]),
    ),
    counter(
        "replication.sync_source.changes",
        Of("{selection}"),
        "Times that the server chose another member to sync from.",
        status(&["metrics.repl.syncSource.numTimesChoseDifferent"]),
    ),
    counter(
        "replication.sync_source.misses",
        Of("{selection}"),
        "Times that the server found no member to sync from.",
        status(&["metrics.repl.syncSource.numTimesCouldNotFind"]),
    ),
    counter(
        "replication.initial_syncs.completed",
        Of("{sync}"),
        "Initial syncs that the server completed.",
        status(&["metrics.repl.initialSync.completed"]),
    ),
    counter(
        "replication.initial_syncs.failed_attempts",
        Of("{attempt}"),
        "Attempts of initial syncs that failed.",
        status(&["metrics.repl.initialSync.failedAttempts"]),
    ),
    counter(
        "replication.initial_syncs.failed",
        Of("{sync}"),
        "Initial syncs that failed for good.",
        status(&["metrics.repl.initialSync.failures"]),
    ),
    counter(
        "oplog.truncations",
        Of("{truncation}"),
        "Truncations of the oplog.",
        status(&["oplogTruncation.truncateCount"]),
    ),
    counter(
        "oplog.truncating",
        Microseconds,
        "Time spent on truncating the oplog.",
        status(&["oplogTruncation.totalTimeTruncatingMicros"]),
    ),
];
