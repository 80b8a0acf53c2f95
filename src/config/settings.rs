//! Entries held against the key table: what is unknown, misplaced, doubled, not in force or out of
//! range is reported here, and what is left can be used.

use std::collections::{HashMap, hash_map};

use serde::de::DeserializeOwned;
use serde_ini::Item;

use super::{
    Problems,
    keys::{self, Key, Place, State},
    nearest::nearest,
    reader::{Entry, shown_key},
    said::{Origin, Said},
    value::{Flag, Kind, deserialize},
};

/// What one part of the file sets: the part above the sections, or one section.
pub(super) struct Settings<'a> {
    place: Place,
    /// By the key's own name, whichever alias was written.
    written: HashMap<&'static str, Written<'a>>,
}

struct Written<'a> {
    entry: &'a Entry,
    /// Whether the value passed its row's check.
    usable: bool,
}

impl<'a> Settings<'a> {
    /// Checks every entry. A refused value is left out, so that the rest can still be judged.
    pub(super) fn check(place: Place, entries: &'a [Entry], problems: &mut Problems) -> Self {
        let mut settings = Self { place, written: HashMap::new() };
        for entry in entries {
            match keys::find(&entry.key) {
                None => unknown(entry, place, problems),
                Some(key) if !key.place.includes(place) => misplaced(key, entry, problems),
                Some(key) => settings.take(key, entry, problems),
            }
        }
        settings
    }

    /// The line where a key is set to something, valid or not.
    pub(super) fn line(&self, name: &str) -> Option<usize> {
        let written = self.written.get(name)?;
        (!written.entry.value.is_empty()).then_some(written.entry.line)
    }

    /// The line where a key stands without a value.
    pub(super) fn empty(&self, name: &str) -> Option<usize> {
        let written = self.written.get(name)?;
        written.entry.value.is_empty().then_some(written.entry.line)
    }

    /// Where a key is set to something, valid or not.
    pub(super) fn origin(&self, name: &'static str) -> Option<Origin> {
        Some(Origin::key(self.line(name)?, name))
    }

    /// A value with its place, if it was written here, and not left to its default.
    pub(super) fn said<T>(&self, name: &'static str, value: Option<T>) -> Option<Said<T>> {
        let written = self.written.get(name).filter(|written| written.usable)?;
        Some(Said { value: value?, by: Origin::key(written.entry.line, name) })
    }

    /// The name under which a key was written, which can be an alias.
    pub(super) fn spelled(&self, name: &'static str) -> &str {
        self.written.get(name).map_or(name, |written| &written.entry.key)
    }

    /// The usable values as fields of a `T`, with the defaults of the keys of this place alone:
    /// a section's default of a key for both places is the value above the sections.
    ///
    /// # Errors
    /// `T` and the key table do not fit together.
    pub(super) fn values<T: DeserializeOwned>(&self) -> Result<T, String> {
        let rows = keys::table().filter(|key| key.state == State::Served);
        let items = rows.filter(|key| key.place.includes(self.place)).filter_map(|key| {
            let written = self.written.get(key.name).filter(|written| written.usable);
            let inherited = self.place == Place::Host && key.place == Place::Both;
            let default = if inherited { "" } else { key.default };
            let value = written.map_or(default, |written| &written.entry.value);
            let item = || Item::Value { key: key.name.to_owned(), value: value.to_owned() };
            (!value.is_empty()).then(item)
        });
        deserialize(items)
    }

    fn take(&mut self, key: &'static Key, entry: &'a Entry, problems: &mut Problems) {
        match self.written.entry(key.name) {
            hash_map::Entry::Occupied(first) => doubled(first.get().entry, entry, problems),
            hash_map::Entry::Vacant(place) => {
                let usable = judge(key, entry, problems);
                place.insert(Written { entry, usable });
            }
        }
    }
}

/// Whether a value can be used.
fn judge(key: &Key, entry: &Entry, problems: &mut Problems) -> bool {
    let Entry { key: name, value, line } = entry;
    match key.state {
        State::NoEffect => {
            let what = format!("this version does nothing with it: {}", key.meaning);
            problems.warn(*line, name, what);
        }
        State::Retired => {
            problems.warn(*line, name, format!("retired, remove it: {}", key.meaning));
        }
        State::Later if says_default(key, value) => {}
        State::Later => {
            let what = format!(
                "this version does not have it yet, so it would not be in force ({}), remove it",
                key.meaning
            );
            problems.error(*line, name, what);
        }
        State::Served if value.is_empty() => {}
        State::Served => {
            suspicious(entry, problems);
            match key.kind.check(value) {
                Ok(()) => return true,
                Err(what) => problems.error(*line, name, what),
            }
        }
    }
    false
}

/// Whether a key that is not in force asks for no more than what is done anyway.
fn says_default(key: &Key, value: &str) -> bool {
    let flag = |text: &str| Flag::try_from(text.to_owned()).ok();
    let same = match key.kind {
        Kind::Flag => flag(value) == flag(key.default),
        _ => value.eq_ignore_ascii_case(key.default),
    };
    value.is_empty() || same
}

/// Warns of what other formats would cut off. The value itself may be a password.
fn suspicious(entry: &Entry, problems: &mut Problems) {
    let Entry { key, value, line } = entry;
    for comment in [" #", " ;"] {
        if value.contains(comment) {
            let what = format!(
                "the value contains {comment:?} and what follows it, comments stand on lines of \
                 their own"
            );
            problems.warn(*line, key, what);
        }
    }
    for quote in ['"', '\''] {
        if value.len() > 1 && value.starts_with(quote) && value.ends_with(quote) {
            problems.warn(*line, key, "the quotes around the value are taken as part of it");
        }
    }
}

