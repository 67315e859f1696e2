//! The walk against a model: an Azure in memory, and S3 as a sorted set.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use super::{Answer, Ask, Found, Listed, Page, Step, Walk, WalkInput};
use crate::mapping::names::{KeySpace, Range};
use crate::s3::names::ObjectKey;

/// A container: names by their UTF-16 units, as Azure sorts them.
#[derive(Debug, Default)]
struct Azure {
    blobs: BTreeMap<Vec<u16>, String>,
    /// Pages are cut to these lengths, one after the other, 0 included.
    cuts: Vec<usize>,
    asked: Vec<Ask>,
}

impl Azure {
    fn put(&mut self, name: &str) {
        assert!(!name.contains(|c: char| c < ' '), "Azure refuses {name:?}");
        self.blobs.insert(name.encode_utf16().collect(), name.to_owned());
    }

    fn list(&mut self, ask: &Ask) -> Answer<()> {
        assert!(ask.start_from.is_none() || ask.marker.is_none());
        assert!((1..=5000).contains(&ask.max_results), "{ask:?}");
        let refused = |c| {
            matches!(
                c,
                '\0'..='\u{1F}' | '\\' | '\u{7F}' | '\u{81}' | '\u{E000}' | '\u{FFFE}' | '\u{FFFF}'
            )
        };
        assert!(!ask.prefix.contains(refused), "{ask:?}");
        if let Some(text) = &ask.start_from {
            assert!(!text.contains(refused) && text.encode_utf16().count() <= 1024, "{ask:?}");
        }
        let cut = self.cuts.get(self.asked.len()).copied().unwrap_or(usize::MAX);
        self.asked.push(ask.clone());
        let page = cut.min(ask.max_results as usize);
        let units = |text: &Option<String>| text.iter().flat_map(|t| t.encode_utf16()).collect();
        let start: Vec<u16> = units(&ask.start_from);
        // A marker is opaque to the walk: here, the units of the last entry and what is behind it.
        let marker: Vec<u16> = ask.marker.iter().flat_map(|m| read_marker(m)).collect();
        let mut entries = Vec::<Listed<()>>::new();
        let mut last = marker.clone();
        for (place, name) in &self.blobs {
            let Some(rest) = name.strip_prefix(&ask.prefix) else { continue };
            if *place < start || *place < marker {
                continue;
            }
            let delimiter = ask.delimiter.as_deref();
            let rolled = delimiter.and_then(|d| rest.find(d).map(|at| at + d.len()));
            let entry = match rolled {
                Some(end) => Listed::Prefix(name.get(..ask.prefix.len() + end).unwrap().to_owned()),
                None => Listed::Blob { name: name.clone(), blob: () },
            };
            if entries.last().is_some_and(|last| last.name() == entry.name()) {
                continue;
            }
            if entries.len() == page {
                return Answer { entries, next_marker: Some(write_marker(&last)) };
            }
            last = entry.name().encode_utf16().collect();
            last.push(if rolled.is_some() { 0xFFFF } else { 0 });
            entries.push(entry);
        }
        // Azurite has the blobs before the prefixes.
        entries.sort_by_key(|entry| matches!(entry, Listed::Prefix(_)));
        Answer { entries, next_marker: None }
    }
}

fn write_marker(units: &[u16]) -> String {
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    HEXLOWER.encode(&bytes)
}

fn read_marker(text: &str) -> Vec<u16> {
    let bytes = HEXLOWER.decode(text.as_bytes()).unwrap();
    bytes.chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect()
}

fn walk(azure: &mut Azure, input: WalkInput) -> Page<()> {
    let mut walk = Walk::new(input);
    for _ in 0..500 {
        match walk.step() {
            Step::Ask(ask) => walk.feed(azure.list(&ask)),
            Step::Done(page) => return page,
        }
    }
    panic!("500 pages of Azure for one of S3: {:?}", &azure.asked[490..]);
}

/// What S3 has.
fn model(keys: &[String], input: &WalkInput) -> Vec<String> {
    let mut shown = Vec::<String>::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(&input.prefix) else { continue };
        if input.after.as_ref().is_some_and(|after| key <= after) {
            continue;
        }
        let delimiter = input.delimiter.as_deref().filter(|text| !text.is_empty());
        let end = delimiter.and_then(|d| rest.find(d).map(|at| at + d.len()));
        let text = end.map_or(key.as_str(), |end| key.get(..input.prefix.len() + end).unwrap());
        let been = input.after.as_ref().is_some_and(|after| after == text && end.is_some());
        if !been && shown.last().map(String::as_str) != Some(text) {
            shown.push(text.to_owned());
        }
    }
    shown
}

