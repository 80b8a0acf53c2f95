//! The way of a point from the table to whoever shows it.

use std::{borrow::Cow, collections::HashSet};

use super::{Family, Kind, text::label_value};
use crate::sample::Number;

/// Name and value of a label.
pub type Label<'a> = (&'a str, Cow<'a, str>);

/// Passes on the points of one family of one sample, and keeps back what no receiver must see.
pub(super) struct Points<'a> {
    family: &'a Family,
    each: &'a mut dyn FnMut(&Family, &[Label<'_>], Number),
    seen: HashSet<Vec<String>>,
}

impl<'a> Points<'a> {
    pub(super) fn new(
        family: &'a Family,
        each: &'a mut dyn FnMut(&Family, &[Label<'_>], Number),
    ) -> Self {
        Self { family, each, seen: HashSet::new() }
    }

    /// A point whose labels come from the agent's own lists.
    pub(super) fn closed(&mut self, labels: &[Label<'_>], number: Number) {
        // A counter that is below zero, or no number, would be taken for a restart of the server.
        if self.family.kind() != Kind::Counter || number.as_f64() >= 0.0 {
            (self.each)(self.family, labels, number);
        }
    }

    /// A point whose labels come from outside: values are cut to a sane length, labels without a
    /// value and series that were there already are left out.
    pub(super) fn open(&mut self, labels: &[Label<'_>], number: Number) {
        let present = labels.iter().filter(|(_, value)| !value.is_empty());
        let labels: Vec<Label<'_>> =
            present.map(|(name, value)| (*name, label_value(value))).collect();
        let key = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if self.seen.insert(key) {
            self.closed(&labels, number);
        }
    }

    /// The one point of an info family.
    pub(super) fn info(&mut self, labels: &[(&str, Option<&str>)]) {
        let labels: Vec<Label<'_>> =
            labels.iter().map(|(name, value)| (*name, value.unwrap_or("").into())).collect();
        self.open(&labels, Number::Integer(1));
    }
}
