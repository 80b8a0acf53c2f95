//! What went wrong, and what to do about it.

use std::fmt;

pub(crate) type Outcome<T> = Result<T, Trouble>;

/// A failure for a person to read: the fact, and the way out.
pub(crate) struct Trouble {
    fact: String,
    remedy: String,
}

impl Trouble {
    pub(crate) fn new(fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { fact: fact.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  what to do: {}", self.fact, self.remedy)
    }
}

/// The same text, because `expect` prints this one.
impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Trouble {}

impl From<std::io::Error> for Trouble {
    fn from(cause: std::io::Error) -> Self {
        Self::new(
            cause.to_string(),
            "check the permissions and the free space of the temporary folder",
        )
    }
}
