//! Cutting messages from a stream of bytes.

use bytes::BytesMut;

use super::{HEADER_BYTES, Header, Reader, WireError};

/// No server sends more (its maxMessageSizeBytes); a greater claim is garbage or an attack, and is
/// refused before a byte of it is awaited or room for it is made.
pub const MAX_MESSAGE_BYTES: usize = 48_000_000;

/// One whole message.
#[derive(Debug)]
pub struct Message {
    header: Header,
    bytes: BytesMut,
}

impl Message {
    /// Its header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Takes the bytes out, for their room to be used again; the body is empty afterwards.
    pub fn take_bytes(&mut self) -> BytesMut {
        std::mem::take(&mut self.bytes)
    }

    /// What follows the header.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }
}

/// Takes the next message off `stream`; `None` while it is not whole.
///
/// # Errors
/// `Some(Err)` when no message can begin with these bytes: hang up.
pub fn next_message(stream: &mut BytesMut) -> Option<Result<Message, WireError>> {
    let length = match claimed_length(stream)? {
        Ok(length) => length,
        Err(error) => return Some(Err(error)),
    };
    if stream.len() < length {
        return None;
    }
    // Taken whole where it is whole: then its room is not shared, and can be used again.
    let bytes =
        if stream.len() == length { std::mem::take(stream) } else { stream.split_to(length) };
    Some(Header::read(&mut Reader::new(&bytes)).map(|header| Message { header, bytes }))
}

/// Whether a stream that ended begins like a TLS record: the alert of a server that expected a
/// ClientHello. Its first bytes are also a good length (0x15 0x03 …: 789 and more), so only the
/// end of the stream tells them apart.
pub fn ends_like_tls(stream: &[u8]) -> bool {
    matches!(stream, [0x15 | 0x16, 3, 0..=4, length @ ..] if length.len() < 789 - 3)
}

