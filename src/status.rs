//! What the agent is about right now: written by those who do it, read by the exporter.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

/// The current state, shared: producers write, readers look or wait for a change.
#[derive(Clone, Debug)]
pub struct Status(Arc<watch::Sender<Snapshot>>);

/// The state at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Where the agent stands between its start and its end.
    pub readiness: Readiness,
    /// The hosts by name.
    pub hosts: BTreeMap<Arc<str>, HostState>,
    /// The destinations by name.
    pub destinations: BTreeMap<Arc<str>, DestinationState>,
}

/// Whether the agent does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not everything is in place yet.
    Starting,
    /// The port is bound, the state directory is held and the pollers run; whether any MongoDB
    /// answers makes no difference.
    Ready,
    /// It was asked to stop.
    Stopping,
}

/// How the last poll of a host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// The first poll has not ended.
    Waiting,
    /// It answered.
    Up,
    /// It did not; the log says why.
    Down,
}

/// How the last request to a destination ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestinationState {
    /// Nothing was sent yet.
    Waiting,
    /// What was sent was taken.
    Delivering,
    /// It failed, and is tried again with growing delays.
    Retrying,
    /// Only an operator can change the answer; it is asked again every few minutes.
    Held,
    /// It refuses what is sent, and that is lost.
    Refusing,
}

impl Status {
    /// All hosts and destinations waiting, the agent starting.
    pub fn new(
        hosts: impl IntoIterator<Item = Arc<str>>,
        destinations: impl IntoIterator<Item = Arc<str>>,
    ) -> Self {
        let waiting = |name| (name, DestinationState::Waiting);
        let snapshot = Snapshot {
            readiness: Readiness::Starting,
            hosts: hosts.into_iter().map(|name| (name, HostState::Waiting)).collect(),
            destinations: destinations.into_iter().map(waiting).collect(),
        };
        Self(Arc::new(watch::channel(snapshot).0))
    }

    /// Says where the agent stands. It never goes back: once stopping, always stopping.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.0.send_if_modified(|snapshot| {
            let changes =
                snapshot.readiness != readiness && snapshot.readiness != Readiness::Stopping;
            if changes {
                snapshot.readiness = readiness;
            }
            changes
        });
    }

    /// Takes the hosts of another configuration: new ones wait, those that are gone are forgotten.
    pub fn set_hosts(&self, names: impl IntoIterator<Item = Arc<str>>) {
        self.0.send_modify(|snapshot| renew(&mut snapshot.hosts, names, HostState::Waiting));
    }

    /// Takes the destinations of another configuration, as [`Status::set_hosts`] does.
    pub fn set_destinations(&self, names: impl IntoIterator<Item = Arc<str>>) {
        let waiting = DestinationState::Waiting;
        self.0.send_modify(|snapshot| renew(&mut snapshot.destinations, names, waiting));
    }

    /// Says how a host's poll ended. A host that is not known is left out.
    pub fn set_host(&self, name: &str, state: HostState) {
        self.0.send_if_modified(|snapshot| replace(&mut snapshot.hosts, name, state));
    }

    /// Says how a request to a destination ended. One that is not known is left out.
    pub fn set_destination(&self, name: &str, state: DestinationState) {
        self.0.send_if_modified(|snapshot| replace(&mut snapshot.destinations, name, state));
    }

    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        self.0.borrow().clone()
    }
}

impl Snapshot {
    /// How many hosts are in `state`.
    pub fn count_hosts(&self, state: HostState) -> usize {
        self.hosts.values().filter(|&&host| host == state).count()
    }

    /// How many destinations are in `state`.
    pub fn count_destinations(&self, state: DestinationState) -> usize {
        self.destinations.values().filter(|&&destination| destination == state).count()
    }
}

/// Keeps the states of the names that stay.
fn renew<S: Copy>(
    states: &mut BTreeMap<Arc<str>, S>,
    names: impl IntoIterator<Item = Arc<str>>,
    new: S,
) {
    let names = names.into_iter();
    *states = names.map(|name| (Arc::clone(&name), *states.get(&name).unwrap_or(&new))).collect();
}

/// Whether the state of `name` changed.
fn replace<S: PartialEq>(states: &mut BTreeMap<Arc<str>, S>, name: &str, new: S) -> bool {
    match states.get_mut(name) {
        Some(state) if *state != new => {
            *state = new;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status::new(["a".into(), "b".into()], ["mms".into()])
    }

    #[test]
    fn hosts_are_counted_by_state_and_strangers_are_left_out() {
        let status = status();
        status.set_host("a", HostState::Up);
        status.set_host("unknown", HostState::Up);
        let snapshot = status.snapshot();
        assert_eq!(snapshot.hosts.len(), 2);
        assert_eq!(snapshot.count_hosts(HostState::Up), 1);
        assert_eq!(snapshot.count_hosts(HostState::Waiting), 1);
    }

    #[test]
    fn an_agent_that_is_stopping_is_never_ready_again() {
        let status = status();
        assert_eq!(status.snapshot().readiness, Readiness::Starting);
        status.set_readiness(Readiness::Ready);
        status.set_readiness(Readiness::Stopping);
        status.set_readiness(Readiness::Ready);
        assert_eq!(status.snapshot().readiness, Readiness::Stopping);
    }

    #[test]
    fn only_a_change_wakes_whoever_watches() {
        let status = status();
        let mut watching = status.0.subscribe();
        status.set_destination("mms", DestinationState::Waiting);
        assert!(!watching.has_changed().expect("the sender lives"));
        status.set_destination("mms", DestinationState::Held);
        assert!(watching.has_changed().expect("the sender lives"));
        watching.mark_unchanged();
        assert_eq!(status.snapshot().count_destinations(DestinationState::Held), 1);
    }
}
