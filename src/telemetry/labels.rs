//! The closed sets of labels of the agent's own metrics.

/// The paths of the exporter, as the label `path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathClass {
    /// `/metrics`
    Metrics,
    /// `/healthz`
    Healthz,
    /// `/readyz`
    Readyz,
    /// `/`
    Landing,
    /// Anything else; never the path itself, which is a stranger's.
    Other,
}

impl PathClass {
    pub(super) const ALL: [Self; 5] =
        [Self::Metrics, Self::Healthz, Self::Readyz, Self::Landing, Self::Other];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Healthz => "healthz",
            Self::Readyz => "readyz",
            Self::Landing => "landing",
            Self::Other => "other",
        }
    }
}

/// The first digit of a response's status, as the label `status`.
pub(super) const STATUS_CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];

/// Why a sample never reached a destination, as the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full and this was the oldest.
    QueueFull,
    /// The destination refuses its content.
    Refused,
    /// It is too large for the destination, alone in a request.
    TooLarge,
    /// The destination failed on it for minutes, and took another.
    Failing,
    /// The agent stopped before it could be delivered.
    Stopped,
}

impl DropReason {
    pub(super) const ALL: [Self; 5] =
        [Self::QueueFull, Self::Refused, Self::TooLarge, Self::Failing, Self::Stopped];

    /// The value of the label `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Failing => "failing",
            Self::Stopped => "stopped",
        }
    }
}

/// What became of a request to a destination, as the label `verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictClass {
    /// Taken.
    Delivered,
    /// To be tried again with growing delays.
    Retry,
    /// To be tried again slowly.
    Hold,
    /// The content was refused.
    Refused,
    /// Too large, to be split.
    Split,
}

impl VerdictClass {
    pub(super) const ALL: [Self; 5] =
        [Self::Delivered, Self::Retry, Self::Hold, Self::Refused, Self::Split];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Refused => "refused",
            Self::Split => "split",
        }
    }
}

/// What became of something that was read again, as the label `outcome`.
pub(super) const OUTCOMES: [&str; 2] = ["applied", "refused"];
