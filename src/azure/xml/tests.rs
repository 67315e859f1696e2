//! The walk against a general reader, and over what is no document.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;

/// Elements with their own text, in the order of their ends. Those whose names begin with `t` are
/// read as texts, the children of those that begin with `l` as leaves, the others as children.
type Ends = Vec<(String, String)>;

/// By the walk; none where the document is broken.
fn walked(document: &str) -> Option<Ends> {
    let mut all = Ends::new();
    let mut walk = Walk::into_root(document.as_bytes(), "root").ok()?;
    walk_children(&mut walk, &mut all)?;
    Some(all)
}

fn walk_children(walk: &mut Walk<'_>, all: &mut Ends) -> Option<()> {
    while let Some(tag) = walk.child().ok()? {
        match tag.name().chars().next()? {
            't' => all.push((tag.name().to_owned(), walk.text().ok()?.into_owned())),
            'l' => walk_leaves(walk, all)?,
            _ => walk_children(walk, all)?,
        }
        if !tag.name().starts_with('t') {
            all.push((tag.name().to_owned(), String::new()));
        }
    }
    Some(())
}

fn walk_leaves(walk: &mut Walk<'_>, all: &mut Ends) -> Option<()> {
    while let Some((name, text)) = walk.leaf().ok()? {
        all.push((name.to_owned(), text.into_owned()));
    }
    Some(())
}

/// By a general reader.
fn read(document: &str) -> Option<Ends> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let (mut all, mut open) = (Ends::new(), Ends::new());
    loop {
        let text = match reader.read_event().ok()? {
            Event::Start(tag) => {
                open.push((tag.name().as_ref().to_owned(), String::new()));
                continue;
            }
            Event::End(_) if open.len() == 1 => return Some(all),
            Event::End(_) => {
                all.extend(ended(open.pop()?, &open));
                continue;
            }
            Event::Text(text) => text.into_inner().into_owned(),
            Event::CData(text) => text.into_inner().into_owned(),
            Event::GeneralRef(reference) => {
                let known = quick_xml::escape::resolve_predefined_entity(reference.as_ref());
                let number = reference.resolve_char_ref().ok()?.map(String::from);
                known.map(str::to_owned).or(number)?
            }
            Event::Eof | Event::DocType(_) => return None,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
        };
        open.last_mut()?.1.push_str(&text);
    }
}

/// An element that has ended, unless it was inside of a text.
fn ended((name, text): (String, String), around: &Ends) -> Option<(String, String)> {
    let around: Vec<&str> = around.iter().map(|(name, _)| name.as_str()).collect();
    let inside = (1..=around.len()).any(|count| is_text(&around[..count]));
    let is_text = is_text(&[&around[..], &[&name]].concat());
    (!inside).then_some((name, if is_text { text } else { String::new() }))
}

/// Is the last of these, each inside of the one before, read as text?
fn is_text(path: &[&str]) -> bool {
    let [.., around, name] = path else { return false };
    name.starts_with('t') || around.starts_with('l')
}

/// A piece of what may stand in an element.
fn content() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[ a-z\r\n\u{e9}\u{1f388}]{0,6}",
        Just("&lt;&amp;&gt;&quot;&apos;&#x9;&#13;&#x1F388;".to_owned()),
        Just("<!-- a > b <c> -->".to_owned()),
        Just("<![CDATA[<c>&amp;]]>".to_owned()),
        Just("<?pi > ?>".to_owned()),
        "<l>(<a>[a-z&&[^x]]{0,3}(&lt;|&#65;)?</a>){0,3}</l>",
        "<[elt][a-z]{0,3}( A=\"[>a-z'/]{0,3}\")? ?/>",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        (prop::collection::vec(inner, 0..4), "[elt][a-z]{0,3}", "( A='[>a-z\"/]{0,3}')? ?")
            .prop_map(|(inner, name, attributes)| {
                format!("<{name}{attributes}>{}</{name} >", inner.concat())
            })
    })
}

proptest! {
    #[test]
    fn what_a_general_reader_reads_is_read(inner in prop::collection::vec(content(), 0..6)) {
        let document = format!("<?xml version=\"1.0\"?><root x=\"1\">{}</root>", inner.concat());
        let walked = walked(&document);
        prop_assert!(walked.is_some(), "{}", document);
        prop_assert_eq!(walked, read(&document));
    }

    #[test]
    fn what_is_cut_or_changed_never_panics_and_never_ends_early(
        inner in prop::collection::vec(content(), 0..6),
        at in any::<prop::sample::Index>(),
        other in any::<char>(),
    ) {
        let document = format!("<root>{}</root>", inner.concat());
        let mut letters: Vec<char> = document.chars().collect();
        let at = at.index(letters.len());
        let cut: String = letters.iter().take(at).collect();
        prop_assert_eq!(walked(&cut), None);
        letters[at] = other;
        walked(&letters.iter().collect::<String>());
    }
}

#[test]
fn attributes_are_found() {
    let says = |attributes: &str| Tag { name: "Name", attributes }.says("Encoded", "true");
    assert!(says(" Encoded=\"true\"") && says(" a='\"' Encoded = 'true' "));
    assert!(!says(" Encoded=\"false\"") && !says(" XEncoded=\"true\"") && !says(" Encoded"));
    assert!(!says(" a=\" Encoded='true'\"") && !says(" Encoded=true"));
}

#[test]
fn what_is_no_document_of_azures_is_broken() {
    for wrong in [
        "",
        "text",
        "<other/>",
        "<!DOCTYPE root [<!ENTITY e \"v\">]><root/>",
        "<root><t>&e;</t></root>",
        "<root><t>&#0;</t></root>",
        "<root><t>&#xD800;</t></root>",
        "<root><t>&amp</t></root>",
        "<root><a></b></root>",
        "<root><a></root>",
        &format!("<root>{}</root>", "<a>".repeat(40)),
    ] {
        assert_eq!(walked(wrong), None, "{wrong}");
    }
}
