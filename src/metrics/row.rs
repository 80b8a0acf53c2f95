//! The vocabulary of the table: what one row says.

use super::Points;
use crate::sample::{Collector, Number, Sample};

/// What a family's values mean over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only grows, and starts again at zero with the server. In OTLP: a monotonic, cumulative sum.
    Counter,
    /// Goes up and down.
    Gauge,
    /// The value is always 1 and the labels carry text. Exposed as a gauge, in OTLP too.
    Info,
}

/// A row of the table: one family of series.
#[derive(Debug)]
pub(super) struct Row {
    /// Dotted words that follow `mongodb.`, without the unit and without `total`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) measure: Measure,
    /// One sentence.
    pub(super) help: &'static str,
    pub(super) source: Source,
}

/// Where the points of a family come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Numbers of a reply.
    Reply(Collector, Series),
    /// Computed from the whole sample. The text says from what, for HELP.
    Derived(&'static str, fn(&Sample, &mut Points<'_>)),
}

/// Dotted paths of one fact in the versions of the server; the first that is found wins.
pub(super) type Paths = &'static [&'static str];

/// Which numbers of a reply become series.
#[derive(Debug)]
pub(super) enum Series {
    /// One series without a label.
    One(Paths),
    /// A series for each value of a closed label: its name, paths with `*`, and for each value
    /// what stands there in place of the `*`.
    By(&'static str, Paths, &'static [(&'static str, &'static str)]),
    /// A series for each key that stands where the path has `*`; the key is the label's value.
    Each(&'static str, &'static str),
    /// The same, labelled with the text at the second path, which has `*` for the same key.
    Named(&'static str, &'static str, &'static str),
}

/// What the server counts in, and by that the base unit that the agent shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// A bare number: a flag, a version.
    Plain,
    /// Things; the text is their UCUM annotation, for example `{operation}`.
    Of(&'static str),
    Bytes,
    Kibibytes,
    Mebibytes,
    Seconds,
    Milliseconds,
    Microseconds,
    Minutes,
    /// Milliseconds since the Unix epoch, 0 when there was none.
    Date,
    /// Seconds since the Unix epoch, 0 when there was none.
    Timestamp,
}

impl Measure {
    /// The base unit in UCUM, as OTLP wants it.
    pub(super) fn otlp_unit(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Of(things) => things,
            Self::Bytes | Self::Kibibytes | Self::Mebibytes => "By",
            _ => "s",
        }
    }

    /// The base unit as the last words of a Prometheus name.
    pub(super) fn suffix(self) -> &'static str {
        match self.otlp_unit() {
            "By" => "_bytes",
            "s" => "_seconds",
            _ => "",
        }
    }

    /// The number in base units. Integers stay integers unless they are divided.
    ///
    /// No fact of the table can be negative: a server's -1 means that it does not know, as 0 does
    /// where a date is expected, and what is not known is left out.
    pub(super) fn convert(self, number: Number) -> Option<Number> {
        let value = number.as_f64();
        let unknown = value < 0.0 || (value == 0.0 && matches!(self, Self::Date | Self::Timestamp));
        (!unknown).then(|| match self {
            Self::Plain | Self::Of(_) | Self::Bytes | Self::Seconds | Self::Timestamp => number,
            Self::Kibibytes => multiply(number, 1 << 10),
            Self::Mebibytes => multiply(number, 1 << 20),
            Self::Minutes => multiply(number, 60),
            Self::Milliseconds | Self::Date => Number::Double(value / 1e3),
            Self::Microseconds => Number::Double(value / 1e6),
        })
    }
}

fn multiply(number: Number, factor: i32) -> Number {
    if let Number::Integer(integer) = number
        && let Some(product) = integer.checked_mul(factor.into())
    {
        return Number::Integer(product);
    }
    Number::Double(number.as_f64() * f64::from(factor))
}

/// A row of kind [`Kind::Counter`].
pub(super) const fn counter(
    name: &'static str,
    measure: Measure,
    help: &'static str,
    source: Source,
) -> Row {
    Row { name, kind: Kind::Counter, measure, help, source }
}

/// A row of kind [`Kind::Gauge`].
pub(super) const fn gauge(
    name: &'static str,
    measure: Measure,
    help: &'static str,
    source: Source,
) -> Row {
    Row { name, kind: Kind::Gauge, measure, help, source }
}

/// A row of kind [`Kind::Info`].
pub(super) const fn info(name: &'static str, help: &'static str, source: Source) -> Row {
    Row { name, kind: Kind::Info, measure: Measure::Plain, help, source }
}

/// One series of serverStatus, found at the first of these paths that is there.
pub(super) const fn status(paths: Paths) -> Source {
    Source::Reply(Collector::ServerStatus, Series::One(paths))
}

/// Series of serverStatus for the values of a closed label.
pub(super) const fn status_by(
    label: &'static str,
    paths: Paths,
    values: &'static [(&'static str, &'static str)],
) -> Source {
    Source::Reply(Collector::ServerStatus, Series::By(label, paths, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_base_units_and_integers_stay_integers() {
        let cases = [
            (Measure::Bytes, Number::Integer(7), Some(Number::Integer(7))),
            (Measure::Bytes, Number::Double(1e19), Some(Number::Double(1e19))),
            (Measure::Mebibytes, Number::Integer(155), Some(Number::Integer(162_529_280))),
            (Measure::Mebibytes, Number::Double(1.5), Some(Number::Double(1_572_864.0))),
            (
                Measure::Mebibytes,
                Number::Integer(1 << 44),
                Some(Number::Double(18_446_744_073_709_551_616.0)),
            ),
            (Measure::Kibibytes, Number::Integer(2), Some(Number::Integer(2048))),
            (Measure::Minutes, Number::Integer(30), Some(Number::Integer(1800))),
            (Measure::Milliseconds, Number::Integer(1542), Some(Number::Double(1.542))),
            (Measure::Microseconds, Number::Integer(45_897), Some(Number::Double(0.045_897))),
            (Measure::Date, Number::Integer(1_500), Some(Number::Double(1.5))),
            (Measure::Timestamp, Number::Integer(9), Some(Number::Integer(9))),
        ];
        for (measure, number, expected) in cases {
            assert_eq!(measure.convert(number), expected, "{measure:?} {number:?}");
        }
    }

    #[test]
    fn what_a_server_does_not_know_is_left_out() {
        assert_eq!(Measure::Plain.convert(Number::Integer(-1)), None);
        assert_eq!(Measure::Seconds.convert(Number::Double(-0.5)), None);
        assert_eq!(Measure::Date.convert(Number::Integer(0)), None);
        assert_eq!(Measure::Timestamp.convert(Number::Integer(0)), None);
        assert_eq!(Measure::Bytes.convert(Number::Integer(0)), Some(Number::Integer(0)));
    }
}
