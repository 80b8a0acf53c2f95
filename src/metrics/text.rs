//! The letters of the text exposition format, version 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::{borrow::Cow, fmt::Write};

use crate::sample::Number;

/// Label values from outside are cut here. Subjects and member names are shorter; receivers refuse
/// whole batches for values of some thousand bytes.
const MAX_LABEL_BYTES: usize = 512;

/// A text from outside as a label's value: bounded, without control characters, which would upset
/// terminals and some parsers. What was cut ends in `…`.
pub(super) fn label_value(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_LABEL_BYTES && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut value = String::with_capacity(MAX_LABEL_BYTES);
    for letter in text.chars() {
        if value.len() + letter.len_utf8() + '…'.len_utf8() > MAX_LABEL_BYTES {
            value.push('…');
            break;
        }
        value.push(if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter });
    }
    Cow::Owned(value)
}

/// Appends `,name="value"`, escaped; without the comma when `first`.
pub(super) fn push_label(out: &mut String, first: bool, name: &str, value: &str) {
    if !first {
        out.push(',');
    }
    out.push_str(name);
    out.push_str("=\"");
    if value.contains(['\\', '"', '\n']) {
        for letter in value.chars() {
            match letter {
                '\\' => out.push_str(r"\\"),
                '"' => out.push_str(r#"\""#),
                '\n' => out.push_str(r"\n"),
                other => out.push(other),
            }
        }
    } else {
        out.push_str(value);
    }
    out.push('"');
}

/// Appends a value in the spelling that Go's `ParseFloat` reads.
pub(super) fn push_number(out: &mut String, number: Number) {
    // Writing to a String cannot fail.
    let _ = match number {
        Number::Integer(integer) => write!(out, "{integer}"),
        Number::Double(double) if double.is_nan() => write!(out, "NaN"),
        Number::Double(double) if double.is_infinite() => {
            write!(out, "{}Inf", if double > 0.0 { '+' } else { '-' })
        }
        // Without an exponent the largest double has 309 digits.
        Number::Double(double)
            if double.abs() >= 1e21 || (double != 0.0 && double.abs() < 1e-7) =>
        {
            write!(out, "{double:e}")
        }
        Number::Double(double) => write!(out, "{double}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelt_as_the_format_asks() {
        let cases = [
            (Number::Integer(i64::MAX), "9223372036854775807"),
            (Number::Integer(0), "0"),
            (Number::Double(5.0), "5"),
            (Number::Double(0.045_897), "0.045897"),
            (Number::Double(1e300), "1e300"),
            (Number::Double(1.5e-9), "1.5e-9"),
            (Number::Double(0.0), "0"),
            (Number::Double(f64::NAN), "NaN"),
            (Number::Double(f64::INFINITY), "+Inf"),
            (Number::Double(f64::NEG_INFINITY), "-Inf"),
        ];
        for (number, expected) in cases {
            let mut out = String::new();
            push_number(&mut out, number);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let mut out = String::new();
        push_label(&mut out, true, "a", "plain é");
        push_label(&mut out, false, "b", "back\\slash \"quote\" new\nline");
        assert_eq!(out, r#"a="plain é",b="back\\slash \"quote\" new\nline""#);
    }

    #[test]
    fn label_values_from_outside_are_bounded_and_hold_no_control_characters() {
        assert_eq!(label_value("db1:27017"), "db1:27017");
        assert_eq!(label_value("a\u{1b}[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
        let cut = label_value(&"é".repeat(1_000)).into_owned();
        assert_eq!(cut.len(), 511);
        assert!(cut.starts_with('é') && cut.ends_with("é…"));
        assert_eq!(label_value(&"x".repeat(512)), "x".repeat(512));
    }
}
