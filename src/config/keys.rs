//! The key table: every name that the configuration file may contain.
//!
//! It is the single source for the check of unknown and misplaced keys, for the check of values,
//! for the defaults, for `monitoring-agent list-settings` and for the test of the shipped file. A
//! new key is a row here and a field where it is used.

use std::{collections::HashMap, sync::LazyLock};

use super::value::Kind;

mod served;
mod unserved;

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// As it is written in the file, capitals included.
    pub(super) name: &'static str,
    /// Other names of the same key, from other versions of the original agent.
    pub(super) aliases: &'static [&'static str],
    /// Where it may stand.
    pub(super) place: Place,
    /// What its value looks like.
    pub(super) kind: Kind,
    /// The value that an absent or empty key stands for, as one would write it; empty for none.
    pub(super) default: &'static str,
    /// What this version does with it.
    pub(super) state: State,
    /// One clause; for a retired key, what replaces it.
    pub(super) meaning: &'static str,
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Above the first section.
    Top,
    /// In a `[host NAME]` section.
    Host,
    /// Above the first section for all hosts, and in a section for one.
    Both,
}

impl Place {
    /// Whether a key of this place may stand `here`, which is `Top` or `Host`.
    pub(super) fn includes(self, here: Self) -> bool {
        self == Self::Both || self == here
    }
}

/// What this version does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is in force.
    Served,
    /// A later version will serve it. Using it is an error: nobody shall believe that a
    /// certificate or a proxy is in use when it is not.
    Later,
    /// A key of the original agent without which the agent does the same, or less: a warning.
    NoEffect,
    /// A key of the original agent that will not come back: a warning that says what replaces it.
    Retired,
}

impl Key {
    const fn new(name: &'static str, place: Place, state: State, meaning: &'static str) -> Self {
        Self { name, aliases: &[], place, kind: Kind::Text, default: "", state, meaning }
    }

    const fn kind(mut self, kind: Kind, default: &'static str) -> Self {
        self.kind = kind;
        self.default = default;
        self
    }

    const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

/// All rows, those that are in force first.
pub(super) fn table() -> impl Iterator<Item = &'static Key> {
    served::ROWS.iter().chain(unserved::ROWS)
}

/// The row of a name or alias.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    static BY_NAME: LazyLock<HashMap<&str, &Key>> =
        LazyLock::new(|| table().flat_map(|key| names(key).map(move |name| (name, key))).collect());
    BY_NAME.get(name).copied()
}

/// The name of a key and its aliases.
pub(super) fn names(key: &'static Key) -> impl Iterator<Item = &'static str> {
    std::iter::once(key.name).chain(key.aliases.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_and_alias_is_unique_even_without_capitals() {
        let mut seen = HashSet::new();
        for name in table().flat_map(names) {
            assert!(seen.insert(name.to_lowercase()), "{name} stands twice");
            assert!(find(name).is_some_and(|key| names(key).any(|other| other == name)));
        }
    }

    /// The keys that the shipped file shows, with their place and value. Settings are written as
    /// `#key = value`, prose as `# text`.
    fn shipped() -> Vec<(&'static str, &'static str, Place)> {
        let mut place = Place::Top;
        let mut keys = Vec::new();
        for line in include_str!("../../monitoring-agent.config").lines() {
            let setting = line.strip_prefix('#').unwrap_or(line);
            if setting == "[host NAME]" {
                place = Place::Host;
            } else if let Some((name, value)) = setting.split_once(" =")
                && !name.contains(' ')
            {
                keys.push((name, value.trim(), place));
            }
        }
        keys
    }

    #[test]
    fn the_shipped_file_shows_every_served_key_once_in_each_place_with_its_default() {
        let default = |key: &Key| match key.name {
            "useSslForAllConnections" => "true",
            _ => key.default,
        };
        let served = table().filter(|key| key.state == State::Served);
        let mut expected: Vec<_> = served
            .flat_map(|key| [(key, Place::Top), (key, Place::Host)])
            .filter(|(key, place)| key.place.includes(*place))
            .map(|(key, place)| (key.name, default(key), place))
            .collect();
        let mut shipped = shipped();
        shipped.sort_by_key(|&(name, _, place)| (name, place == Place::Host));
        expected.sort_by_key(|&(name, _, place)| (name, place == Place::Host));
        assert_eq!(shipped, expected);
    }

    #[test]
    fn every_default_is_a_value_that_its_own_row_accepts() {
        for key in table().filter(|key| !key.default.is_empty()) {
            assert_eq!(key.kind.check(key.default), Ok(()), "{}", key.name);
        }
    }
}
