//! The table itself, in reading order: the rows of one file are one subject.
//!
//! Kinds and units follow MongoDB's manual for serverStatus, hello and replSetGetStatus, and the
//! names and comments of WiredTiger's statistics. A row with several paths heals a rename between
//! server versions: one name in all of them.

mod activity;
mod host;
mod members;
mod oplog;
mod process;
mod replication;
mod storage;
mod tls;

use super::row::Row;

/// All rows; each stands in one table only.
pub(super) const TABLES: &[&[Row]] = &[
    host::ROWS,
    tls::ROWS,
    process::ROWS,
    activity::ROWS,
    storage::ROWS,
    replication::ROWS,
    oplog::ROWS,
];
