//! From bytes to lines to entries, each with the line it stands on.
//!
//! `serde_ini` parses one line at a time: on its own it knows no line numbers, refuses comments
//! and section headers that are indented, and loses the first key behind a byte order mark.

use serde_ini::{Item, Parser, parse};

use super::Problems;

/// What was written, before anybody asks what it means.
#[derive(Default)]
pub(super) struct Document {
    /// The entries above the first section.
    pub(super) global: Vec<Entry>,
    /// The sections in the order of the file.
    pub(super) sections: Vec<Section>,
}

/// A section header and what stands below it.
pub(super) struct Section {
    /// The text between the brackets, trimmed; `None` when the header itself is broken, so that
    /// nothing below it is judged as if it belonged elsewhere.
    pub(super) header: Option<String>,
    /// The line of the header.
    pub(super) line: usize,
    /// The entries, duplicates included.
    pub(super) entries: Vec<Entry>,
}

/// One `key = value`. Not `Debug`: the value may be a password.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// Cuts a file into entries; `None` if it is no text at all. Every line that cannot be an entry is
/// reported without its words, because a broken line may hold a password.
pub(super) fn read(bytes: &[u8], problems: &mut Problems) -> Option<Document> {
    if let Some(what) = not_text(bytes) {
        problems.file_error("", what);
        return None;
    }
    let mut document = Document::default();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        match decode(line).and_then(item) {
            Ok(item) => document.take(item, number, problems),
            Err(Broken { header, what }) => {
                problems.error(number, "", what);
                if header {
                    document.open(None, number);
                }
            }
        }
    }
    Some(document)
}

/// What to say of a file that no line number helps with.
fn not_text(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        Some("the file is UTF-16, save it as UTF-8")
    } else if bytes.contains(&0) {
        Some("the file contains NUL bytes, so it is not a text file")
    } else if bytes.is_empty() {
        Some("the file is empty, write at least: hosts = db1.example.net")
    } else {
        None
    }
}

/// A line that is no item.
struct Broken {
    /// Whether it was meant to open a section.
    header: bool,
    what: String,
}

impl Broken {
    fn line(what: impl Into<String>) -> Self {
        Self { header: false, what: what.into() }
    }
}

/// The line as text, without what editors of other systems add.
fn decode(line: &[u8]) -> Result<&str, Broken> {
    let text = str::from_utf8(line).map_err(|error| {
        let byte = line.get(error.valid_up_to()).copied().unwrap_or_default();
        Broken::line(format!("byte {byte:#04x} is not UTF-8, save the file as UTF-8"))
    })?;
    // Byte order marks in the middle come from files that were put together.
    Ok(text.trim().trim_start_matches('\u{feff}').trim_start())
}

fn item(line: &str) -> Result<Item, Broken> {
    let header = line.starts_with('[');
    match Parser::from_str(line).next() {
        None => Ok(Item::Empty),
        Some(Ok(Item::Value { key, .. })) if key.is_empty() => {
            Err(Broken::line("there is no key before the =, write key = value"))
        }
        Some(Ok(item)) => Ok(item),
        Some(Err(error)) => Err(Broken { header, what: syntax(error).to_owned() }),
    }
}

fn syntax(error: parse::Error<impl Sized>) -> &'static str {
    match error {
        parse::Error::Syntax(parse::SyntaxError::SectionNotClosed) => {
            "the section header does not end with ], write [host NAME] alone on the line"
        }
        parse::Error::Syntax(parse::SyntaxError::SectionName) => {
            "the section header contains a second ], write [host NAME] with a plain name"
        }
        parse::Error::Syntax(parse::SyntaxError::MissingEquals) | parse::Error::Inner(_) => {
            "this line is not key = value, [section] or # comment"
        }
    }
}

impl Document {
    fn take(&mut self, item: Item, line: usize, problems: &mut Problems) {
        match item {
            Item::Empty | Item::Comment { .. } => {}
            Item::Section { name } => self.open(Some(name.trim().to_owned()), line),
            Item::Value { key, value } => {
                if let Some(character) = value.chars().find(|character| character.is_control()) {
                    let code = u32::from(character);
                    let what = format!("the value contains the control character U+{code:04X}");
                    problems.error(line, shown_key(&key), what);
                }
                self.entries().push(Entry { key, value, line });
            }
        }
    }

