//! The house rules that the compiler does not hold: which room may name which, who alone may name a
//! foreign crate, and that the documents say what the code does. It reads the sources as text, with no
//! parser, so each rule here is one that a search can decide.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bluebucket::s3::operation::{Operation, Support};

/// The rooms of `src`, and whom each may name besides itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("s3", &[]),
    ("azure", &[]),
    ("mapping", &["s3", "azure"]),
    ("access", &["s3"]),
    ("ops", &["mapping", "access", "s3", "azure"]),
    ("server", &["ops", "mapping", "access", "s3", "azure"]),
];

/// Crates that only some may name, by the start of a path under `src`.
const CRATES: &[(&str, &[&str])] = &[
    ("azure_core", &["azure/"]),
    ("azure_identity", &["azure/"]),
    ("azure_storage_blob", &[]),
    ("axum", &["server/"]),
    ("clap", &["server/", "main.rs"]),
    ("quick_xml", &["s3/xml.rs", "azure/"]),
];

/// Lines of a file in front of its tests.
const FILE_LINES_MAX: usize = 600;

/// One file of Rust.
pub(crate) struct Source {
    /// Its path under the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Its path under `src`.
    fn place(&self) -> &str {
        self.path.strip_prefix("src/").unwrap_or(&self.path)
    }

    /// The room it is in; none for `main.rs` and `lib.rs`.
    fn room(&self) -> Option<&str> {
        self.place().split_once('/').map(|(room, _)| room)
    }

    /// The lines that hold a word, as `path:line`.
    fn lines_with(&self, word: &str) -> Vec<String> {
        let lines = self.text.lines().enumerate();
        lines
            .filter(|(_, line)| names(line, word))
            .map(|(index, _)| format!("{}:{}", self.path, index + 1))
            .collect()
    }
}

#[test]
fn a_room_names_only_those_that_it_may_know() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let Some(room) = source.room() else { continue };
        let Some((_, known)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{}: tidy knows no room {room:?}", source.path));
            continue;
        };
        for (other, _) in ROOMS.iter().filter(|(name, _)| *name != room && !known.contains(name)) {
            for line in source.lines_with(&format!("crate::{other}")) {
                faults.push(format!("{line}: {room} must not know {other}"));
            }
        }
        // Both would hide an arrow from the search above.
        for hidden in ["crate::{", "bluebucket::"] {
            for line in source.lines_with(hidden) {
                faults.push(format!("{line}: name the room in full, not through {hidden:?}"));
            }
        }
    }
    none(&faults);
}

#[test]
fn a_foreign_crate_is_named_only_behind_its_door() {
    let mut faults = Vec::new();
    for source in sources("src") {
        for (name, doors) in CRATES {
            if doors.iter().any(|door| source.place().starts_with(door)) {
                continue;
            }
            let named = |line: &&str| names(line, &format!("{name}::")) || uses(line, name);
            if let Some(line) = source.text.lines().find(named) {
                faults.push(format!(
                    "{}: {name} belongs to {doors:?}: {}",
                    source.path,
                    line.trim()
                ));
            }
        }
    }
    none(&faults);
}

#[test]
fn a_file_says_what_it_is_for() {
    let all = sources("src").into_iter().chain(sources("tests"));
    let silent = all.filter(|source| !source.text.starts_with("//! "));
    none(&silent.map(|source| format!("{}: begin with `//! `", source.path)).collect::<Vec<_>>());
}

#[test]
fn a_lint_is_expected_and_not_allowed() {
    let mut faults = Vec::new();
    for source in sources("src") {
        for word in ["#[allow(", "#![allow("] {
            faults.extend(source.lines_with(word).iter().map(|line| format!("{line}: {word}")));
        }
    }
    none(&faults);
}

#[test]
fn a_file_has_one_subject() {
    let long = sources("src").into_iter().filter(|source| !is_test(source)).filter_map(|source| {
        let lines = source.text.lines().take_while(|line| *line != "mod tests {").count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines before its tests", source.path))
    });
    none(&long.collect::<Vec<_>>());
}

