//! x
pub mod report;
pub use report::Report;
