//! The names of the columns, shared by all hosts whose replies have the same leaves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The leaves of one reply, in the order in which a walk meets them.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// A keyed hash of the leaf set: two schemas with the same hash in one process are the same.
    pub hash: u64,
    /// Dotted path of each number; array elements are numbered (`members.0.health`).
    pub numbers: Box<[Box<str>]>,
    /// Dotted path of each text.
    pub texts: Box<[Box<str>]>,
    /// Indexes into `numbers` in the order of the paths, for look-ups by path.
    sorted: Box<[u32]>,
}

impl Schema {
    /// A schema of these paths, in walk order. A path that stands twice (a document with a
    /// doubled key) is found at its first place.
    pub fn new(hash: u64, numbers: Vec<Box<str>>, texts: Vec<Box<str>>) -> Self {
        let mut sorted: Vec<u32> = (0..).take(numbers.len()).collect();
        sorted.sort_by_key(|&index| numbers.get(index as usize));
        Self { hash, numbers: numbers.into(), texts: texts.into(), sorted: sorted.into() }
    }

    /// Where the number at `path` stands in the columns.
    pub fn number_index(&self, path: &str) -> Option<usize> {
        let at = |&index: &u32| self.numbers.get(index as usize).map(AsRef::as_ref);
        let first = self.sorted.partition_point(|index| at(index) < Some(path));
        let found = self.sorted.get(first)?;
        (at(found) == Some(path)).then_some(*found as usize)
    }

    /// Where the text at `path` stands. Texts are few, so this looks at each.
    pub fn text_index(&self, path: &str) -> Option<usize> {
        self.texts.iter().position(|text| text.as_ref() == path)
    }
}

/// Hands out one [`Schema`] for each distinct leaf set, and forgets those that nobody holds.
#[derive(Debug, Default)]
pub struct Interner {
    known: Mutex<HashMap<u64, Weak<Schema>>>,
}

impl Interner {
    /// The schema with this hash, built by `build` unless some host already uses it.
    pub fn intern(&self, hash: u64, build: impl FnOnce() -> Schema) -> Arc<Schema> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.get(&hash).and_then(Weak::upgrade) {
            return schema;
        }
        // Only a new leaf set costs a sweep, so the map stays as small as the set in use.
        known.retain(|_, schema| schema.strong_count() > 0);
        let schema = Arc::new(build());
        known.insert(hash, Arc::downgrade(&schema));
        schema
    }

    /// How many schemas are in use.
    pub fn len(&self) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|schema| schema.strong_count() > 0).count()
    }

    /// Whether no schema is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(hash: u64) -> Schema {
        Schema::new(hash, vec!["b".into(), "a".into(), "b".into()], vec!["t".into()])
    }

    #[test]
    fn paths_are_found_where_they_stand_first() {
        let schema = schema(1);
        assert_eq!(schema.number_index("a"), Some(1));
        assert_eq!(schema.number_index("b"), Some(0));
        assert_eq!(schema.number_index("c"), None);
        assert_eq!(schema.text_index("t"), Some(0));
    }

    #[test]
    fn hosts_with_the_same_leaves_share_one_schema_and_unused_ones_are_forgotten() {
        let interner = Interner::default();
        let first = interner.intern(1, || schema(1));
        let second = interner.intern(1, || unreachable!("the schema is in use"));
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        let _other = interner.intern(2, || schema(2));
        assert_eq!(interner.len(), 1);
        assert_eq!(interner.known.lock().expect("not poisoned").len(), 1);
    }
}
