//! A value with the place where it was said, because a section and its URI can both speak of one
//! thing.

use std::fmt;

use super::Problems;

/// A usable value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) by: Origin,
}

/// A key, or a part of the URI. Displayed as it is named in a sentence of another line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) line: usize,
    key: &'static str,
    /// An option of the URI, or another part of it.
    part: Option<&'static str>,
}

impl<T> Said<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Said<U> {
        Said { value: change(self.value), by: self.by }
    }
}

impl Origin {
    pub(super) fn key(line: usize, key: &'static str) -> Self {
        Self { line, key, part: None }
    }

    pub(super) fn uri(line: usize, part: &'static str) -> Self {
        Self { line, key: "uri", part: Some(part) }
    }

    /// The option of the URI, in the spelling that was written, but with the usual capitals.
    pub(super) fn part(self) -> Option<&'static str> {
        self.part
    }

    pub(super) fn error(self, what: impl fmt::Display, problems: &mut Problems) {
        problems.error(self.line, self.key, self.clause(&what));
    }

    pub(super) fn warn(self, what: impl fmt::Display, problems: &mut Problems) {
        problems.warn(self.line, self.key, self.clause(&what));
    }

    fn clause(self, what: &dyn fmt::Display) -> String {
        match self.part {
            Some(part) => format!("{part}: {what}"),
            None => what.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, part } = self;
        match part {
            Some(part) => write!(f, "{part} in the uri on line {line}"),
            None => write!(f, "{key} on line {line}"),
        }
    }
}

/// What the section's key and the URI say together; to differ is an error that names both.
pub(super) fn agreed<T: PartialEq>(
    key: Option<Said<T>>,
    uri: Option<Said<T>>,
    problems: &mut Problems,
) -> Option<Said<T>> {
    if let (Some(key), Some(uri)) = (&key, &uri)
        && key.value != uri.value
    {
        let what = format!("says otherwise than {}, keep one of them", key.by);
        uri.by.error(what, problems);
    }
    key.or(uri)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_key_and_the_uri_may_say_the_same_and_nothing_else() {
        let key = |value| Some(Said { value, by: Origin::key(3, "ssl") });
        let uri = |value| Some(Said { value, by: Origin::uri(5, "tls") });
        let mut problems = Problems::new(Path::new("f"));
        assert_eq!(agreed(key(true), None, &mut problems), key(true));
        assert_eq!(agreed(None, uri(true), &mut problems), uri(true));
        assert_eq!(agreed(key(true), uri(true), &mut problems), key(true));
        assert_eq!(problems.errors(), []);
        agreed(key(true), uri(false), &mut problems);
        let shown = problems.finish().expect_err("they differ").to_string();
        assert_eq!(shown, "f:5: uri: tls: says otherwise than ssl on line 3, keep one of them");
        assert_eq!(Origin::uri(5, "tls").to_string(), "tls in the uri on line 5");
    }
}
