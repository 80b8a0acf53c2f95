//! The numbers and texts of one reply, under an interned schema.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, OnceLock},
};

use super::{
    Interner, Schema,
    packed::{Packed, Packer},
    walk,
};
use crate::wire::WireError;

/// More numbers than this in one reply are left out; a 7.0 server's serverStatus has 2,200.
const MAX_NUMBERS: usize = 20_000;

/// More texts than this in one reply are left out; a 7.0 server's serverStatus has about 40.
const MAX_TEXTS: usize = 1_000;

/// Texts are cut here: they become labels, and no fact that the agent shows is longer.
const MAX_TEXT_BYTES: usize = 256;

/// A number as the server sent it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// int32, int64, boolean (0 and 1), date (milliseconds since the epoch), timestamp (seconds
    /// since the epoch).
    Integer(i64),
    /// double, decimal128.
    Double(f64),
}

impl Number {
    /// The nearest double.
    #[expect(clippy::cast_precision_loss, reason = "every receiver of metrics works in doubles")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Double(double) => double,
        }
    }

    /// The integer, or a double without its fraction, as servers change a path's type with its
    /// value. NaN is 0; what does not fit is the nearest that does.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as documented")]
    pub fn as_i64(self) -> i64 {
        match self {
            Self::Integer(integer) => integer,
            Self::Double(double) => double as i64,
        }
    }
}

/// The numbers and texts of one reply, in the order of its [`Schema`].
///
/// Packed, because one sample of each host is kept and many wait for their delivery: of a 6.0
/// server's 1,900 numbers most are small, and take 4 kB instead of 15.
#[derive(Debug)]
pub struct Columns {
    schema: Arc<Schema>,
    numbers: Packed,
    /// All texts, each followed by a NUL.
    texts: Box<str>,
}

impl Columns {
    /// Reads a reply. `last` is the schema of this host's previous reply: while the leaves stay
    /// the same, no path is built and no lock is taken.
    ///
    /// # Errors
    /// See [`WireError`]: the document's lengths do not fit, or it is nested too deep.
    pub fn read(
        document: &[u8],
        last: Option<&Arc<Schema>>,
        interner: &Interner,
    ) -> Result<Self, WireError> {
        let mut values = Values::new();
        walk::walk(document, &mut values)?;
        let hash = values.hasher.finish();
        let schema = match last.filter(|schema| schema.hash == hash) {
            Some(schema) => Arc::clone(schema),
            None => {
                let mut paths = Paths::default();
                walk::walk(document, &mut paths)?;
                interner.intern(hash, || Schema::new(hash, paths.numbers, paths.texts))
            }
        };
        Ok(Self { schema, numbers: values.numbers.finish(), texts: values.texts.into() })
    }

    /// The names of the columns.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The number in column `index`.
    pub fn number_at(&self, index: usize) -> Option<Number> {
        self.numbers.at(index)
    }

    /// The text in place `index` of [`Schema::texts`].
    pub fn text_at(&self, index: usize) -> Option<&str> {
        let text = self.texts.split_terminator('\0').nth(index)?;
        Some(text)
    }

    /// Heap memory of the numbers and texts, in bytes; the schema is shared and not counted.
    pub fn heap_bytes(&self) -> usize {
        self.numbers.heap_bytes() + self.texts.len()
    }

    /// The number at a dotted path.
    pub fn number(&self, path: &str) -> Option<Number> {
        self.number_at(self.schema.number_index(path)?)
    }

    /// The text at a dotted path.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.text_at(self.schema.text_index(path)?)
    }
}

/// Keyed once a process, so that no server can make two leaf sets collide on purpose.
fn hasher() -> impl Hasher {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::new).build_hasher()
}

/// Collects values and hashes the shape. Markers keep the hash injective: keys hold no NUL.
struct Values<H> {
    hasher: H,
    numbers: Packer,
    texts: String,
    text_count: usize,
}

impl Values<()> {
    fn new() -> Values<impl Hasher> {
        Values { hasher: hasher(), numbers: Packer::default(), texts: String::new(), text_count: 0 }
    }
}

impl<H: Hasher> walk::Visitor for Values<H> {
    fn enter(&mut self, key: &[u8]) {
        self.hasher.write(key);
        self.hasher.write_u16(0x0300);
    }

    fn leave(&mut self) {
        self.hasher.write_u16(0x0500);
    }

    fn number(&mut self, key: &[u8], number: Number) {
        if self.numbers.len() < MAX_NUMBERS {
            self.hasher.write(key);
            self.hasher.write_u16(0x0100);
            self.numbers.push(number);
        }
    }

    fn text(&mut self, key: &[u8], text: &[u8]) {
        if self.text_count == MAX_TEXTS {
            return;
        }
        self.text_count += 1;
        self.hasher.write(key);
        self.hasher.write_u16(0x0200);
        let cut = text.get(..MAX_TEXT_BYTES).unwrap_or(text);
        self.texts.push_str(&String::from_utf8_lossy(cut).replace('\0', "\u{fffd}"));
        self.texts.push('\0');
    }
}

