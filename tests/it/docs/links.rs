//! Links within the tree lead to files that are there and to headings that they have.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::{pages, path, read, root};

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    for page in pages() {
        for (line, target) in links(&read(&page)) {
            if let Some(fault) = fault(&page, &target) {
                faults.push(format!("{page}:{line}: {target}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Whoever looks for a page finds it from the README.
#[test]
fn every_page_of_docs_is_linked_from_the_readme_or_an_index() {
    let indices = ["README.md", "docs/README.md", "docs/clients/README.md"];
    let known: Vec<PathBuf> = indices
        .iter()
        .flat_map(|index| {
            let folder = Path::new(index).parent().unwrap().to_owned();
            links(&read(index)).into_iter().map(move |(_, target)| {
                let target = target.split('#').next().unwrap_or_default().to_owned();
                tidy(&folder.join(target))
            })
        })
        .collect();
    let lost: Vec<_> = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs/") && !known.contains(&PathBuf::from(page)))
        .collect();
    assert!(lost.is_empty(), "no index links {lost:?}");
}

#[test]
fn links_and_headings_are_found() {
    let text = "# A b\n[x](y.md#a-b) `[no](no.md)` <z>\n```\n[no](no)\n```\n## A b!\n## `C_d` e\n";
    assert_eq!(links(text), [(2, "y.md#a-b".to_owned())]);
    assert_eq!(anchors(text), ["a-b", "a-b-1", "c_d-e"]);
}

/// What is wrong with a link, if anything is.
fn fault(page: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(page).parent().unwrap();
    let file = if file.is_empty() { PathBuf::from(page) } else { tidy(&folder.join(file)) };
    if !root().join(&file).exists() {
        return Some("no such file");
    }
    let at = file.to_str().unwrap();
    let known = anchor.is_empty() || !at.ends_with(".md") || {
        path(at).is_file() && anchors(&read(at)).iter().any(|known| known == anchor)
    };
    (!known).then_some("no such heading")
}

/// A path without `.` and `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(tidied.pop(), "{path:?} leaves the tree"),
            Component::CurDir => {}
            other => tidied.push(other),
        }
    }
    tidied
}

/// The targets of a text's links, each with its line. What is code is no link.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every second piece stands between backquotes.
        let line: String = line.split('`').step_by(2).collect();
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        found.extend(targets.map(|target| (number, target.to_owned())));
    }
    found
}

/// The anchors of a text's headings, as the usual hosts make them.
fn anchors(text: &str) -> Vec<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let headings = prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| title.strip_prefix(' ')).flatten()
    });
    headings
        .map(|title| {
            let kept = title.to_lowercase();
            let kept: String = kept
                .chars()
                .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect();
            let times = seen.entry(kept.clone()).or_default();
            *times += 1;
            if *times == 1 { kept } else { format!("{kept}-{}", *times - 1) }
        })
        .collect()
}

/// The lines that are no code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then_some((index + 1, line))
    })
}
