//! What an answer means for OTLP: a pure table.
//!
//! Sources: the OTLP specification, "OTLP/HTTP Response", and RFC 9110. The agent departs from
//! the specification in two places, both so that a hiccup loses nothing: 408 and every 5xx are
//! tried again (the specification allows that for 429, 502, 503 and 504 only), and what only an
//! operator can change (credentials, address, certificate) keeps the data instead of dropping it.

use std::time::Duration;

use crate::telemetry::VerdictClass;

/// What came back for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A response.
    Status {
        /// The HTTP status code.
        code: u16,
        /// The header `Retry-After`, read and capped.
        retry_after: Option<Duration>,
        /// Data points that the receiver says it left out of what it took.
        rejected: u64,
    },
    /// None: no connection, cut, or too late.
    Silence,
    /// None, because the two sides do not trust each other, or the peer does not speak TLS.
    Distrust,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Taken, except for this many data points, which must not be sent again.
    Delivered {
        /// Data points that were left out.
        rejected: u64,
    },
    /// Try again, not before this has passed, and with growing delays.
    Retry {
        /// What the server asked for.
        not_before: Option<Duration>,
        /// Whether the request itself may be what the server fails on (5xx).
        suspicious: bool,
    },
    /// Keep the data and try slowly: only an operator can change the answer.
    Hold {
        /// What the operator can do.
        why: &'static str,
    },
    /// The content is refused: the same request must not be sent again.
    Refused,
    /// Too large: the same request must not be sent again, but its halves may.
    Split,
}

/// The table.
pub(super) fn judge(answer: &Answer) -> Verdict {
    match *answer {
        Answer::Silence => Verdict::Retry { not_before: None, suspicious: false },
        Answer::Distrust => Verdict::Hold { why: "that must be set right first" },
        Answer::Status { code, retry_after, rejected } => match code {
            200..=299 => Verdict::Delivered { rejected },
            408 | 429 => Verdict::Retry { not_before: retry_after, suspicious: false },
            500..=599 => Verdict::Retry { not_before: retry_after, suspicious: true },
            413 => Verdict::Split,
            400 | 409 | 422 => Verdict::Refused,
            // Not of the content, so the data is kept; the table of codes is open-ended.
            _ => Verdict::Hold { why: way_out(code) },
        },
    }
}

/// What an operator can do about a status that holds deliveries.
fn way_out(code: u16) -> &'static str {
    match code {
        300..=399 => "redirects are not followed: set mmsBaseUrl to the address it points to",
        401 => "check mmsGroupId and mmsApiKey",
        403 => "the user mmsGroupId may not send metrics there: check its rights and mmsApiKey",
        404 | 405 | 410 => "no OTLP receiver listens at this path: check mmsBaseUrl and mmsGroupId",
        402 => "the server asks for a payment",
        407 => "a proxy in between asks for credentials",
        415 => "the server does not take OTLP as protobuf with gzip: check mmsBaseUrl",
        _ => "check mmsBaseUrl and the server's log",
    }
}

impl Verdict {
    /// Its label.
    pub(super) fn class(&self) -> VerdictClass {
        match self {
            Self::Delivered { .. } => VerdictClass::Delivered,
            Self::Retry { .. } => VerdictClass::Retry,
            Self::Hold { .. } => VerdictClass::Hold,
            Self::Refused => VerdictClass::Refused,
            Self::Split => VerdictClass::Split,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written out apart from the code: every status that HTTP can carry.
    fn expected(code: u16) -> VerdictClass {
        const RETRY: [u16; 2] = [408, 429];
        const REFUSED: [u16; 3] = [400, 409, 422];
        match code {
            413 => VerdictClass::Split,
            _ if (200..300).contains(&code) => VerdictClass::Delivered,
            _ if (500..600).contains(&code) || RETRY.contains(&code) => VerdictClass::Retry,
            _ if REFUSED.contains(&code) => VerdictClass::Refused,
            _ => VerdictClass::Hold,
        }
    }

    #[test]
    fn every_status_with_and_without_retry_after_has_its_verdict() {
        for code in 100..=999 {
            for retry_after in [None, Some(Duration::ZERO), Some(Duration::from_secs(17))] {
                let answer = Answer::Status { code, retry_after, rejected: 3 };
                let verdict = judge(&answer);
                assert_eq!(verdict.class(), expected(code), "{answer:?}");
                match verdict {
                    Verdict::Retry { not_before, suspicious } => {
                        assert_eq!(not_before, retry_after, "{answer:?}");
                        assert_eq!(suspicious, code >= 500, "{answer:?}");
                    }
                    Verdict::Delivered { rejected } => assert_eq!(rejected, 3),
                    Verdict::Hold { why } => assert!(!why.is_empty()),
                    Verdict::Refused | Verdict::Split => {}
                }
            }
        }
    }

    #[test]
    fn without_an_answer_nothing_is_given_up() {
        let retry = Verdict::Retry { not_before: None, suspicious: false };
        assert_eq!(judge(&Answer::Silence), retry);
        assert_eq!(judge(&Answer::Distrust).class(), VerdictClass::Hold);
    }
}
