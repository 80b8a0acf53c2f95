//! The storage engine: WiredTiger's cache, checkpoints, journal and files.

use crate::metrics::row::{
    Measure::{Bytes, Microseconds, Milliseconds, Of, Plain},
    Row, counter, gauge, status, status_by,
};

pub(super) const ROWS: &[Row] = &[
    gauge(
        "wiredtiger.cache",
        Bytes,
        "Bytes in the cache.",
        status(&["wiredTiger.cache.bytes currently in the cache"]),
    ),
    gauge(
        "wiredtiger.cache.maximum",
        Bytes,
        "Bytes that the cache may hold.",
        status(&["wiredTiger.cache.maximum bytes configured"]),
    ),
    gauge(
        "wiredtiger.cache.dirty",
        Bytes,
        "Bytes in the cache that are not written yet.",
        status(&["wiredTiger.cache.tracked dirty bytes in the cache"]),
    ),
    gauge(
        "wiredtiger.cache.updates",
        Bytes,
        "Bytes in the cache that hold updates of pages.",
        status(&["wiredTiger.cache.bytes allocated for updates"]),
    ),
    gauge(
        "wiredtiger.cache.history_store",
        Bytes,
        "Bytes in the cache that belong to the history store.",
        status(&[
            "wiredTiger.cache.bytes belonging to the history store table in the cache",
            "wiredTiger.cache.bytes belonging to the cache overflow table in the cache",
        ]),
    ),
    gauge(
        "wiredtiger.cache.pages",
        Of("{page}"),
        "Pages in the cache.",
        status(&["wiredTiger.cache.pages currently held in the cache"]),
    ),
    gauge(
        "wiredtiger.cache.dirty_pages",
        Of("{page}"),
        "Pages in the cache that are not written yet.",
        status(&["wiredTiger.cache.tracked dirty pages in the cache"]),
    ),
    counter(
        "wiredtiger.cache.read",
        Bytes,
        "Bytes read into the cache.",
        status(&["wiredTiger.cache.bytes read into cache"]),
    ),
    counter(
        "wiredtiger.cache.written",
        Bytes,
        "Bytes written from the cache.",
        status(&["wiredTiger.cache.bytes written from cache"]),
    ),
    counter(
        "wiredtiger.cache.pages_read",
        Of("{page}"),
        "Pages read into the cache.",
        status(&["wiredTiger.cache.pages read into cache"]),
    ),
    counter(
        "wiredtiger.cache.pages_written",
        Of("{page}"),
        "Pages written from the cache.",
        status(&["wiredTiger.cache.pages written from cache"]),
    ),
    counter(
        "wiredtiger.cache.pages_requested",
        Of("{page}"),
        "Pages requested from the cache.",
        status(&["wiredTiger.cache.pages requested from the cache"]),
    ),
    counter(
        "wiredtiger.cache.application_read",
        Microseconds,
        "Time that threads of operations spent on reading pages from disk.",
        status(&["wiredTiger.cache.application threads page read from disk to cache time (usecs)"]),
    ),
    counter(
        "wiredtiger.cache.application_write",
        Microseconds,
        "Time that threads of operations spent on writing pages to disk.",
        status(&[
            "wiredTiger.cache.application threads page write from cache to disk time (usecs)",
        ]),
    ),
    counter(
        "wiredtiger.cache.space_timeouts",
        Of("{operation}"),
        "Operations that timed out waiting for space in the cache.",
        status(&["wiredTiger.cache.operations timed out waiting for space in cache"]),
    ),
    counter(
        "wiredtiger.eviction.pages",
        Of("{page}"),
        "Pages evicted from the cache.",
        status_by(
            "kind",
            &["wiredTiger.cache.* pages evicted"],
            &[("modified", "modified"), ("unmodified", "unmodified")],
        ),
    ),
    counter(
        "wiredtiger.eviction.application_pages",
        Of("{page}"),
        "Pages that threads of operations had to evict.",
        status(&["wiredTiger.cache.pages evicted by application threads"]),
    ),
    counter(
        "wiredtiger.eviction.application",
        Microseconds,
        "Time that threads of operations spent on evicting pages.",
        status(&["wiredTiger.thread-yield.application thread time evicting (usecs)"]),
    ),
    counter(
        "wiredtiger.eviction.failures",
        Of("{page}"),
        "Pages selected for eviction that could not be evicted.",
        status(&["wiredTiger.cache.pages selected for eviction unable to be evicted"]),
    ),
    counter(
        "wiredtiger.eviction.goal_misses",
        Of("{pass}"),
        "Times that eviction could not reach its goal.",
        status(&["wiredTiger.cache.eviction server unable to reach eviction goal"]),
    ),
    gauge(
        "wiredtiger.eviction.threads",
        Of("{thread}"),
        "Eviction threads that are active.",
        status(&["wiredTiger.cache.eviction worker thread active"]),
    ),
    gauge(
        "wiredtiger.history_store.file",
        Bytes,
        "Size of the history store's file.",
        status(&[
            "wiredTiger.cache.history store table on-disk size",
            "wiredTiger.cache.cache overflow table on-disk size",
        ]),
    ),
    counter(
        "wiredtiger.history_store.inserts",
        Of("{record}"),
        "Records inserted into the history store.",
        status(&[
            "wiredTiger.cache.history store table insert calls",
            "wiredTiger.cache.cache overflow table insert calls",
        ]),
    ),
    counter(
        "wiredtiger.checkpoints",
        Of("{checkpoint}"),
        "Checkpoints that were written.",
        status(&[
            "wiredTiger.transaction.transaction checkpoints",
            "wiredTiger.checkpoint.total succeed number of checkpoints",
        ]),
    ),
    gauge(
        "wiredtiger.checkpoint.running",
        Plain,
        "Whether a checkpoint is being written.",
        status(&["wiredTiger.transaction.transaction checkpoint currently running"]),
    ),
    counter(
        "wiredtiger.checkpoint.time",
        Milliseconds,
        "Time spent on checkpoints.",
        status(&[
            "wiredTiger.transaction.transaction checkpoint total time (msecs)",
            "wiredTiger.checkpoint.total time (msecs)",
        ]),
    ),
    gauge(
        "wiredtiger.checkpoint.last.duration",
        Milliseconds,
        "How long the last checkpoint took.",
        status(&[
            "wiredTiger.transaction.transaction checkpoint most recent time (msecs)",
            "wiredTiger.checkpoint.most recent time (msecs)",
        ]),
    ),
    gauge(
        "wiredtiger.checkpoint.longest.duration",
        Milliseconds,
        "How long the longest checkpoint took.",
        status(&[
            "wiredTiger.transaction.transaction checkpoint max time (msecs)",
            "wiredTiger.checkpoint.max time (msecs)",
        ]),
    ),
    counter(
        "wiredtiger.transactions.begun",
        Of("{transaction}"),
        "Transactions of the storage engine that began.",
        status(&["wiredTiger.transaction.transaction begins"]),
    ),
    counter(
        "wiredtiger.transactions.committed",
        Of("{transaction}"),
        "Transactions of the storage engine that were committed.",
        status(&["wiredTiger.transaction.transactions committed"]),
    ),
    counter(
        "wiredtiger.transactions.rolled_back",
        Of("{transaction}"),
        "Transactions of the storage engine that were rolled back.",
        status(&["wiredTiger.transaction.transactions rolled back"]),
    ),
    counter(
        "wiredtiger.update_conflicts",
        Of("{conflict}"),
        "Updates that met a conflict.",
        status(&["wiredTiger.transaction.update conflicts"]),
    ),
    counter(
        "wiredtiger.log.written",
        Bytes,
        "Bytes written to the journal.",
        status(&["wiredTiger.log.log bytes written"]),
    ),
    counter(
        "wiredtiger.log.payload",
        Bytes,
        "Bytes of data written to the journal, without its own records.",
        status(&["wiredTiger.log.log bytes of payload data"]),
    ),
    counter(
        "wiredtiger.log.writes",
        Of("{operation}"),
        "Writes to the journal.",
        status(&["wiredTiger.log.log write operations"]),
    ),
    counter(
        "wiredtiger.log.flushes",
        Of("{operation}"),
        "Flushes of the journal.",
        status(&["wiredTiger.log.log flush operations"]),
    ),
    counter(
        "wiredtiger.log.syncs",
        Of("{operation}"),
        "Syncs of the journal to disk.",
        status(&["wiredTiger.log.log sync operations"]),
    ),
    counter(
        "wiredtiger.log.sync",
        Microseconds,
        "Time spent on syncing the journal to disk.",
        status(&["wiredTiger.log.log sync time duration (usecs)"]),
    ),
    counter(
        "wiredtiger.blocks.read",
        Bytes,
        "Bytes read from the data files.",
        status(&["wiredTiger.block-manager.bytes read"]),
    ),
    counter(
        "wiredtiger.blocks.written",
        Bytes,
        "Bytes written to the data files.",
        status(&["wiredTiger.block-manager.bytes written"]),
    ),
    counter(
        "wiredtiger.blocks.written_for_checkpoints",
        Bytes,
        "Bytes written to the data files for checkpoints.",
        status(&["wiredTiger.block-manager.bytes written for checkpoint"]),
    ),
    counter(
        "wiredtiger.file_operations",
        Of("{operation}"),
        "Operations on files, by type.",
        status_by(
            "type",
            &["wiredTiger.connection.total * I/Os"],
            &[("read", "read"), ("write", "write"), ("fsync", "fsync")],
        ),
    ),
    gauge(
        "wiredtiger.files.open",
        Of("{file}"),
        "Files that are open.",
        status(&["wiredTiger.connection.files currently open"]),
    ),
    gauge(
        "wiredtiger.data_handles",
        Of("{handle}"),
        "Data handles in use, about one for each open collection and index.",
        status(&["wiredTiger.data-handle.connection data handles currently active"]),
    ),
    gauge(
        "wiredtiger.sessions",
        Of("{session}"),
        "Sessions of the storage engine that are open.",
        status(&["wiredTiger.session.open session count"]),
    ),
    gauge(
        "wiredtiger.cursors",
        Of("{cursor}"),
        "Cursors of the storage engine that are open.",
        status(&["wiredTiger.cursor.open cursor count"]),
    ),
    gauge(
        "backup_cursor_open",
        Plain,
        "Whether a backup holds a cursor open.",
        status(&["storageEngine.backupCursorOpen"]),
    ),
    gauge(
        "index_builds.active",
        Of("{build}"),
        "Index builds in progress.",
        status(&["activeIndexBuilds.total"]),
    ),
    counter(
        "index_builds.bulk",
        Of("{build}"),
        "Bulk builders of indexes that were started.",
        status(&["indexBulkBuilder.count"]),
    ),
];