/// Builds the paths of a schema; runs once for each new leaf set.
#[derive(Default)]
struct Paths {
    prefix: String,
    starts: Vec<usize>,
    numbers: Vec<Box<str>>,
    texts: Vec<Box<str>>,
}

impl Paths {
    fn path(&self, key: &[u8]) -> Box<str> {
        format!("{}{}", self.prefix, String::from_utf8_lossy(key)).into()
    }
}

impl walk::Visitor for Paths {
    fn enter(&mut self, key: &[u8]) {
        self.starts.push(self.prefix.len());
        self.prefix.push_str(&String::from_utf8_lossy(key));
        self.prefix.push('.');
    }

    fn leave(&mut self) {
        self.prefix.truncate(self.starts.pop().unwrap_or(0));
    }

    fn number(&mut self, key: &[u8], _: Number) {
        if self.numbers.len() < MAX_NUMBERS {
            self.numbers.push(self.path(key));
        }
    }

    fn text(&mut self, key: &[u8], _: &[u8]) {
        if self.texts.len() < MAX_TEXTS {
            self.texts.push(self.path(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_every_type_and_texts_are_found_by_path() {
        let document = rawdoc! {
            "ok": 1.0, "a": { "b": 7_i32, "c": [1_i64 << 40, true] },
            "when": bson::DateTime::from_millis(1234), "optime": bson::Timestamp { time: 9, increment: 1 },
            "nothing": bson::RawBson::Null, "host": "db1:27017", "price": "1.5".parse::<bson::Decimal128>().expect("a decimal"),
        };
        let columns =
            Columns::read(document.as_bytes(), None, &Interner::default()).expect("reads");
        assert_eq!(columns.number("ok"), Some(Number::Double(1.0)));
        assert_eq!(columns.number("a.b"), Some(Number::Integer(7)));
        assert_eq!(columns.number("a.c.0"), Some(Number::Integer(1 << 40)));
        assert_eq!(columns.number("a.c.1"), Some(Number::Integer(1)));
        assert_eq!(columns.number("when"), Some(Number::Integer(1234)));
        assert_eq!(columns.number("optime"), Some(Number::Integer(9)));
        assert_eq!(columns.number("price"), Some(Number::Double(1.5)));
        assert_eq!(columns.number("nothing"), None);
        assert_eq!(columns.text("host"), Some("db1:27017"));
    }

    #[test]
    fn a_number_that_changes_its_type_keeps_the_schema_and_a_new_leaf_does_not() {
        let interner = Interner::default();
        let read = |document: bson::RawDocumentBuf, last| {
            Columns::read(document.as_bytes(), last, &interner).expect("reads")
        };
        let integers = read(rawdoc! { "a": 1_i32, "b": { "c": 2_i32 } }, None);
        let doubles = read(rawdoc! { "a": 1.5, "b": { "c": 2_i64 } }, Some(integers.schema()));
        let moved = read(rawdoc! { "a": 1_i32, "b": {}, "c": 2_i32 }, Some(integers.schema()));
        assert!(Arc::ptr_eq(integers.schema(), doubles.schema()));
        assert_eq!(doubles.number("a"), Some(Number::Double(1.5)));
        assert_eq!(moved.number("b.c"), None);
        assert_eq!(moved.number("c"), Some(Number::Integer(2)));
    }

    #[test]
    fn nesting_beyond_the_limit_is_refused_without_exhausting_the_stack() {
        let mut bytes = vec![5, 0, 0, 0, 0];
        for _ in 0..100_000 {
            let length = u32::try_from(bytes.len() + 8).expect("small");
            bytes = [&length.to_le_bytes(), b"\x03a\0".as_slice(), &bytes, &[0]].concat();
            if bytes.len() > 4_000 {
                break;
            }
        }
        let refused = Columns::read(&bytes, None, &Interner::default()).err();
        assert_eq!(refused, Some(WireError::TooDeep { limit: 200 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_walk_panic(mut bytes in proptest::collection::vec(any::<u8>(), 5..200)) {
            let length = u32::try_from(bytes.len()).expect("small").to_le_bytes();
            bytes.splice(..4, length);
            *bytes.last_mut().expect("five bytes") = 0;
            let _ = Columns::read(&bytes, None, &Interner::default());
        }

        #[test]
        fn a_flipped_bit_of_a_real_reply_is_read_or_refused(at in 0_usize..400, bit in 0_u8..8) {
            let document = rawdoc! { "a": { "b": [1, 2.5, "three"] }, "c": true, "d": { "e": 1_i64 } };
            let mut bytes = document.into_bytes();
            let at = at % bytes.len();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            let _ = Columns::read(&bytes, None, &Interner::default());
        }
    }
}
