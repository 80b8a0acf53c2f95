//! What an endpoint of the agent answered, and the metrics in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::trouble::{Outcome, Trouble};

/// Longer than any endpoint may take.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// A whole HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Asks once, over a connection of its own.
pub(crate) fn fetch(address: SocketAddr, path: &str) -> Outcome<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request.as_bytes())?;
    let text = String::from_utf8(answer).map_err(|_| malformed("it is not UTF-8"))?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| malformed("it has no body"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| malformed("it has no status"))?,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

/// Sends bytes and reads until the other side closes.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Outcome<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, READ_LIMIT)?;
    stream.set_read_timeout(Some(READ_LIMIT))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn malformed(why: &str) -> Trouble {
    Trouble::new(format!("the agent's HTTP answer is malformed: {why}"), "report this")
}

/// The samples of one answer of `/metrics`, by name and labels.
#[derive(Clone)]
pub(crate) struct Exposition {
    samples: BTreeMap<(String, Labels), f64>,
    families: BTreeSet<String>,
}

type Labels = BTreeMap<String, String>;

impl Exposition {
    /// Reads the text format 0.0.4 and refuses what a strict reader would: a sample without TYPE, a
    /// series that stands twice, a value that is no number.
    pub(crate) fn read(text: &str) -> Outcome<Self> {
        let mut exposition = Self { samples: BTreeMap::new(), families: BTreeSet::new() };
        for line in text.lines() {
            exposition
                .take(line)
                .map_err(|why| Trouble::new(format!("{why} in the line: {line}"), "report this"))?;
        }
        Ok(exposition)
    }

    fn take(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(of_type) = line.strip_prefix("# TYPE ") {
            let (family, _) = of_type.split_once(' ').ok_or("no type")?;
            return self.families.insert(family.to_owned()).then_some(()).ok_or("second TYPE");
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (name, rest) = line.split_once(['{', ' ']).ok_or("no value")?;
        if !self.families.contains(name) && !self.is_part_of_a_histogram(name) {
            return Err("sample before its TYPE");
        }
        let (labels, value) = match line.as_bytes().get(name.len()) {
            Some(b'{') => read_labels(rest)?,
            _ => (Labels::new(), rest),
        };
        let value = value.trim().parse().map_err(|_| "a value that is no number")?;
        let key = (name.to_owned(), labels);
        self.samples.insert(key, value).is_none().then_some(()).ok_or("second sample")
    }

    fn is_part_of_a_histogram(&self, name: &str) -> bool {
        ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .any(|family| self.families.contains(family))
    }

    /// The value of the one series that has these labels, and perhaps others.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        match self.matching(name, labels).as_slice() {
            [(_, value)] => Some(*value),
            _ => None,
        }
    }

    /// All series of a name that have these labels.
    pub(crate) fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(&Labels, f64)> {
        let wanted = |found: &Labels| {
            labels.iter().all(|(key, value)| found.get(*key).is_some_and(|it| it == value))
        };
        self.samples
            .iter()
            .filter(|((found, labels), _)| found == name && wanted(labels))
            .map(|((_, labels), value)| (labels, *value))
            .collect()
    }

    /// The names of all families, as their TYPE lines give them.
    pub(crate) fn families(&self) -> &BTreeSet<String> {
        &self.families
    }
}

/// Reads `a="b",c="d"} rest`, where values may hold escaped quotes and any other character.
fn read_labels(mut text: &str) -> Result<(Labels, &str), &'static str> {
    let mut labels = Labels::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, rest) = text.split_once("=\"").ok_or("labels without end")?;
        let (value, rest) = read_value(rest)?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err("a label that stands twice");
        }
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn read_value(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, text.get(place + 1..).unwrap_or_default())),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                _ => return Err("an unknown escape"),
            },
            other => value.push(other),
        }
    }
    Err("a label value without end")
}