    fn open(&mut self, header: Option<String>, line: usize) {
        self.sections.push(Section { header, line, entries: Vec::new() });
    }

    fn entries(&mut self) -> &mut Vec<Entry> {
        match self.sections.last_mut() {
            Some(section) => &mut section.entries,
            None => &mut self.global,
        }
    }
}

/// A key as it may be printed: what is left of `=` on a broken line can be part of a password
/// (`password: hunter2=`), so only what looks like a name is shown.
pub(super) fn shown_key(key: &str) -> &str {
    /// The longest known key has 40 characters.
    const MAX_SHOWN: usize = 64;
    let name = key.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if name && key.len() <= MAX_SHOWN { key } else { "(not a key)" }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn document(bytes: &[u8]) -> (Document, Vec<String>) {
        let mut problems = Problems::new(Path::new("f"));
        let document = read(bytes, &mut problems).unwrap_or_default();
        let shown = match problems.finish() {
            Ok(_) => Vec::new(),
            Err(problems) => problems.errors().iter().map(ToString::to_string).collect(),
        };
        (document, shown)
    }

    fn entries(bytes: &[u8]) -> Vec<(String, String, usize)> {
        let (document, problems) = document(bytes);
        assert_eq!(problems, Vec::<String>::new());
        let entries = document.global.into_iter();
        entries.map(|entry| (entry.key, entry.value, entry.line)).collect()
    }

    #[test]
    fn every_way_to_write_an_entry_reads_the_same() {
        for bytes in [
            b"\na=1".as_slice(),
            b"# c\n a =  1 \n",
            b"  ; indented = comment\n\ta\t=\t1\t",
            b"  \t \r\na = 1\r\n",
            b"\xef\xbb\xbf\na = 1",
            b"# c\n\xef\xbb\xbfa = 1",
        ] {
            let expected = vec![("a".to_owned(), "1".to_owned(), 2)];
            assert_eq!(entries(bytes), expected, "{}", bytes.escape_ascii());
        }
        let first = vec![("a".to_owned(), "x=y # z".to_owned(), 1)];
        assert_eq!(entries(b"\xef\xbb\xbfa = x=y # z"), first);
    }

    #[test]
    fn sections_keep_their_line_and_their_entries() {
        let (document, problems) = document(b"a=1\n  [ host  x ] \nb=2\n[y]\n");
        assert_eq!(problems, Vec::<String>::new());
        let sections: Vec<_> = document
            .sections
            .iter()
            .map(|section| (section.header.as_deref(), section.line, section.entries.len()))
            .collect();
        assert_eq!(sections, [(Some("host  x"), 2, 1), (Some("y"), 4, 0)]);
    }

    #[test]
    fn a_broken_header_opens_a_section_of_its_own() {
        let (document, problems) = document(b"a=1\n[host x\nb=2\n[host [::1]]\n");
        assert_eq!(document.global.len(), 1);
        assert!(document.sections.iter().all(|section| section.header.is_none()));
        assert_eq!(
            problems,
            [
                "f:2: the section header does not end with ], write [host NAME] alone on the line",
                "f:4: the section header contains a second ], write [host NAME] with a plain name",
            ]
        );
    }

    #[test]
    fn what_is_no_text_is_said_once() {
        for (bytes, expected) in [
            (b"".as_slice(), "f: the file is empty, write at least: hosts = db1.example.net"),
            (b"a=1\n\0\0", "f: the file contains NUL bytes, so it is not a text file"),
            (b"\xff\xfea\0=\0", "f: the file is UTF-16, save it as UTF-8"),
            (b"a=1\nb=caf\xe9\n", "f:2: byte 0xe9 is not UTF-8, save the file as UTF-8"),
            (b"hunter2\n", "f:1: this line is not key = value, [section] or # comment"),
            (b" = hunter2\n", "f:1: there is no key before the =, write key = value"),
            (b"a = x\x1by", "f:1: a: the value contains the control character U+001B"),
        ] {
            assert_eq!(document(bytes).1, [expected]);
        }
    }

    #[test]
    fn only_what_looks_like_a_key_is_shown() {
        assert_eq!(shown_key("pollIntervalSecs"), "pollIntervalSecs");
        assert_eq!(shown_key("globalAuthPassword: hunter2"), "(not a key)");
        assert_eq!(shown_key(&"a".repeat(65)), "(not a key)");
    }
}
