//! One pass over the bytes of a reply, telling a visitor of its numbers and texts.
//!
//! Why not the bson crate's iterator: it ends at the first key that is not UTF-8, and takes four
//! times as long. This walk is strict about lengths and lenient about content: what it does not
//! know how to read it steps over. Types and layouts: the BSON specification, version 1.1.

use super::Number;
use crate::wire::{Reader, WireError};

/// Deepest nesting that is followed; the server's own limit for documents is 200.
const MAX_DEPTH: usize = 200;

/// Told of each leaf, in document order. Keys are the raw bytes, without their NUL.
pub(super) trait Visitor {
    /// An embedded document or array begins.
    fn enter(&mut self, key: &[u8]);
    /// It ends.
    fn leave(&mut self);
    /// A leaf that can be read as a number: any numeric type, booleans as 0 and 1, dates as
    /// milliseconds since the epoch, timestamps as seconds since the epoch.
    fn number(&mut self, key: &[u8], number: Number);
    /// A text leaf, not necessarily UTF-8.
    fn text(&mut self, key: &[u8], text: &[u8]);
}

/// Walks one whole document.
///
/// # Errors
/// A length that does not fit its surroundings, an unknown element type (whose length nobody
/// knows), or nesting deeper than 200.
pub(super) fn walk(document: &[u8], visitor: &mut impl Visitor) -> Result<(), WireError> {
    let mut reader = Reader::new(document);
    elements(&mut reader.document("document")?, visitor, 0)?;
    reader.finish("document")
}

fn elements(
    reader: &mut Reader<'_>,
    visitor: &mut impl Visitor,
    depth: usize,
) -> Result<(), WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::TooDeep { limit: MAX_DEPTH });
    }
    while !reader.is_empty() {
        let kind = reader.u8("element type")?;
        let key = reader.cstring("element name")?;
        match kind {
            0x03 | 0x04 => {
                visitor.enter(key);
                elements(&mut reader.document("embedded document")?, visitor, depth + 1)?;
                visitor.leave();
            }
            0x02 => visitor.text(key, reader.string("string")?),
            _ => {
                if let Some(number) = scalar(kind, reader)? {
                    visitor.number(key, number);
                }
            }
        }
    }
    Ok(())
}

/// Reads a value that is neither document nor text; `None` for those that are not numbers.
fn scalar(kind: u8, reader: &mut Reader<'_>) -> Result<Option<Number>, WireError> {
    Ok(match kind {
        0x01 => Some(Number::Double(f64::from_le_bytes(reader.array("double")?))),
        0x08 => Some(Number::Integer(i64::from(reader.u8("boolean")? != 0))),
        0x09 | 0x12 => Some(Number::Integer(i64::from_le_bytes(reader.array("int64")?))),
        0x10 => Some(Number::Integer(i32::from_le_bytes(reader.array("int32")?).into())),
        0x11 => {
            let [_increment, seconds] = [reader.array("increment")?, reader.array("timestamp")?];
            Some(Number::Integer(u32::from_le_bytes(seconds).into()))
        }
        0x13 => decimal(reader.array("decimal128")?),
        0x06 | 0x0a | 0x7f | 0xff => None,
        0x07 => reader.skip(12, "object id").map(|()| None)?,
        0x05 => {
            let length = reader.length("binary")?;
            reader.skip(length + 1, "binary").map(|()| None)?
        }
        0x0b => {
            reader.cstring("regular expression")?;
            reader.cstring("regular expression")?;
            None
        }
        0x0c => {
            reader.string("pointer")?;
            reader.skip(12, "pointer").map(|()| None)?
        }
        0x0d | 0x0e => reader.string("code").map(|_| None)?,
        0x0f => reader.document("code with scope").map(|_| None)?,
        unknown => return Err(WireError::UnknownElement(unknown)),
    })
}

/// A decimal as the nearest double; `None` when it cannot be read.
fn decimal(bytes: [u8; 16]) -> Option<Number> {
    bson::Decimal128::from_bytes(bytes).to_string().parse().ok().map(Number::Double)
}