fn container(space: &KeySpace, keys: &[String]) -> (Azure, bool) {
    let mut azure = Azure::default();
    let mut has_reserved = false;
    for key in keys {
        let key = ObjectKey::parse(key).unwrap();
        has_reserved |= space.range_of(&key) == Range::Reserved;
        azure.put(space.blob_name(&key).as_str());
    }
    (azure, has_reserved)
}

fn input(prefix: &str, after: Option<&str>, delimiter: &str, max_keys: usize) -> WalkInput {
    WalkInput {
        space: KeySpace::whole(),
        prefix: prefix.to_owned(),
        after: after.map(str::to_owned),
        delimiter: Some(delimiter.to_owned()),
        max_keys,
        has_reserved: false,
    }
}

fn texts(page: &Page<()>) -> Vec<&str> {
    page.found.iter().map(Found::text).collect()
}

/// Characters that meet each other's escapes, orders and ends.
fn nasty() -> impl Strategy<Value = &'static str> {
    select(vec![
        "a",
        "b",
        "/",
        "/",
        ".",
        ".",
        "\\",
        "[",
        "]",
        "~",
        "-",
        " ",
        "!",
        "F",
        "0",
        "2E",
        "5C",
        "\u{7F}",
        "\u{80}",
        "\u{81}",
        "\u{D7FF}",
        "\u{E000}",
        "\u{E001}",
        "\u{FF08}",
        "\u{FFFC}",
        "\u{FFFD}",
        "\u{FFFE}",
        "\u{FFFF}",
        "\u{10000}",
        "😀",
        "\u{10FFFF}",
        "\t",
        "\n",
        "é",
    ])
}

fn text(longest: usize) -> impl Strategy<Value = String> {
    vec(nasty(), 0..=longest).prop_map(|parts| parts.concat())
}

/// Few characters, so that keys share prefixes: in every place low, high and pair.
fn crowded(longest: usize) -> impl Strategy<Value = String> {
    vec(select(vec!["a", "/", "\u{FF08}", "😀", ".", "\t", "\u{FFFF}"]), 0..=longest)
        .prop_map(|p| p.concat())
}

fn any_text(longest: usize) -> impl Strategy<Value = String> {
    prop_oneof![text(longest), crowded(longest)]
}

/// Texts, and those behind a folder of one character: inside common prefixes.
fn afters() -> impl Strategy<Value = String> {
    let inside = (nasty(), any_text(3)).prop_map(|(first, rest)| format!("{first}/{rest}"));
    prop_oneof![any_text(4), inside]
}

fn keys() -> impl Strategy<Value = Vec<String>> {
    let some = |text| btree_set(text, 0..60).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    prop_oneof![some(text(6).boxed()), some(crowded(6).boxed())]
        .prop_map(|keys| keys.into_iter().filter(|key: &String| !key.is_empty()).collect())
}

fn delimiters() -> impl Strategy<Value = Option<String>> {
    let some = select(vec![
        "/", "/", "/", "a", ".", "-", " ", "F", "\\", "a/", "//", "😀", "\t", "\u{FFFD}",
    ]);
    option::weighted(0.7, some.prop_map(str::to_owned))
}

fn spaces() -> impl Strategy<Value = KeySpace> {
    prop_oneof![Just(KeySpace::whole()), Just(KeySpace::under("2026/x~/").unwrap())]
}

fn cases() -> u32 {
    // The gate runs the default; `PROPTEST_CASES` for a long night.
    proptest::test_runner::Config::default().cases * 8
}