/// The checked length of the message that `stream` begins with.
fn claimed_length(stream: &BytesMut) -> Option<Result<usize, WireError>> {
    let first: [u8; 4] = *stream.first_chunk()?;
    let claimed = i32::from_le_bytes(first);
    Some(match usize::try_from(claimed) {
        Ok(length) if length > MAX_MESSAGE_BYTES => Err(match &first {
            // As lengths these are absurd, so they can be taken for what they are.
            b"HTTP" | b"<!DO" | b"<htm" => WireError::Http,
            _ => WireError::MessageTooLarge { claimed: length, limit: MAX_MESSAGE_BYTES },
        }),
        Ok(length) if length >= HEADER_BYTES => Ok(length),
        _ => Err(WireError::LengthBelowHeader(claimed)),
    })
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use proptest::prelude::*;

    use super::{super::*, *};

    /// A reply as servers send it, in either dialect.
    fn reply(dialect: Dialect, answers: i32, document: &[u8]) -> Vec<u8> {
        let (opcode, body): (i32, Vec<u8>) = match dialect {
            Dialect::OpMsg => (2013, [&[0; 5], document].concat()),
            Dialect::OpQuery => (1, [[0; 16].as_slice(), &1_i32.to_le_bytes(), document].concat()),
        };
        let length = i32::try_from(HEADER_BYTES + body.len()).expect("small");
        let fields = [length, 99, answers, opcode].map(i32::to_le_bytes);
        [fields.concat(), body].concat()
    }

    #[test]
    fn absurd_lengths_are_refused_before_their_bytes_are_awaited() {
        let refused = |first: &[u8]| {
            let mut stream = BytesMut::from(first);
            next_message(&mut stream).expect("decided").expect_err("refused").to_string()
        };
        assert_eq!(refused(&[15, 0, 0, 0]), "message claims 15 bytes, a header alone has 16");
        assert_eq!(refused(&[0xff; 4]), "message claims -1 bytes, a header alone has 16");
        assert_eq!(
            refused(&i32::MAX.to_le_bytes()),
            "message claims 2147483647 bytes, limit is 48000000"
        );
        assert_eq!(
            refused(b"HTTP/1.1 200 OK"),
            "the peer speaks HTTP, not the MongoDB wire protocol"
        );
    }

    /// A hello of 790 bytes begins with 0x16 0x03, as a TLS record does, and once was taken for one.
    #[test]
    fn every_length_up_to_the_limit_is_a_length_whatever_else_its_bytes_mean() {
        let lengths = (16..200_000).chain((200_000..MAX_MESSAGE_BYTES).step_by(9_973));
        for length in lengths.chain([MAX_MESSAGE_BYTES]) {
            let claimed = u32::try_from(length).expect("small").to_le_bytes();
            assert_eq!(claimed_length(&BytesMut::from(&claimed[..])), Some(Ok(length)));
        }
    }

    #[test]
    fn only_a_stream_that_ended_is_taken_for_the_alert_of_a_tls_server() {
        assert!(ends_like_tls(&[0x15, 3, 3, 0, 2, 2, 40]));
        assert!(!ends_like_tls(&[0x15, 3]));
        assert!(!ends_like_tls(&[0x10, 3, 0, 0]));
    }

    #[test]
    fn a_reply_to_another_request_or_of_another_opcode_is_refused() {
        let document = rawdoc! { "ok": 1 };
        let bytes = reply(Dialect::OpMsg, 7, document.as_bytes());
        let message = next_message(&mut BytesMut::from(&*bytes)).expect("whole").expect("framed");
        assert_eq!(decode(&message, 8), Err(WireError::UnexpectedReply { wanted: 8, got: 7 }));
        let bytes = encode(Dialect::OpQuery, 0, "admin", document.as_bytes());
        let message = next_message(&mut BytesMut::from(&*bytes)).expect("whole").expect("framed");
        assert_eq!(decode(&message, 0), Err(WireError::UnknownOpcode(2004)));
    }

    #[test]
    fn op_query_names_the_database_of_the_user_in_its_header() {
        let document = rawdoc! { "saslStart": 1 };
        let bytes = encode(Dialect::OpQuery, 0, "reporting", document.as_bytes());
        assert_eq!(bytes.get(20..36), Some(b"reporting.$cmd\0\0".as_slice()));
    }

    #[test]
    fn a_checksum_is_stepped_over_and_unknown_required_flags_are_refused() {
        let document = rawdoc! { "ok": 1 };
        let body = |flags: u32, tail: &[u8]| {
            [&flags.to_le_bytes(), [0].as_slice(), document.as_bytes(), tail].concat()
        };
        assert_eq!(op_msg::decode(&body(1, &[9; 4])), Ok(document.as_bytes()));
        assert_eq!(op_msg::decode(&body(1 << 16, &[])), Ok(document.as_bytes()));
        assert_eq!(op_msg::decode(&body(2, &[])), Err(WireError::UnknownFlags(2)));
        assert_eq!(
            op_msg::decode(&body(0, &[9; 4])),
            Err(WireError::TrailingBytes { field: "OP_MSG document", extra: 4 })
        );
    }

    proptest! {
        #[test]
        fn messages_are_cut_alike_however_the_stream_is_split(
            texts in proptest::collection::vec("[a-z]{0,40}", 1..5),
            cut in 1_usize..50,
            query in any::<bool>(),
        ) {
            let dialect = if query { Dialect::OpQuery } else { Dialect::OpMsg };
            let documents: Vec<_> = texts.iter().map(|text| rawdoc! { "t": text.as_str() }).collect();
            let bytes: Vec<u8> =
                documents.iter().flat_map(|document| reply(dialect, 5, document.as_bytes())).collect();
            let mut stream = BytesMut::new();
            let mut seen = Vec::new();
            for piece in bytes.chunks(cut) {
                stream.extend_from_slice(piece);
                while let Some(message) = next_message(&mut stream) {
                    seen.push(decode(&message.expect("framed"), 5).expect("decodes").to_vec());
                }
            }
            prop_assert!(stream.is_empty());
            prop_assert_eq!(seen, documents.into_iter().map(|d| d.into_bytes()).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut framed = i32::try_from(bytes.len() + 4).expect("small").to_le_bytes().to_vec();
            framed.extend_from_slice(&bytes);
            if let Some(Ok(message)) = next_message(&mut BytesMut::from(&*framed)) {
                let _ = decode(&message, message.header().response_to);
            }
        }
    }
}
