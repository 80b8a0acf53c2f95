//! The known name that a misspelt one was probably meant to be.

/// The candidate with the fewest edits, capitals aside; `None` when all of them are too far away
/// to be what was meant.
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    let farthest = written.chars().count() / 3;
    candidates
        .map(|candidate| (edits(&written, &candidate.to_lowercase()), candidate))
        .filter(|&(edits, _)| edits <= farthest)
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance: insertions, deletions and substitutions that turn one into the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, have) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        if let Some(cell) = row.first_mut() {
            *cell = left;
        }
        for (cell, want) in row.iter_mut().skip(1).zip(to.chars()) {
            let substituted = diagonal + usize::from(have != want);
            diagonal = *cell;
            left = substituted.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_as_levenshtein_did() {
        for (from, to, expected) in [
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("", "abc", 3),
            ("abc", "", 3),
            ("same", "same", 0),
        ] {
            assert_eq!(edits(from, to), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn a_misspelling_finds_its_name_and_gibberish_finds_none() {
        let known = ["pollIntervalSecs", "hosts", "logLevel"];
        let found = |written| nearest(written, known.into_iter());
        assert_eq!(found("pollIntervallSecs"), Some("pollIntervalSecs"));
        assert_eq!(found("POLLINTERVALSECS"), Some("pollIntervalSecs"));
        assert_eq!(found("host"), Some("hosts"));
        assert_eq!(found("frobnicate"), None);
        assert_eq!(found(""), None);
    }
}