proptest! {
    /// Names and bounds at the most that Azure takes.
    #[test]
    fn the_longest_names_are_listed_as_well(
        ends in keys(), after in option::of(any_text(4)), max_keys in 1..5_usize,
        room in 0..12_usize, delimiter in delimiters(),
    ) {
        let base = "b".repeat(1024 - room);
        let mut keys: Vec<String> = ends.iter().map(|end| format!("{base}{end}")).collect();
        keys.retain(|key| key.len() <= 1024);
        let (mut azure, has_reserved) = container(&KeySpace::whole(), &keys);
        let mut input = WalkInput {
            after: after.map(|after| format!("{base}{after}")),
            has_reserved,
            ..input("", None, &delimiter.unwrap_or_default(), max_keys)
        };
        let expected = model(&keys, &input);
        let mut listed = Vec::new();
        loop {
            let page = walk(&mut azure, input.clone());
            listed.extend(page.found.iter().map(|found| found.text().to_owned()));
            if !page.truncated {
                break;
            }
            prop_assert!(listed.len() <= expected.len());
            input.after = page.last().map(str::to_owned);
        }
        prop_assert_eq!(listed, expected);
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: cases(), ..Default::default() })]

    #[test]
    fn all_pages_together_are_the_listing(
        keys in keys(), space in spaces(), prefix in option::of(any_text(2)),
        after in option::of(afters()), delimiter in delimiters(), max_keys in 1..12_usize,
        cuts in vec(0..7_usize, 0..40), neighbours in any::<bool>(),
    ) {
        let (mut azure, has_reserved) = container(&space, &keys);
        azure.cuts = cuts;
        if neighbours {
            for other in ["2025/zz", "2026/x", "2026/x~/", "2026/x~0", "native\u{FFFD}", "-\u{FFFD}x"] {
                azure.put(other);
            }
        }
        let whole = space == KeySpace::whole();
        let mut keys = keys;
        if neighbours && whole {
            keys.extend(["2025/zz", "2026/x", "2026/x~/", "2026/x~0", "native\u{FFFD}"].map(str::to_owned));
            keys.sort();
            keys.dedup();
        }
        let mut input = WalkInput {
            space, prefix: prefix.unwrap_or_default(), after, delimiter, max_keys, has_reserved,
        };
        let expected = model(&keys, &input);
        let mut listed = Vec::new();
        loop {
            let page = walk(&mut azure, input.clone());
            prop_assert!(page.found.len() <= max_keys);
            prop_assert!(!page.truncated || page.found.len() == max_keys);
            listed.extend(page.found.iter().map(|found| found.text().to_owned()));
            prop_assert!(listed.len() <= expected.len(), "{listed:?} {expected:?}");
            if !page.truncated {
                break;
            }
            input.after = page.last().map(str::to_owned);
        }
        prop_assert_eq!(listed, expected);
    }
}

#[test]
fn a_plain_page_is_one_page_of_azure() {
    let keys: Vec<String> = (0..5000).map(|n| format!("logs/{n:05}.gz")).collect();
    let (mut azure, _) = container(&KeySpace::whole(), &keys);
    let mut input = input("logs/", None, "/", 1000);
    for page_number in 1..=5 {
        let page = walk(&mut azure, input.clone());
        assert_eq!((page.found.len(), page.truncated), (1000, page_number < 5));
        assert_eq!(azure.asked.len(), page_number);
        assert_eq!(azure.asked[page_number - 1].max_results, 1001);
        input.after = page.last().map(str::to_owned);
    }
}

#[test]
fn nothing_is_asked_for_nothing() {
    let mut azure = Azure::default();
    let page = walk(&mut azure, input("", None, "/", 0));
    assert_eq!((page.found.len(), page.truncated), (0, false));
    // Behind the prefix there is nothing that begins with it.
    walk(&mut azure, input("a", Some("b"), "", 10));
    assert_eq!(azure.asked, []);
    walk(&mut azure, input("a\t", None, "", 10));
    assert_eq!(azure.asked, [], "no such key, says the container");
}

#[test]
fn a_short_page_of_azure_goes_on_by_its_marker() {
    let (mut azure, _) = container(&KeySpace::whole(), &["a", "b", "c"].map(str::to_owned));
    azure.cuts = vec![0, 1, 0, 1];
    let page = walk(&mut azure, input("", None, "", 10));
    assert_eq!(texts(&page), ["a", "b", "c"]);
    assert!(azure.asked[1..].iter().all(|ask| ask.marker.is_some()));
}