fn doubled(first: &Entry, second: &Entry, problems: &mut Problems) {
    let what = if first.key == second.key {
        format!("set twice, first on line {}, keep one", first.line)
    } else {
        format!("another name of {}, which stands on line {}, keep one", first.key, first.line)
    };
    problems.error(second.line, &second.key, what);
}

fn misplaced(key: &Key, entry: &Entry, problems: &mut Problems) {
    let what = match key.place {
        Place::Host => "this key belongs in a [host NAME] section",
        Place::Top | Place::Both => "this key belongs above the first section",
    };
    problems.error(entry.line, &entry.key, what);
}

fn unknown(entry: &Entry, place: Place, problems: &mut Problems) {
    // Looking for the nearest name is the most expensive thing a line can ask for.
    let known = if problems.is_full() { None } else { suggestion(&entry.key, place) };
    let what = match known {
        Some(name) if name.eq_ignore_ascii_case(&entry.key) => {
            format!("unknown key, write {name}: capitals count")
        }
        Some(name) => format!("unknown key, did you mean {name}?"),
        None => "unknown key, `monitoring-agent list-settings` shows all".to_owned(),
    };
    problems.error(entry.line, shown_key(&entry.key), what);
}

/// The nearest name that may stand here; else the nearest of all.
fn suggestion(written: &str, place: Place) -> Option<&'static str> {
    let written = shown_key(written);
    let here = keys::table().filter(|key| key.place.includes(place)).flat_map(keys::names);
    nearest(written, here).or_else(|| nearest(written, keys::table().flat_map(keys::names)))
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;

    /// Every key that is in force in this place, each with a value.
    pub(in crate::config) fn every_served_key(place: Place) -> Vec<Entry> {
        let example = |key: &Key| match key.kind {
            Kind::Flag | Kind::Ssl => "true",
            Kind::Seconds { .. } => "7",
            Kind::LogLevel => "DEBUG",
            Kind::Listen => "off",
            Kind::Address | Kind::Hosts => "db1.example.net",
            Kind::BaseUrl => "https://ops.example.net",
            Kind::Mechanism => "SCRAM-SHA-256",
            Kind::GroupId | Kind::Database | Kind::Path | Kind::Text | Kind::Secret | Kind::Uri => {
                "x"
            }
        };
        keys::table()
            .filter(|key| key.state == State::Served && key.place.includes(place))
            .map(|key| Entry { key: key.name.to_owned(), value: example(key).to_owned(), line: 1 })
            .collect()
    }

    fn problems_of(place: Place, lines: &[(&str, &str)]) -> Vec<String> {
        let entries: Vec<Entry> = lines
            .iter()
            .enumerate()
            .map(|(index, (key, value))| Entry {
                key: (*key).to_owned(),
                value: (*value).to_owned(),
                line: index + 1,
            })
            .collect();
        let mut problems = Problems::new(Path::new("f"));
        Settings::check(place, &entries, &mut problems);
        match problems.finish() {
            Ok(warnings) => warnings.iter().map(|problem| format!("warning: {problem}")).collect(),
            Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn keys_that_are_not_in_force_are_never_silent() {
        for (key, value, expected) in [
            (
                "httpProxy",
                "http://proxy:3128",
                "f:1: httpProxy: this version does not have it yet, so it would not be in force (proxy towards the management server), remove it",
            ),
            (
                "gsappiServiceName",
                "mdb",
                "f:1: gsappiServiceName: this version does not have it yet, so it would not be in force (Kerberos login), remove it",
            ),
            (
                "metricNames",
                "percona",
                "f:1: metricNames: this version does not have it yet, so it would not be in force (which names the metrics bear), remove it",
            ),
            (
                "logFile",
                "/var/log/a",
                "warning: f:1: logFile: this version does nothing with it: the log goes to standard error, where the service manager keeps it",
            ),
            (
                "enableMunin",
                "True",
                "warning: f:1: enableMunin: retired, remove it: run node_exporter for the figures of the machine",
            ),
        ] {
            assert_eq!(problems_of(Place::Top, &[(key, value)]), [expected]);
        }
    }

    #[test]
    fn a_later_key_that_asks_for_nothing_is_no_problem() {
        let lines = [("httpProxy", ""), ("metricNames", "Native"), ("logFormat", "TEXT")];
        assert_eq!(problems_of(Place::Top, &lines), Vec::<String>::new());
    }

    #[test]
    fn warnings_do_not_repeat_the_value() {
        let lines = [("globalAuthPassword", "hunter2 # x ; y"), ("mmsApiKey", "\"hunter2\"")];
        assert_eq!(
            problems_of(Place::Top, &lines),
            [
                "warning: f:1: globalAuthPassword: the value contains \" #\" and what follows it, \
                 comments stand on lines of their own",
                "warning: f:1: globalAuthPassword: the value contains \" ;\" and what follows it, \
                 comments stand on lines of their own",
                "warning: f:2: mmsApiKey: the quotes around the value are taken as part of it",
            ]
        );
    }

    #[test]
    fn a_key_in_the_wrong_place_is_told_where_it_belongs() {
        assert_eq!(
            problems_of(Place::Host, &[("hosts", "db1"), ("adress", "db1")]),
            [
                "f:1: hosts: this key belongs above the first section",
                "f:2: adress: unknown key, did you mean address?",
            ]
        );
        assert_eq!(
            problems_of(Place::Top, &[("passwordFile", "x"), ("hots", "x")]),
            [
                "f:1: passwordFile: this key belongs in a [host NAME] section",
                "f:2: hots: unknown key, did you mean hosts?",
            ]
        );
    }
}
