//! Watches MongoDB over TLS: one connection a host, a Prometheus endpoint, uploads over HTTPS.
//!
//! ```text
//!  monitoring-agent.config ──► config::Config
//!                                  │
//!                              app::build   binds the port · opens the spool · loads trust
//!                                  │ spawns
//!       ┌──────────────────────────┼──────────────────────────────────┐
//!       ▼                          ▼                                  ▼
//!  poller(host) × N            exporter ◄── scrape           upload(destination) × M ──► HTTPS
//!   session = dial·TLS·hello·login  ▲ reads                         ▲ reads, own cursor
//!       │ Sample                    │                               │
//!       ├────────────► latest ──────┘                               │
//!       └────────────► spool ───────────────────────────────────────┘
//! ```
//! Arrows never turn back. The modules stand in reading order, lowest layer first; what each may
//! name is in ARCHITECTURE.md, and tests/it/architecture.rs holds them to it.

pub mod backoff;
pub mod secret;
pub mod shutdown;
pub mod status;
pub mod telemetry;

pub mod wire;

pub mod mongo;

pub mod config;
pub mod logging;
pub mod ratchet;
pub mod tls;

pub mod net;
pub mod sample;

pub mod collect;
pub mod metrics;

pub mod latest;
pub mod spool;

pub mod poller;

pub mod exporter;
pub mod upload;

pub mod app;
pub mod cli;
