//! The table of metrics, and the view of it under our own names. Pure: no I/O, no clock.
//!
//! A row says where a fact stands in a reply, what it is called, what kind of number it is and
//! what it is counted in; everything else (the names of Prometheus and OTLP, units, HELP with the
//! source) follows from the row ([`row`], [`rows`], [`family`]). Once for each new set of leaves,
//! the rows are resolved to columns ([`plan`]); after that, showing a sample is reading arrays
//! ([`view`]).

mod family;
mod plan;
mod points;
mod row;
mod rows;
mod text;
mod view;

use self::points::Points;
pub use self::{
    family::{Family, families},
    points::Label,
    row::Kind,
    view::View,
};

/// The law of the table, over all rows.
#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{
        plan::MAX_ELEMENTS,
        row::{Series, Source},
        *,
    };

    /// What Prometheus makes of an OTLP metric: the rules of its otlptranslator, with suffixes,
    /// for the units that the table uses and for ratios.
    fn translated(name: &str, unit: &str, kind: Kind) -> String {
        let letters = |letter: char| !letter.is_ascii_alphanumeric();
        let mut words: Vec<&str> = name.split(letters).filter(|word| !word.is_empty()).collect();
        let suffix = match unit {
            "By" => "bytes",
            "s" => "seconds",
            _ => "",
        };
        assert!(matches!(unit, "By" | "s" | "1" | "") || unit.starts_with('{'), "unit {unit}");
        if !suffix.is_empty() && !words.contains(&suffix) {
            words.push(suffix);
        }
        if kind == Kind::Counter {
            words.retain(|word| *word != "total");
            words.push("total");
        } else if unit == "1" {
            words.retain(|word| *word != "ratio");
            words.push("ratio");
        }
        words.join("_")
    }

    fn labels(family: &Family) -> Vec<&'static str> {
        match &family.row.source {
            Source::Reply(
                _,
                Series::By(label, ..) | Series::Each(label, _) | Series::Named(label, ..),
            ) => vec![label],
            _ => vec![],
        }
    }

    fn snake(name: &str) -> bool {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && !name.contains("__")
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    }

    #[test]
    fn an_otlp_receiver_arrives_at_the_prometheus_name_of_every_row() {
        for family in families() {
            let name = translated(family.otlp_name(), family.otlp_unit(), family.kind());
            assert_eq!(name, family.prometheus_name());
        }
    }

    #[test]
    fn the_table_has_the_families_that_dashboards_need_and_no_name_twice() {
        assert!(families().len() >= 150, "{}", families().len());
        let names: HashSet<_> = families().iter().map(Family::prometheus_name).collect();
        assert_eq!(names.len(), families().len());
        let names: HashSet<_> = families().iter().map(Family::otlp_name).collect();
        assert_eq!(names.len(), families().len());
    }

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let reserved = ["_count", "_sum", "_bucket", "_created"];
        let types = ["counter", "gauge", "histogram", "summary", "untyped"];
        for family in families() {
            let name = family.prometheus_name();
            assert!(snake(name), "{name}");
            assert!(!reserved.iter().any(|suffix| name.ends_with(suffix)), "{name}");
            assert!(!name.split('_').any(|word| types.contains(&word)), "{name}");
            assert_eq!(name.ends_with("_total"), family.kind() == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_info"), family.kind() == Kind::Info, "{name}");
            for label in labels(family) {
                assert!(snake(label) && label != "host", "{name} {label}");
            }
        }
    }

    #[test]
    fn help_is_one_sentence_and_names_the_source() {
        for family in families() {
            let (sentence, source) = family.help().split_once(" Source: ").expect("a source");
            assert!(sentence.starts_with(|first: char| first.is_ascii_uppercase()), "{sentence}");
            assert!(sentence.ends_with('.') && !sentence.contains(". "), "{sentence}");
            assert!(source.ends_with('.') && source.len() > 3, "{source}");
        }
        let help = |name| families().iter().find(|family| family.prometheus_name() == name);
        let received = help("mongodb_network_received_bytes_total").expect("a family");
        assert_eq!(
            received.help(),
            "Bytes received from clients and members, after decompression. \
             Source: serverStatus network.bytesIn."
        );
    }

    #[test]
    fn labels_are_closed_and_no_row_reads_one_path_for_two_values() {
        for family in families() {
            let name = family.prometheus_name();
            match &family.row.source {
                Source::Reply(_, Series::One(paths)) => {
                    assert!(paths.iter().all(|path| !path.contains('*')), "{name}");
                }
                Source::Reply(_, Series::By(_, paths, values)) => {
                    assert!(paths.iter().all(|path| path.matches('*').count() == 1), "{name}");
                    let distinct: HashSet<_> = values.iter().map(|(value, _)| value).collect();
                    let keys: HashSet<_> = values.iter().map(|(_, key)| key).collect();
                    assert_eq!(
                        (distinct.len(), keys.len()),
                        (values.len(), values.len()),
                        "{name}"
                    );
                }
                Source::Reply(_, Series::Each(_, path)) => {
                    assert_eq!(path.matches('*').count(), 1, "{name}");
                }
                Source::Reply(_, Series::Named(_, path, text)) => {
                    assert_eq!((path.matches('*').count(), text.matches('*').count()), (1, 1));
                }
                Source::Derived(..) => {}
            }
        }
    }

    #[test]
    fn the_table_itself_keeps_a_host_below_its_budget_of_ten_thousand_series() {
        let most = |family: &Family| match &family.row.source {
            Source::Reply(_, Series::One(_)) => 1,
            Source::Reply(_, Series::By(_, _, values)) => values.len(),
            Source::Reply(..) => MAX_ELEMENTS,
            // A state for each member is the most; the others have short lists of their own.
            Source::Derived(..) if family.otlp_name().contains("member") => 10 * MAX_ELEMENTS,
            Source::Derived(..) => 20,
        };
        let bound: usize = families().iter().map(most).sum();
        assert!(bound < 10_000, "{bound}");
    }
}
