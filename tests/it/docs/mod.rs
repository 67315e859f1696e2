//! The documents, tested: what is generated is as the code has it, links lead somewhere, and snippets run.

mod azure;
mod links;
mod metrics;
mod reference;
mod snippets;

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::environment;

/// Set, it has what is generated written into the documents instead of compared with them.
const UPDATE: &str = "UPDATE_DOCS";

/// Folders that hold no documents of ours.
const FOREIGN: &[&str] = &["target", "node_modules", ".git"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document of the tree, by its path under the root.
pub(crate) fn pages() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if path.is_dir() && !FOREIGN.contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(found.iter().any(|page| page == "README.md"), "{found:?}");
    found
}

pub(crate) fn read(page: &str) -> String {
    fs::read_to_string(path(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

fn path(page: &str) -> PathBuf {
    root().join(page)
}

/// A block of code in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The page's path under the root.
    pub(crate) page: String,
    /// The line of its fence.
    pub(crate) line: usize,
    /// The first word of the fence: its language.
    pub(crate) language: String,
    /// The other words: what a test is to do with it.
    pub(crate) words: Vec<String>,
    pub(crate) text: String,
}

impl Block {
    /// Its first line that is not blank.
    pub(crate) fn first_line(&self) -> &str {
        self.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// Is this word in its fence?
    pub(crate) fn is(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    /// The value of `name=value` in its fence.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

/// Every block of code of a page, in order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let text = read(page);
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(info)) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let (page, line, words) = (page.to_owned(), index + 1, words.collect());
                open = Some((Block { page, line, language, words, text: String::new() }, indent));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), None) => {
                let own = (*indent).min(line.len() - line.trim_start().len());
                block.text.push_str(&line[own..]);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block of code has no end");
    blocks
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A table as Markdown has it.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|&name| name.to_owned()).collect());
    text.push_str(&line(head.iter().map(|_| "---".to_owned()).collect()));
    text.extend(rows.into_iter().map(|row| line(row.iter().map(|text| cell(text)).collect())));
    text
}

/// Between its marks, the page holds the text of each part, by name; or does from now on. All parts of a
/// page in one call: two at once would write over each other.
fn holds_generated(page: &str, parts: &[(&str, String)]) {
    let found = read(page);
    let wanted = parts.iter().fold(found.clone(), |whole, (name, text)| {
        let (begin, end) = (format!("<!-- generated: {name} -->\n"), "<!-- end -->");
        let missing = || panic!("{page} has no {begin}...{end}");
        let (before, rest) = whole.split_once(&begin).unwrap_or_else(missing);
        let (_, after) = rest.split_once(end).unwrap_or_else(missing);
        format!("{before}{begin}\n{}\n\n{end}{after}", text.trim_end())
    });
    assert_eq!(wanted.matches("<!-- generated: ").count(), parts.len(), "{page}: nobody makes one");
    if found == wanted {
        return;
    }
    if environment(UPDATE).is_some() {
        fs::write(path(page), wanted).unwrap();
        return;
    }
    let lacks = wanted.lines().find(|line| !found.contains(line));
    let gone = found.lines().find(|line| !wanted.contains(line));
    panic!(
        "{page} is not what the code says: it lacks {lacks:?}, and has {gone:?}.\n\
         {UPDATE}=1 cargo test --test it docs:: writes it anew."
    );
}
