//! The law of ARCHITECTURE.md, held against the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// More does not fit into one reading. A file that needs it becomes two.
const PRODUCTION_LINES_OF_A_FILE: usize = 400;

const LINES_OF_MAIN: usize = 40;

/// Exceptions from lints, `#[expect(…)]`, in src. The number only changes on purpose.
const EXCEPTIONS_FROM_LINTS: usize = 6;

/// Names of files that say nothing of what is in them.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "manager"];

/// What is written when something is left for later, or not thought to its end. Put together here,
/// so that this file does not contain them.
const FORBIDDEN: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("process::", "exit"),
    concat!(".unwrap", "()"),
    concat!("super::", "super::super"),
];

/// One file of the source, with its tests and comments taken out.
struct Source {
    path: PathBuf,
    module: String,
    whole: String,
    code: String,
    production_lines: usize,
}

#[test]
fn a_module_names_only_modules_of_lower_layers() {
    let layers = layers();
    let mut offences = Vec::new();
    for source in sources("src") {
        let own = layers.get(&source.module);
        let own = own.unwrap_or_else(|| panic!("{} has no layer", source.path.display()));
        for named in modules_named(&source.code) {
            let allowed =
                named == source.module || layers.get(&named).is_none_or(|layer| layer < own);
            if !allowed {
                offences.push(format!("{} names {named}", source.path.display()));
            }
        }
    }
    assert_eq!(offences, Vec::<String>::new());
}

#[test]
fn every_module_of_the_table_exists_and_no_other() {
    let declared: BTreeSet<String> = layers().into_keys().collect();
    let existing: BTreeSet<String> = sources("src").into_iter().map(|it| it.module).collect();
    assert_eq!(declared, existing);
}

#[test]
fn lib_lists_the_modules_in_the_order_of_the_table() {
    let layers = layers();
    let lib = read("src/lib.rs");
    let listed = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let order: Vec<usize> = listed.filter_map(|module| layers.get(module).copied()).collect();
    assert!(order.is_sorted(), "the order of layers in src/lib.rs is {order:?}");
}

#[test]
fn a_crate_with_one_home_is_named_nowhere_else() {
    let homes: Vec<(String, String)> = table("| crate |")
        .into_iter()
        .map(|row| {
            (row.first().cloned().unwrap_or_default(), row.get(1).cloned().unwrap_or_default())
        })
        .collect();
    assert!(homes.len() >= 10, "the table of crates was not found: {homes:?}");
    let mut offences = Vec::new();
    for source in sources("src") {
        for (name, home) in &homes {
            if source.module != *home && names_crate(&source.code, name) {
                offences.push(format!("{} names {name}", source.path.display()));
            }
        }
    }
    assert_eq!(offences, Vec::<String>::new());
}

#[test]
fn wire_mongo_and_metrics_do_no_io() {
    let pure = ["wire", "mongo", "metrics"];
    let offenders: Vec<_> = sources("src")
        .into_iter()
        .filter(|it| pure.contains(&it.module.as_str()))
        .filter(|it| ["tokio", "SystemTime", "Instant"].iter().any(|name| names(&it.code, name)))
        .map(|it| it.path)
        .collect();
    assert_eq!(offenders, Vec::<PathBuf>::new());
}

#[test]
fn no_file_is_longer_than_one_reading() {
    let long: Vec<_> = sources("src")
        .into_iter()
        .filter(|it| it.production_lines > PRODUCTION_LINES_OF_A_FILE)
        .map(|it| (it.path, it.production_lines))
        .collect();
    assert_eq!(long, Vec::new());
    let main = read("src/main.rs").lines().count();
    assert!(main <= LINES_OF_MAIN, "src/main.rs has {main} lines");
}

#[test]
fn exceptions_from_lints_are_counted() {
    let attribute = concat!("#[", "expect(");
    let count: usize = sources("src").iter().map(|it| it.whole.matches(attribute).count()).sum();
    assert_eq!(count, EXCEPTIONS_FROM_LINTS, "change the constant if the exception is worth it");
}

