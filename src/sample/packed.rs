//! A column of numbers in few bytes, with access to each.
//!
//! ```text
//! bytes   = value…            integer: zig-zag LEB128 (1 to 10 bytes); double: 8 bytes, little-endian
//! doubles = one bit a value   set where it is a double
//! starts  = one u32 a group   where values 0, 64, 128 … begin in `bytes`
//! ```

use super::Number;

/// Values between two entries of `starts`: to reach one, 32 others are stepped over on average.
const GROUP: usize = 64;

/// The numbers, packed.
#[derive(Debug, Default)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    doubles: Box<[u64]>,
    starts: Box<[u32]>,
}

/// Numbers being packed.
#[derive(Debug, Default)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    doubles: Vec<u64>,
    starts: Vec<u32>,
    len: usize,
}

impl Packer {
    /// How many numbers were pushed.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends a number.
    pub(super) fn push(&mut self, number: Number) {
        if self.len.is_multiple_of(GROUP) {
            self.doubles.push(0);
            // A reply's numbers are bounded (`MAX_NUMBERS`), and take at most 10 bytes each.
            self.starts.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        }
        match number {
            Number::Integer(integer) => put_integer(&mut self.bytes, integer),
            Number::Double(double) => {
                self.bytes.extend_from_slice(&double.to_le_bytes());
                if let Some(word) = self.doubles.last_mut() {
                    *word |= 1 << (self.len % GROUP);
                }
            }
        }
        self.len += 1;
    }

    /// The numbers, without room for more.
    pub(super) fn finish(self) -> Packed {
        Packed {
            bytes: self.bytes.into(),
            doubles: self.doubles.into(),
            starts: self.starts.into(),
        }
    }
}

impl Packed {
    /// The number pushed as the `index`-th, from 0.
    pub(super) fn at(&self, index: usize) -> Option<Number> {
        let (group, within) = (index / GROUP, index % GROUP);
        let doubles = *self.doubles.get(group)?;
        let mut bytes = self.bytes.get(*self.starts.get(group)? as usize..)?;
        for earlier in 0..within {
            skip(&mut bytes, doubles >> earlier & 1 == 1)?;
        }
        if doubles >> within & 1 == 1 {
            return Some(Number::Double(f64::from_le_bytes(*bytes.first_chunk()?)));
        }
        take_integer(bytes).map(Number::Integer)
    }

    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.doubles) + size_of_val(&*self.starts)
    }
}

fn put_integer(bytes: &mut Vec<u8>, integer: i64) {
    let mut left = (integer.cast_unsigned() << 1) ^ (integer >> 63).cast_unsigned();
    while left >= 0x80 {
        bytes.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    bytes.push(left.to_le_bytes()[0]);
}

fn take_integer(bytes: &[u8]) -> Option<i64> {
    let mut zigzag = 0_u64;
    for (byte, shift) in bytes.iter().zip((0..u64::BITS).step_by(7)) {
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
        }
    }
    None
}

fn skip(bytes: &mut &[u8], double: bool) -> Option<()> {
    let size = if double { 8 } else { bytes.iter().position(|byte| byte & 0x80 == 0)? + 1 };
    *bytes = bytes.get(size..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = Number> {
        prop_oneof![
            any::<i64>().prop_map(Number::Integer),
            (-100_i64..100).prop_map(Number::Integer),
            any::<u64>().prop_map(|bits| Number::Double(f64::from_bits(bits))),
        ]
    }

    fn bits(number: Option<Number>) -> Option<(bool, u64)> {
        number.map(|number| match number {
            Number::Integer(integer) => (false, integer.cast_unsigned()),
            Number::Double(double) => (true, double.to_bits()),
        })
    }

    proptest! {
        #[test]
        fn each_number_comes_back_to_the_bit(numbers in proptest::collection::vec(number(), 0..200)) {
            let mut packer = Packer::default();
            numbers.iter().for_each(|&number| packer.push(number));
            let packed = packer.finish();
            for (index, number) in numbers.iter().enumerate() {
                prop_assert_eq!(bits(packed.at(index)), bits(Some(*number)));
            }
            prop_assert_eq!(packed.at(numbers.len()), None);
        }
    }

    #[test]
    fn small_numbers_take_a_byte() {
        let mut packer = Packer::default();
        (0..64).for_each(|small| packer.push(Number::Integer(small - 32)));
        assert_eq!(packer.finish().heap_bytes(), 64 + 8 + 4);
    }
}
