//! The last sample of each host: written by its poller, read by the exporter.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::sample::Sample;

/// The last samples. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Latest(Arc<RwLock<BTreeMap<Arc<str>, Arc<Sample>>>>);

impl Latest {
    /// Replaces the sample of its host.
    pub fn put(&self, sample: Arc<Sample>) {
        let name = Arc::clone(&sample.host.name);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, sample);
    }

    /// Forgets a host that is no longer watched.
    pub fn remove(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// One sample of each host that was polled, in the order of the hosts' names.
    pub fn all(&self) -> Vec<Arc<Sample>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::tests::sample;

    #[test]
    fn the_newest_sample_of_each_host_is_kept() {
        let latest = Latest::default();
        for (host, taken_at) in [("b", 1), ("a", 2), ("b", 3)] {
            latest.clone().put(sample(host, taken_at));
        }
        let all: Vec<_> =
            latest.all().iter().map(|it| (it.host.name.clone(), it.taken_at)).collect();
        assert_eq!(all, [("a".into(), 2), ("b".into(), 3)]);
    }
}
