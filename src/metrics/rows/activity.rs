//! What clients do: operations, documents, cursors, queues, sessions, transactions.

use crate::metrics::row::{
    Measure::{Bytes, Microseconds, Milliseconds, Of, Plain},
    Row, Source, counter, gauge, status, status_by,
};

pub(super) const ROWS: &[Row] = &[
    counter(
        "operations",
        Of("{operation}"),
        "Operations of clients since the server started, by type.",
        operations(&["opcounters.*"]),
    ),
    counter(
        "replicated_operations",
        Of("{operation}"),
        "Operations applied from the oplog since the server started, by type.",
        operations(&["opcountersRepl.*"]),
    ),
    counter(
        "operation.latency",
        Microseconds,
        "Time that operations took in the server, by type.",
        latencies(&["opLatencies.*.latency"]),
    ),
    counter(
        "operation.latency.operations",
        Of("{operation}"),
        "Operations whose time was measured, by type.",
        latencies(&["opLatencies.*.ops"]),
    ),
    counter(
        "documents",
        Of("{document}"),
        "Documents that operations returned or changed.",
        status_by(
            "type",
            &["metrics.document.*"],
            &[
                ("deleted", "deleted"),
                ("inserted", "inserted"),
                ("returned", "returned"),
                ("updated", "updated"),
            ],
        ),
    ),
    counter(
        "query.scanned_keys",
        Of("{key}"),
        "Index keys that queries and their planning examined.",
        status(&["metrics.queryExecutor.scanned"]),
    ),
    counter(
        "query.scanned_documents",
        Of("{document}"),
        "Documents that queries and their planning examined.",
        status(&["metrics.queryExecutor.scannedObjects"]),
    ),
    counter(
        "query.collection_scans",
        Of("{query}"),
        "Queries that scanned a whole collection.",
        status(&["metrics.queryExecutor.collectionScans.total"]),
    ),
    counter(
        "query.collection_scans.non_tailable",
        Of("{query}"),
        "Queries without a tailable cursor that scanned a whole collection.",
        status(&["metrics.queryExecutor.collectionScans.nonTailable"]),
    ),
    counter(
        "query.sorts",
        Of("{query}"),
        "Queries whose sort could not use an index.",
        status(&["metrics.operation.scanAndOrder"]),
    ),
    gauge(
        "query.plan_caches",
        Bytes,
        "Estimated size of all plan caches.",
        status(&["metrics.query.planCacheTotalSizeEstimateBytes"]),
    ),
    counter(
        "write_conflicts",
        Of("{conflict}"),
        "Operations that met a write conflict and were tried again.",
        status(&["metrics.operation.writeConflicts"]),
    ),
    gauge(
        "cursors.open",
        Of("{cursor}"),
        "Cursors that are open.",
        status(&["metrics.cursor.open.total"]),
    ),
    gauge(
        "cursors.open_without_timeout",
        Of("{cursor}"),
        "Open cursors that never time out.",
        status(&["metrics.cursor.open.noTimeout"]),
    ),
    gauge(
        "cursors.pinned",
        Of("{cursor}"),
        "Open cursors that an operation is using.",
        status(&["metrics.cursor.open.pinned"]),
    ),
    counter(
        "cursors.opened",
        Of("{cursor}"),
        "Cursors that were opened since the server started.",
        status(&["metrics.cursor.totalOpened"]),
    ),
    counter(
        "cursors.timed_out",
        Of("{cursor}"),
        "Cursors that timed out since the server started.",
        status(&["metrics.cursor.timedOut"]),
    ),
    counter(
        "write_concern.waits",
        Of("{operation}"),
        "Writes that waited for other members to acknowledge them.",
        status(&["metrics.getLastError.wtime.num"]),
    ),
    counter(
        "write_concern.wait",
        Milliseconds,
        "Time that writes waited for other members to acknowledge them.",
        status(&["metrics.getLastError.wtime.totalMillis"]),
    ),
    counter(
        "write_concern.timeouts",
        Of("{operation}"),
        "Writes whose wait for other members timed out.",
        status(&["metrics.getLastError.wtimeouts"]),
    ),
    counter(
        "global_lock",
        Microseconds,
        "Time since the server created the global lock.",
        status(&["globalLock.totalTime"]),
    ),
    gauge(
        "global_lock.queued",
        Of("{operation}"),
        "Operations that wait for a lock.",
        readers_and_writers(&["globalLock.currentQueue.*"]),
    ),
    gauge(
        "global_lock.active_clients",
        Of("{client}"),
        "Clients with an operation in progress.",
        readers_and_writers(&["globalLock.activeClients.*"]),
    ),
    gauge(
        "tickets.out",
        Of("{ticket}"),
        "Tickets of the storage engine that operations hold.",
        tickets(&["wiredTiger.concurrentTransactions.*.out", "queues.execution.*.out"]),
    ),
    gauge(
        "tickets.available",
        Of("{ticket}"),
        "Tickets of the storage engine that are left; at 0 operations queue.",
        tickets(&["wiredTiger.concurrentTransactions.*.available", "queues.execution.*.available"]),
    ),
    gauge(
        "tickets.limit",
        Of("{ticket}"),
        "Tickets of the storage engine, held or left.",
        tickets(&[
            "wiredTiger.concurrentTransactions.*.totalTickets",
            "queues.execution.*.totalTickets",
        ]),
    ),
    gauge(
        "tickets.queued",
        Of("{operation}"),
        "Operations that wait for a ticket of the storage engine.",
        tickets(&[
            "wiredTiger.concurrentTransactions.*.queueLength",
            "queues.execution.*.normalPriority.queueLength",
        ]),
    ),
    gauge(
        "flow_control.enabled",
        Plain,
        "Whether flow control may slow writes to spare lagging members.",
        status(&["flowControl.enabled"]),
    ),
    gauge(
        "flow_control.engaged",
        Plain,
        "Whether flow control is engaged because members lag.",
        status(&["flowControl.isLagged"]),
    ),
    counter(
        "flow_control.engagements",
        Of("{period}"),
        "Times that flow control became engaged.",
        status(&["flowControl.isLaggedCount"]),
    ),
    counter(
        "flow_control.engaged_time",
        Microseconds,
        "Time that flow control has been engaged.",
        status(&["flowControl.isLaggedTimeMicros"]),
    ),
    counter(
        "flow_control.acquiring",
        Microseconds,
        "Time that writes waited for tickets of flow control.",
        status(&["flowControl.timeAcquiringMicros"]),
    ),
    gauge(
        "flow_control.target_rate_limit",
        Of("{ticket}"),
        "Tickets that flow control hands out in a second.",
        status(&["flowControl.targetRateLimit"]),
    ),
    gauge(
        "sessions.active",
        Of("{session}"),
        "Logical sessions that were used since the server last refreshed its cache of them.",
        status(&["logicalSessionRecordCache.activeSessionsCount"]),
    ),
    gauge(
        "sessions.catalog",
        Of("{session}"),
        "Sessions in the server's catalog, which transactions and retryable writes enter.",
        status(&["logicalSessionRecordCache.sessionCatalogSize"]),
    ),
    counter(
        "sessions.refreshes",
        Of("{run}"),
        "Runs of the job that refreshes the collection of sessions.",
        status(&["logicalSessionRecordCache.sessionsCollectionJobCount"]),
    ),
    gauge(
        "sessions.last_refresh.duration",
        Milliseconds,
        "How long the last refresh of the collection of sessions took.",
        status(&["logicalSessionRecordCache.lastSessionsCollectionJobDurationMillis"]),
    ),
    gauge(
        "transactions.open",
        Of("{transaction}"),
        "Transactions that are open.",
        status(&["transactions.currentOpen"]),
    ),
    gauge(
        "transactions.active",
        Of("{transaction}"),
        "Open transactions with a command in progress.",
        status(&["transactions.currentActive"]),
    ),
    gauge(
        "transactions.inactive",
        Of("{transaction}"),
        "Open transactions without a command in progress.",
        status(&["transactions.currentInactive"]),
    ),
    gauge(
        "transactions.in_prepare",
        Of("{transaction}"),
        "Open transactions that are prepared.",
        status(&["transactions.currentPrepared"]),
    ),
    counter(
        "transactions.started",
        Of("{transaction}"),
        "Transactions started since the server started.",
        status(&["transactions.totalStarted"]),
    ),
    counter(
        "transactions.committed",
        Of("{transaction}"),
        "Transactions committed since the server started.",
        status(&["transactions.totalCommitted"]),
    ),
    counter(
        "transactions.aborted",
        Of("{transaction}"),
        "Transactions aborted since the server started.",
        status(&["transactions.totalAborted"]),
    ),
    counter(
        "transactions.retried_commands",
        Of("{command}"),
        "Retryable writes that arrived again after they had succeeded.",
        status(&["transactions.retriedCommandsCount"]),
    ),
    counter(
        "ttl.deleted_documents",
        Of("{document}"),
        "Documents that TTL indexes deleted.",
        status(&["metrics.ttl.deletedDocuments"]),
    ),
    counter(
        "ttl.passes",
        Of("{pass}"),
        "Passes of the job that deletes documents for TTL indexes.",
        status(&["metrics.ttl.passes"]),
    ),
    gauge(
        "catalog.collections",
        Of("{collection}"),
        "Collections of users, without system collections.",
        status(&["catalogStats.collections"]),
    ),
    gauge(
        "catalog.capped_collections",
        Of("{collection}"),
        "Capped collections of users.",
        status(&["catalogStats.capped"]),
    ),
    gauge(
        "catalog.timeseries_collections",
        Of("{collection}"),
        "Time series collections.",
        status(&["catalogStats.timeseries"]),
    ),
    gauge("catalog.views", Of("{view}"), "Views of users.", status(&["catalogStats.views"])),
];

const fn operations(paths: &'static [&'static str]) -> Source {
    status_by(
        "type",
        paths,
        &[
            ("insert", "insert"),
            ("query", "query"),
            ("update", "update"),
            ("delete", "delete"),
            ("getmore", "getmore"),
            ("command", "command"),
        ],
    )
}

const fn latencies(paths: &'static [&'static str]) -> Source {
    status_by(
        "type",
        paths,
        &[
            ("read", "reads"),
            ("write", "writes"),
            ("command", "commands"),
            ("transaction", "transactions"),
        ],
    )
}

const fn readers_and_writers(paths: &'static [&'static str]) -> Source {
    status_by("mode", paths, &[("read", "readers"), ("write", "writers")])
}

const fn tickets(paths: &'static [&'static str]) -> Source {
    status_by("mode", paths, &[("read", "read"), ("write", "write")])
}