#[test]
fn nothing_is_left_for_later_and_no_name_is_empty() {
    let mut offences = Vec::new();
    for source in ["src", "tests", "examples"].into_iter().flat_map(sources) {
        let forbidden = FORBIDDEN.iter().filter(|word| source.whole.contains(**word));
        offences.extend(forbidden.map(|word| format!("{}: {word}", source.path.display())));
        let parts = source.path.with_extension("");
        let empty = parts.iter().any(|part| EMPTY_NAMES.iter().any(|name| part == *name));
        offences.extend(empty.then(|| format!("{}: its name", source.path.display())));
    }
    assert_eq!(offences, Vec::<String>::new());
}

#[test]
fn every_file_of_integration_tests_is_listed() {
    let list = read("tests/it/main.rs");
    let listed: BTreeSet<&str> =
        list.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let files = fs::read_dir(root().join("tests/it")).expect("the folder is there");
    let existing: BTreeSet<String> = files
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .filter(|name| name != "main")
        .collect();
    let missing: Vec<_> = existing.iter().filter(|it| !listed.contains(it.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = read(document);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let local = targets.filter(|it| !it.is_empty() && !it.contains("://"));
        dead.extend(
            local.filter(|it| !root().join(it).exists()).map(|it| format!("{document}: {it}")),
        );
    }
    assert_eq!(dead, Vec::<String>::new());
}

/// The layer of each module: its line in the table.
fn layers() -> BTreeMap<String, usize> {
    let rows = table("| modules |");
    assert!(rows.len() >= 10, "the table of modules was not found: {rows:?}");
    let modules = |row: &Vec<String>| row.first().cloned().unwrap_or_default();
    rows.iter()
        .enumerate()
        .flat_map(|(layer, row)| {
            let names = modules(row);
            names.split(", ").map(|name| (name.to_owned(), layer)).collect::<Vec<_>>()
        })
        .collect()
}

/// The cells of the table of ARCHITECTURE.md whose head begins so.
fn table(head: &str) -> Vec<Vec<String>> {
    let page = read("ARCHITECTURE.md");
    let lines = page.lines().skip_while(|line| !line.starts_with(head));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|it| it.trim().to_owned()).collect())
        .collect()
}

fn sources(folder: &str) -> Vec<Source> {
    let mut folders = vec![root().join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("folders of the source can be read") {
            let path = entry.expect("entries can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("src/lib.rs")
            {
                sources.push(source(&path));
            }
        }
    }
    sources
}

fn source(path: &Path) -> Source {
    let path = path.strip_prefix(root()).expect("the source is in the project").to_owned();
    let whole = read(&path);
    let module = path.iter().nth(1).and_then(|it| Path::new(it).file_stem()?.to_str());
    let module = module.expect("names of files are text").to_owned();
    let is_test = path.file_stem().is_some_and(|it| it == "tests");
    let production: Vec<&str> = if is_test { Vec::new() } else { without_tests(&whole) };
    let code = production.iter().map(|line| line.split("//").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join("\n");
    Source { production_lines: production.len(), path, module, code, whole }
}

/// The lines that are not under `#[cfg(test)]`: items stand at the margin, and so do their ends.
fn without_tests(text: &str) -> Vec<&str> {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            lines.find(|line| *line == "}" || (line.ends_with(';') && !line.starts_with(' ')));
        } else {
            kept.push(line);
        }
    }
    kept
}

/// The modules that follow `crate::` (in the binary `monitoring_agent::`), alone or in braces.
fn modules_named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "monitoring_agent::"] {
        for rest in code.split(start).skip(1) {
            match rest.strip_prefix('{') {
                Some(group) => found.extend(heads_of_group(group)),
                None => found.extend(identifier(rest)),
            }
        }
    }
    found
}

/// The first identifier of each member of `{a::b, c::{d, e}}`.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut member = String::new();
    let mut members = Vec::new();
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => members.push(std::mem::take(&mut member)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if letter != ',' {
            member.push(letter);
        }
    }
    members.push(member);
    members.iter().filter_map(|member| identifier(member.trim())).collect()
}

fn identifier(text: &str) -> Option<String> {
    let name: String =
        text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Whether a crate stands at the head of a path.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::")).any(|(place, _)| {
        let before = code.get(..place).unwrap_or_default();
        !before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':')
    })
}

/// Whether a word stands alone.
fn names(code: &str, word: &str) -> bool {
    let part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(place, _)| {
        let before = code.get(..place).unwrap_or_default();
        let after = code.get(place + word.len()..).unwrap_or_default();
        !before.ends_with(part_of_word) && !after.starts_with(part_of_word)
    })
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
