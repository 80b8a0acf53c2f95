//! The key table and the table of the options of a URI as `monitoring-agent list-settings` shows
//! them.

use super::{
    keys::{self, Key, Place, State},
    uri,
};

const LEGEND: &str =
    "Columns: key, default, place, meaning. Places: top is above the first section, [host] is in a
[host NAME] section. An empty value is the default.
";

/// All keys with their defaults, their places and one clause on each, and the options of a URI, as
/// lines of aligned text that end with a newline.
pub fn settings_table() -> String {
    let groups = [
        ("In force", State::Served),
        ("Not in this version yet: an error when set", State::Later),
        ("Of the original agent, nothing is done with them: a warning when set", State::NoEffect),
        ("Of the original agent, retired: a warning when set", State::Retired),
    ]
    .map(|(title, state)| group(title, state));
    format!("{LEGEND}\n{}\n{}", groups.join("\n"), uri_options())
}

fn uri_options() -> String {
    const TITLE: &str = "Options of uri, as in mongodb://user:password@host:port/database?tls=true&\
                         option=value:\n";
    let width = uri::ROWS.iter().map(|option| option.name.len()).max().unwrap_or(0);
    let line = |option: &uri::UriOption| format!("  {:width$}  {}\n", option.name, option.meaning);
    std::iter::once(TITLE.to_owned()).chain(uri::ROWS.iter().map(line)).collect()
}

fn group(title: &str, state: State) -> String {
    let rows: Vec<&Key> = keys::table().filter(|key| key.state == state).collect();
    let width = |of: fn(&Key) -> &str| rows.iter().map(|key| of(key).len()).max().unwrap_or(0);
    let [name, default, place] = [width(|key| key.name), width(shown_default), width(shown_place)];
    let lines = rows.iter().map(|key| {
        format!(
            "  {:name$}  {:default$}  {:place$}  {}{}\n",
            key.name,
            shown_default(key),
            shown_place(key),
            key.meaning,
            aliases(key)
        )
    });
    std::iter::once(format!("{title}:\n")).chain(lines).collect()
}

fn shown_default(key: &Key) -> &str {
    if key.default.is_empty() { "none" } else { key.default }
}

fn shown_place(key: &Key) -> &str {
    match key.place {
        Place::Top => "top",
        Place::Host => "[host]",
        Place::Both => "top, [host]",
    }
}

fn aliases(key: &Key) -> String {
    match key.aliases {
        [] => String::new(),
        names => format!(" (also {})", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that begin with this word.
    fn lines<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
        let first = |line: &&str| line.split_whitespace().next() == Some(name);
        table.lines().filter(first).collect()
    }

    #[test]
    fn every_key_has_one_line_with_its_default_its_place_and_its_meaning() {
        let table = settings_table();
        let (keys, options) = table.split_once("\nOptions of uri").expect("two tables");
        for key in keys::table() {
            assert_eq!(lines(keys, key.name).len(), 1, "{}", key.name);
        }
        for option in uri::ROWS {
            assert_eq!(lines(options, option.name).len(), 1, "{}", option.name);
        }
        let squeezed: Vec<&str> = lines(keys, "dialTimeoutSeconds")
            .iter()
            .flat_map(|line| line.split("  ").map(str::trim).filter(|part| !part.is_empty()))
            .collect();
        assert_eq!(
            squeezed,
            [
                "dialTimeoutSeconds",
                "40",
                "top",
                "how long DNS, TCP, TLS and login together may take (also \
                 serverSelectionTimeoutSeconds)",
            ]
        );
        assert!(table.ends_with('\n') && !table.contains("\n\n\n"));
    }

    #[test]
    fn the_columns_stand_in_line() {
        let table = settings_table();
        let starts: Vec<usize> = table
            .lines()
            .skip_while(|line| !line.starts_with("In force"))
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.find(" top").or_else(|| line.find(" [host]")))
            .collect();
        assert!(starts.len() > 20 && starts.windows(2).all(|pair| pair.first() == pair.last()));
    }
}
