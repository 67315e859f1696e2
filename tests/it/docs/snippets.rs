//! Every block of code in the documents is run by a test, or stands in docs/snippets.md with the reason
//! why it is not. A fence says `run` or `file=` where `tests/it/recipes.rs` runs its page, and `is=` where its
//! block is a file of the tree that a test runs. Every `toml` is loaded as a configuration.

use std::collections::BTreeSet;
use std::fs;

use super::{Block, blocks, pages, path, read};
use crate::harness::gateway::Tls;
use crate::harness::program::{Bluebucket, write_private};
use crate::recipes;

const LIST: &str = "docs/snippets.md";

/// One line of the list: a page, how its block begins (`*`: all of the page), and a word on it.
struct Line {
    page: String,
    begins: String,
    word: String,
}

fn list() -> Vec<Line> {
    let text = read(LIST);
    let rows = text.lines().filter(|line| line.starts_with("| ["));
    let lines = rows.map(|row| {
        let mut cells = row.trim_matches('|').splitn(3, " | ").map(|cell| cell.trim());
        let page = cells.next().unwrap();
        let page = page.trim_start_matches('[').split(']').next().unwrap().to_owned();
        let begins = cells.next().unwrap().trim_matches('`').replace("\\|", "|");
        Line { page, begins, word: cells.next().unwrap().to_owned() }
    });
    lines.collect()
}

impl Line {
    fn is_of(&self, block: &Block) -> bool {
        self.page == block.page && (self.begins == "*" || block.first_line() == self.begins)
    }
}

#[test]
fn every_snippet_is_run_or_listed() {
    let list = list();
    let lanes: BTreeSet<_> = recipes::LANES.iter().map(|lane| lane.page()).collect();
    let (mut faults, mut used) = (Vec::new(), vec![false; list.len()]);
    for block in pages().iter().flat_map(|page| blocks(page)) {
        let runs = block.is("run") || block.value("file").is_some();
        if runs && !lanes.contains(&block.page) {
            faults.push(format!("{}:{}: no lane runs this page", block.page, block.line));
        }
        let runs = runs || block.language == "toml" || block.value("is").is_some();
        let found = list.iter().position(|line| line.is_of(&block));
        found.inspect(|&index| used[index] = true);
        if !runs && found.is_none() {
            let begins = block.first_line();
            faults.push(format!("{}:{}: {begins:?} is in no test", block.page, block.line));
        }
    }
    let unused = list.iter().zip(used).filter(|(line, used)| !used && line.begins != "*");
    faults
        .extend(unused.map(|(line, _)| format!("{LIST}: {} has no {:?}", line.page, line.begins)));
    faults.extend(
        list.iter().filter(|line| line.word.len() < 10).map(|line| format!("{}: why?", line.page)),
    );
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_block_that_is_a_file_of_the_tree_is_that_file() {
    let blocks = pages().into_iter().flat_map(|page| blocks(&page));
    let named: Vec<_> = blocks.filter(|block| block.value("is").is_some()).collect();
    assert!(!named.is_empty());
    for block in named {
        let file = fs::read_to_string(path(block.value("is").unwrap())).unwrap();
        assert_eq!(block.text, file, "{}:{}", block.page, block.line);
    }
}

/// The files that a configuration names are made for it.
#[tokio::test]
async fn every_configuration_in_the_documents_loads() {
    const FOLDER: &str = "/etc/bluebucket/";
    let list = list();
    let blocks = pages().into_iter().flat_map(|page| blocks(&page));
    for block in blocks.filter(|block| block.language == "toml") {
        if list.iter().any(|line| line.is_of(&block)) {
            continue;
        }
        let program = Bluebucket::new();
        let folder = program.folder().join("etc");
        fs::create_dir(&folder).unwrap();
        for named in block.text.split(FOLDER).skip(1) {
            let name = named.split('"').next().unwrap();
            write_private(&folder.join(name), "c2VjcmV0LW9mLXRoZS10ZXN0cw==");
        }
        let pair = Tls::make(program.folder());
        for (file, name) in [(pair.certificate, "tls.crt"), (pair.key, "tls.key")] {
            fs::rename(file, folder.join(name)).unwrap();
        }
        let text = block.text.replace(FOLDER, &format!("{}/", folder.display()));
        let said = program.file(&text).run(&["config", "print"]).await;
        assert_eq!(said.code, 0, "{}:{}: {}", block.page, block.line, said.err);
    }
}

/// What the list says is run by a test, is.
#[test]
fn tests_that_the_list_names_exist() {
    for line in list() {
        for named in line.word.split('`').skip(1).step_by(2).filter(|word| word.contains("::")) {
            let module = named.split("::").next().unwrap();
            let test = named.rsplit("::").next().unwrap();
            let sources =
                crate::tidy::sources("tests").into_iter().chain(crate::tidy::sources("src"));
            let found = sources.filter(|source| source.path.contains(module));
            // As a function, or as a row of a macro.
            let forms = [format!("fn {test}("), format!("    {test}: ")];
            let known = |text: &str| forms.iter().any(|form| text.contains(form.as_str()));
            assert!(
                found.into_iter().any(|source| known(&source.text)),
                "{LIST}: there is no {named}"
            );
        }
    }
}
