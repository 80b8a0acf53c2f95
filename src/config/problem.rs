//! What is wrong with a configuration, all of it at once, each with its line.

use std::{error, fmt, path::Path, sync::Arc};

/// More than this is not read by anybody; the rest is counted. It also bounds the work that a
/// file of garbage can cause.
const MAX_PROBLEMS: usize = 200;

/// One thing that is wrong or suspicious. Displayed as `FILE:LINE: key: what is wrong`; the text
/// never contains the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file.
    pub file: Arc<Path>,
    /// Counted from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// The key as it was written; empty when no key is meant.
    pub key: String,
    /// What is wrong and what is allowed, one clause.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.what)
    }
}

/// Everything that was found in one file. As an error it is displayed with one line for each
/// problem: first the errors, then the warnings, which begin with `warning: `.
#[derive(Clone, Debug)]
pub struct Problems {
    file: Arc<Path>,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    pub(super) fn new(file: &Path) -> Self {
        Self { file: Arc::from(file), errors: Vec::new(), warnings: Vec::new(), omitted: 0 }
    }

    /// What forbids to start, in the order of the lines; problems of the whole file come first.
    pub fn errors(&self) -> &[Problem] {
        &self.errors
    }

    /// What deserves a look, in the order of the lines.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Whether further errors will only be counted, so that their words need not be found.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_PROBLEMS
    }

    pub(super) fn error(&mut self, line: usize, key: &str, what: impl Into<String>) {
        let problem = self.problem(Some(line), key, what.into());
        self.push_error(problem);
    }

    /// An error of the file as a whole.
    pub(super) fn file_error(&mut self, key: &str, what: impl Into<String>) {
        let problem = self.problem(None, key, what.into());
        self.push_error(problem);
    }

    pub(super) fn warn(&mut self, line: usize, key: &str, what: impl Into<String>) {
        if self.warnings.len() < MAX_PROBLEMS {
            self.warnings.push(self.problem(Some(line), key, what.into()));
        }
    }

    /// Sorts by line and says whether the file may be used.
    pub(super) fn finish(mut self) -> Result<Vec<Problem>, Self> {
        self.errors.sort_by_key(|problem| problem.line);
        self.warnings.sort_by_key(|problem| problem.line);
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(self) }
    }

    fn problem(&self, line: Option<usize>, key: &str, what: String) -> Problem {
        Problem { file: Arc::clone(&self.file), line, key: key.to_owned(), what }
    }

    fn push_error(&mut self, problem: Problem) {
        if self.is_full() {
            self.omitted += 1;
        } else {
            self.errors.push(problem);
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.errors.iter().map(ToString::to_string);
        let omitted = (self.omitted > 0).then(|| {
            format!("{}: {} more errors are not shown", self.file.display(), self.omitted)
        });
        let warnings = self.warnings.iter().map(|problem| format!("warning: {problem}"));
        let lines: Vec<String> = errors.chain(omitted).chain(warnings).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_shown_in_the_order_of_their_lines_with_the_warnings_last() {
        let mut problems = Problems::new(Path::new("a.config"));
        problems.error(9, "hosts", "nine");
        problems.error(2, "", "two");
        problems.warn(1, "logLevel", "one");
        problems.file_error("", "whole");
        let shown = problems.finish().expect_err("there are errors").to_string();
        assert_eq!(
            shown,
            "a.config: whole\na.config:2: two\na.config:9: hosts: nine\n\
             warning: a.config:1: logLevel: one"
        );
    }

    #[test]
    fn a_flood_of_errors_is_cut_and_counted() {
        let mut problems = Problems::new(Path::new("a.config"));
        (1..=MAX_PROBLEMS + 3).for_each(|line| problems.error(line, "", "x"));
        let problems = problems.finish().expect_err("there are errors");
        assert_eq!(problems.errors().len(), MAX_PROBLEMS);
        assert!(problems.to_string().ends_with("\na.config: 3 more errors are not shown"));
    }
}