#[test]
fn the_readme_lists_the_operations_as_they_are() {
    let told: Vec<_> = rows("README.md", "| operation |");
    let told: Vec<_> = told.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    let known: Vec<_> = Operation::ALL
        .iter()
        .map(|operation| match operation.support() {
            Support::Answered => (operation.name(), "answered"),
            Support::Refused => (operation.name(), "refused"),
        })
        .collect();
    let missing: Vec<_> = known.iter().filter(|row| !told.contains(row)).collect();
    let foreign: Vec<_> = told.iter().filter(|row| !known.contains(row)).collect();
    assert!(
        missing.is_empty() && foreign.is_empty(),
        "README.md lacks {missing:?} and has {foreign:?}"
    );
    assert_eq!(told, known, "the same order, and none twice");
    let answered = known.iter().filter(|(_, support)| *support == "answered").count();
    let sentence = format!("{answered} operations are answered");
    assert!(read("README.md").contains(&sentence), "README.md should say {sentence:?}");
}

#[test]
fn the_map_names_every_folder_of_src() {
    let told: BTreeSet<_> = rows("ARCHITECTURE.md", "| room |")
        .iter()
        .filter_map(|row| row[0].trim_matches('`').strip_prefix("src/").map(str::to_owned))
        .collect();
    let there: BTreeSet<_> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(told, there, "ARCHITECTURE.md's table of rooms, and src");
    let known: BTreeSet<_> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(known, there, "the rooms that tidy knows, and src");
}

#[test]
fn a_file_that_the_documents_name_is_there() {
    let mut faults = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        for word in read(document).split('`').skip(1).step_by(2) {
            let is_path = ["src/", "tests/", "compat/", ".ci/"].iter().any(|top| {
                word.starts_with(top) && !word.contains([' ', '<', '*', '{', '…', '\n'])
            });
            if is_path && !root().join(word).exists() {
                faults.push(format!("{document}: there is no {word}"));
            }
        }
    }
    none(&faults);
}

#[test]
fn a_known_failure_is_listed_once() {
    let Ok(list) = fs::read_to_string(root().join("compat/s3-tests/known-failures.txt")) else {
        return;
    };
    let lines =
        list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut seen = BTreeSet::new();
    none(&lines.filter(|line| !seen.insert(*line)).map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn the_search_finds_what_it_should() {
    assert!(names("use crate::azure::{self, Wire};", "crate::azure"));
    assert!(names("/// [`crate::azure`]", "crate::azure"));
    assert!(!names("use crate::azure_like::It;", "crate::azure"));
    assert!(!names("use crate::mapping::azure;", "crate::azure"));
    assert!(!names("let x = my_axum::serve();", "axum::"));
    assert!(uses("use clap;", "clap") && uses("pub use clap as c;", "clap"));
    assert!(!uses("use clapper::It;", "clap"));
}

/// Fails with all that was found.
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Does the line hold this word, with no letter of a name on either side where the word ends in one?
fn names(line: &str, word: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let open = |side: Option<char>, own: Option<char>| {
            !(side.is_some_and(letter) && own.is_some_and(letter))
        };
        open(before, word.chars().next()) && open(after, word.chars().next_back())
    })
}

/// Is the line an import of the crate as a whole?
fn uses(line: &str, name: &str) -> bool {
    let line = line.trim().trim_start_matches("pub ");
    line.strip_prefix("use ").is_some_and(|rest| {
        rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(';') || rest.starts_with(' '))
    })
}

/// Files that are compiled for tests only.
pub(crate) fn is_test(source: &Source) -> bool {
    let place = source.place();
    place.contains("/tests/") || place.ends_with("/tests.rs")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of a table in a document, without its head.
fn rows(document: &str, head: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let table = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    let rows: Vec<_> = rows.collect();
    assert!(!rows.is_empty(), "{document} has no table that begins with {head:?}");
    rows
}

/// Every file of Rust under a folder.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&path));
            }
        }
    }
    assert!(!found.is_empty());
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn source(path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    Source { path, text }
}
