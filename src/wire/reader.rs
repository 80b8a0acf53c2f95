//! The only door to bytes that a peer sent.

use super::WireError;

/// A bounded cursor over a slice. Every take names its field and fails instead of panicking.
#[derive(Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Whether everything was taken.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`WireError::TooShort`], naming `field`.
    pub fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], WireError> {
        let (taken, left) = self.left.split_at_checked(count).ok_or(WireError::TooShort {
            field,
            needed: count,
            left: self.left.len(),
        })?;
        self.left = left;
        Ok(taken)
    }

    /// Steps over the next `count` bytes.
    ///
    /// # Errors
    /// [`WireError::TooShort`], naming `field`.
    pub fn skip(&mut self, count: usize, field: &'static str) -> Result<(), WireError> {
        self.bytes(count, field).map(drop)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`WireError::TooShort`], naming `field`.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let (taken, left) = self.left.split_first_chunk().ok_or(WireError::TooShort {
            field,
            needed: N,
            left: self.left.len(),
        })?;
        self.left = left;
        Ok(*taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`WireError::TooShort`], naming `field`.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    /// A little-endian i32.
    ///
    /// # Errors
    /// [`WireError::TooShort`], naming `field`.
    pub fn i32(&mut self, field: &'static str) -> Result<i32, WireError> {
        self.array(field).map(i32::from_le_bytes)
    }

    /// A little-endian i32 that is a length: not negative.
    ///
    /// # Errors
    /// [`WireError::TooShort`] or [`WireError::BadLength`], naming `field`.
    pub fn length(&mut self, field: &'static str) -> Result<usize, WireError> {
        let claimed = self.i32(field)?;
        usize::try_from(claimed).map_err(|_| WireError::BadLength { field, claimed })
    }

    /// The bytes up to the next NUL, which is taken too.
    ///
    /// # Errors
    /// [`WireError::Unterminated`], naming `field`.
    pub fn cstring(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let end = self.left.iter().position(|&byte| byte == 0);
        let text = self.bytes(end.ok_or(WireError::Unterminated(field))?, field)?;
        self.skip(1, field)?;
        Ok(text)
    }

    /// A BSON string: length with its NUL, bytes, NUL.
    ///
    /// # Errors
    /// Like [`Reader::length`] and [`Reader::bytes`], naming `field`.
    pub fn string(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let length = self.length(field)?;
        match self.bytes(length, field)?.split_last() {
            Some((0, text)) => Ok(text),
            _ => Err(WireError::Unterminated(field)),
        }
    }

    /// A BSON document, as a reader over its elements.
    ///
    /// # Errors
    /// Like [`Reader::document_bytes`].
    pub fn document(&mut self, field: &'static str) -> Result<Reader<'a>, WireError> {
        let whole = self.document_bytes(field)?;
        Ok(Reader::new(whole.get(4..whole.len() - 1).unwrap_or_default()))
    }

    /// A BSON document with its length and its closing NUL.
    ///
    /// # Errors
    /// [`WireError::TooShort`], [`WireError::BadLength`] or [`WireError::Unterminated`], naming
    /// `field`.
    pub fn document_bytes(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let claimed = Reader::new(self.left).i32(field)?;
        let length = usize::try_from(claimed).ok().filter(|&length| length >= 5);
        let length = length.ok_or(WireError::BadLength { field, claimed })?;
        let whole = self.bytes(length, field)?;
        if whole.last() != Some(&0) {
            return Err(WireError::Unterminated(field));
        }
        Ok(whole)
    }

    /// Refuses what is left over.
    ///
    /// # Errors
    /// [`WireError::TrailingBytes`], naming `field`.
    pub fn finish(self, field: &'static str) -> Result<(), WireError> {
        match self.left.len() {
            0 => Ok(()),
            extra => Err(WireError::TrailingBytes { field, extra }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_field_and_the_size() {
        let refused = Reader::new(&[1, 2]).i32("flags").expect_err("two bytes are not four");
        assert_eq!(refused.to_string(), "flags needs 4 bytes, 2 are left");
        let refused = Reader::new(&[0xff; 4]).length("section").expect_err("-1 is no length");
        assert_eq!(refused.to_string(), "section claims length -1");
        let refused = Reader::new(b"abc").cstring("name").expect_err("no NUL");
        assert_eq!(refused.to_string(), "name is not terminated");
        assert_eq!(
            Reader::new(&[4, 0, 0, 0, 0]).document_bytes("document"),
            Err(WireError::BadLength { field: "document", claimed: 4 })
        );
        assert_eq!(
            Reader::new(&[0]).finish("message"),
            Err(WireError::TrailingBytes { field: "message", extra: 1 })
        );
    }
}
