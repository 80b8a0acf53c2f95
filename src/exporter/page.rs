//! The pages that people read. None holds anything of the configuration.

use bytes::Bytes;

use crate::status::{DestinationState, HostState, Readiness, Snapshot};

/// The page at `/`.
pub(super) fn landing() -> Bytes {
    Bytes::from_static(LANDING.as_bytes())
}

const LANDING: &str = concat!(
    "<!DOCTYPE html>\n",
    "<html lang=\"en\">\n",
    "<head><meta charset=\"utf-8\"><title>monitoring-agent</title></head>\n",
    "<body>\n",
    "<h1>monitoring-agent ",
    env!("CARGO_PKG_VERSION"),
    "</h1>\n",
    "<ul>\n",
    "<li><a href=\"/metrics\">Metrics</a> of the MongoDB hosts and of the agent, for Prometheus</li>\n",
    "<li><a href=\"/readyz\">Readiness</a>: whether the agent does its work</li>\n",
    "<li><a href=\"/healthz\">Health</a>: whether the agent is alive</li>\n",
    "</ul>\n",
    "</body>\n",
    "</html>\n",
);

/// The page at `/readyz`: a word, then what stands behind it in numbers.
pub(super) fn readiness(snapshot: &Snapshot) -> String {
    let word = match snapshot.readiness {
        Readiness::Starting => "starting: not everything is in place yet",
        Readiness::Ready => "ready",
        Readiness::Stopping => "stopping",
    };
    let hosts = |state| snapshot.count_hosts(state);
    let destinations = |state| snapshot.count_destinations(state);
    format!(
        "{word}\n\
         hosts: {} up, {} down, {} not polled yet\n\
         destinations: {} delivering, {} retrying, {} held, {} refusing, {} not tried yet\n",
        hosts(HostState::Up),
        hosts(HostState::Down),
        hosts(HostState::Waiting),
        destinations(DestinationState::Delivering),
        destinations(DestinationState::Retrying),
        destinations(DestinationState::Held),
        destinations(DestinationState::Refusing),
        destinations(DestinationState::Waiting),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    #[test]
    fn readiness_is_said_in_a_word_and_in_numbers() {
        let status = Status::new(["a".into(), "b".into(), "c".into()], ["mms".into()]);
        status.set_host("a", HostState::Up);
        status.set_host("b", HostState::Down);
        status.set_destination("mms", DestinationState::Held);
        assert_eq!(
            readiness(&status.snapshot()),
            "starting: not everything is in place yet\n\
             hosts: 1 up, 1 down, 1 not polled yet\n\
             destinations: 0 delivering, 0 retrying, 1 held, 0 refusing, 0 not tried yet\n"
        );
        status.set_readiness(Readiness::Ready);
        assert!(readiness(&status.snapshot()).starts_with("ready\n"));
        status.set_readiness(Readiness::Stopping);
        assert!(readiness(&status.snapshot()).starts_with("stopping\n"));
    }
}