#[test]
fn an_awkward_delimiter_jumps_over_what_it_rolls_up() {
    let keys: Vec<String> =
        (0..10).flat_map(|n| (0..2000).map(move |m| format!("{n}-{m}"))).collect();
    let (mut azure, _) = container(&KeySpace::whole(), &keys);
    let page = walk(&mut azure, input("", None, "-", 1000));
    assert_eq!(texts(&page), ["0-", "1-", "2-", "3-", "4-", "5-", "6-", "7-", "8-", "9-"]);
    assert!(azure.asked.len() <= 11, "{}", azure.asked.len());
}

#[test]
fn an_after_inside_a_common_prefix_costs_one_small_page() {
    let keys = ["a/1", "a/2", "b/1", "c"].map(str::to_owned);
    let (mut azure, _) = container(&KeySpace::whole(), &keys);
    let list = |azure: &mut Azure, after| {
        let page = walk(azure, input("", Some(after), "/", 10));
        let texts: Vec<String> = texts(&page).into_iter().map(str::to_owned).collect();
        (texts.join(" "), azure.asked.drain(..).map(|ask| ask.max_results).collect::<Vec<_>>())
    };
    assert_eq!(list(&mut azure, "a/1"), ("a/ b/ c".into(), vec![1, 10]));
    assert_eq!(list(&mut azure, "a/2"), ("b/ c".into(), vec![1, 11]));
    assert_eq!(list(&mut azure, "a/"), ("b/ c".into(), vec![11]));
}

#[test]
fn a_bucket_of_emoji_or_of_wide_forms_costs_a_small_page_more() {
    for (first, asks) in [("😀", 2), ("\u{FF08}", 2)] {
        let keys: Vec<String> = (0..3000).map(|n| format!("{first}{n:05}")).collect();
        let (mut azure, _) = container(&KeySpace::whole(), &keys);
        let mut input = input("", None, "/", 1000);
        let mut listed = Vec::new();
        for _ in 0..3 {
            let page = walk(&mut azure, input.clone());
            listed.extend(texts(&page).into_iter().map(str::to_owned));
            input.after = page.last().map(str::to_owned);
            let full = azure.asked.iter().filter(|ask| ask.max_results > 1).count();
            assert!(full == 1 && azure.asked.len() <= asks, "{first} {:?}", azure.asked);
            azure.asked.clear();
        }
        assert_eq!(listed, keys);
    }
}

#[test]
fn a_crowd_of_reserved_names_is_jumped_over() {
    let keys: Vec<String> =
        (0..5000).map(|n| format!("\t{n:05}")).chain(["a".into(), "\u{FFFD}z".into()]).collect();
    let (mut azure, _) = container(&KeySpace::whole(), &keys);
    let page = walk(&mut azure, input("", None, "", 1000));
    assert_eq!(texts(&page), ["a", "\u{FFFD}z"]);
    assert_eq!(azure.asked.len(), 2);
}

#[test]
fn a_common_prefix_with_all_kinds_left_in_it_is_shown_once() {
    let (mut azure, _) = container(&KeySpace::whole(), &["d/\u{FF08}2", "d/😀"].map(str::to_owned));
    for delimiter in ["/", "d/"] {
        let page = walk(&mut azure, input("", Some("d/\u{FF08}1"), delimiter, 10));
        assert_eq!(texts(&page), ["d/"]);
    }
}

#[test]
fn an_after_that_is_no_name_is_inside_its_common_prefix() {
    let (mut azure, _) = container(&KeySpace::whole(), &["a", "d/x", "e"].map(str::to_owned));
    for (after, expected) in [
        ("d/\t", &["d/", "e"][..]),
        ("d/\u{FFFF}", &["e"]),
        ("\t/x", &["a", "d/", "e"]),
        ("d\t/x", &["d/", "e"]),
    ] {
        let page = walk(&mut azure, input("", Some(after), "/", 10));
        assert_eq!(texts(&page), expected, "{after:?}");
    }
}

#[test]
fn a_prefix_with_a_dot_at_its_end_does_not_list_what_is_before() {
    let keys = (0..3000).map(|n| format!("a!{n:05}")).chain(["a.".into(), "a.b".into()]);
    let (mut azure, _) = container(&KeySpace::whole(), &keys.collect::<Vec<_>>());
    let page = walk(&mut azure, input("a.", None, "/", 1000));
    assert_eq!(texts(&page), ["a.", "a.b"]);
    assert_eq!(azure.asked.len(), 1);
}
