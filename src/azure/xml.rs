//! A walk through one of Azure's XML documents: elements in their order, texts exactly as they are.
//!
//! Written by hand because a page of a listing is tens of thousands of elements, and reading them is
//! most of what such a page costs: this takes a third of the time of a general reader, which a test
//! holds it against. It reads what Azure writes: no document types, no entities but XML's own.

use std::borrow::Cow;

use memchr::memmem::find;
use memchr::{memchr, memchr3};

use super::error::BlobError;

/// Deeper than any of Azure's documents; bounds the stack of open elements.
const DEPTH_MAX: usize = 16;
/// The longest reference that means a character: `&#x10FFFF;` with some leading zeros.
const REFERENCE_BYTES_MAX: usize = 16;

/// Stands behind the start tag of an element, whose children and text come next.
pub(super) struct Walk<'a> {
    /// What is still to be read.
    rest: &'a str,
    /// The elements that are open, the root first.
    open: Vec<&'a str>,
    /// The last start tag was its own end tag.
    is_empty: bool,
}

/// A start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// The name of the element.
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Whether it has this attribute with this value, which needs no escape.
    pub(super) fn says(&self, attribute: &str, value: &str) -> bool {
        let mut rest = self.attributes;
        while let Some((name, behind)) = rest.split_once('=') {
            let behind = behind.trim_start();
            let Some(quote) = behind.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
                return false;
            };
            let mut parts = behind.splitn(3, quote).skip(1);
            let (Some(found), Some(next)) = (parts.next(), parts.next()) else { return false };
            if name.trim() == attribute {
                return found == value;
            }
            rest = next;
        }
        false
    }
}

/// What a document goes on with.
enum Markup<'a> {
    Start(Tag<'a>),
    End,
    /// Text that is to be taken as it stands.
    Verbatim(&'a str),
    /// A comment or an instruction.
    Nothing,
}

impl<'a> Walk<'a> {
    /// Inside the root element of `document`, which is called `root`.
    pub(super) fn into_root(document: &'a [u8], root: &str) -> Result<Self, BlobError> {
        let text = std::str::from_utf8(document).map_err(BlobError::broken)?;
        let rest = text.trim_start_matches('\u{feff}');
        let mut walk = Self { rest, open: Vec::with_capacity(DEPTH_MAX), is_empty: false };
        let tag = walk.child()?.ok_or_else(|| BlobError::broken("an empty document"))?;
        if tag.name() != root {
            return Err(BlobError::broken(format!("a document that is no {root}")));
        }
        Ok(walk)
    }

    /// The next child of the element; none at its end, and the walk is then behind it.
    pub(super) fn child(&mut self) -> Result<Option<Tag<'a>>, BlobError> {
        if self.ends_itself() {
            return Ok(None);
        }
        loop {
            self.text_before_markup()?;
            match self.markup()? {
                Markup::Start(tag) => return Ok(Some(tag)),
                Markup::End => return Ok(None),
                Markup::Verbatim(_) | Markup::Nothing => {}
            }
        }
    }

    /// The text of the element, every blank of it; the walk is then behind the element.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, BlobError> {
        let mut all = Cow::Borrowed("");
        if self.ends_itself() {
            return Ok(all);
        }
        loop {
            append(&mut all, resolved(self.text_before_markup()?)?);
            match self.markup()? {
                Markup::End => return Ok(all),
                Markup::Start(_) => self.skip()?,
                Markup::Verbatim(text) => append(&mut all, Cow::Borrowed(text)),
                Markup::Nothing => {}
            }
        }
    }

    /// The next child as its name and its text; none at the end of the element, and the walk is then
    /// behind it.
    pub(super) fn leaf(&mut self) -> Result<Option<(&'a str, Cow<'a, str>)>, BlobError> {
        if let Some((name, text, rest)) = plain_leaf(self.rest).filter(|_| !self.is_empty) {
            self.rest = rest;
            return Ok(Some((name, Cow::Borrowed(text))));
        }
        let Some(tag) = self.child()? else { return Ok(None) };
        Ok(Some((tag.name(), self.text()?)))
    }

    /// Goes behind the element whose start tag was read last.
    pub(super) fn skip(&mut self) -> Result<(), BlobError> {
        let around = self.open.len().saturating_sub(1);
        while self.open.len() > around {
            self.child()?;
        }
        Ok(())
    }

    /// Whether the last start tag was its own end tag, which is then behind the walk.
    fn ends_itself(&mut self) -> bool {
        let ends = std::mem::take(&mut self.is_empty);
        if ends {
            self.open.pop();
        }
        ends
    }

    /// All up to the next `<`, which is where the walk is then.
    fn text_before_markup(&mut self) -> Result<&'a str, BlobError> {
        let end = memchr(b'<', self.rest.as_bytes()).ok_or_else(cut)?;
        let (text, rest) = self.rest.split_at_checked(end).ok_or_else(cut)?;
        self.rest = rest;
        Ok(text)
    }

    /// Reads what begins with the `<` that comes next.
    fn markup(&mut self) -> Result<Markup<'a>, BlobError> {
        let rest = self.rest.get(1..).ok_or_else(cut)?;
        match rest.as_bytes().first() {
            Some(b'/') => self.end(),
            Some(b'?') => self.until("?>").map(|_instruction| Markup::Nothing),
            Some(b'!') if rest.starts_with("!--") => {
                self.until("-->").map(|_comment| Markup::Nothing)
            }
            Some(b'!') => {
                let section = rest.strip_prefix("![CDATA[");
                let section = section.ok_or_else(|| BlobError::broken("a document type"))?;
                self.rest = section;
                self.until("]]>").map(Markup::Verbatim)
            }
            Some(_) => self.start(rest).map(Markup::Start),
            None => Err(cut()),
        }
    }

    /// All up to `end`; the walk is then behind it.
    fn until(&mut self, end: &str) -> Result<&'a str, BlobError> {
        let at = find(self.rest.as_bytes(), end.as_bytes()).ok_or_else(cut)?;
        let text = self.rest.get(..at).ok_or_else(cut)?;
        self.rest = self.rest.get(at + end.len()..).ok_or_else(cut)?;
        Ok(text)
    }

    fn end(&mut self) -> Result<Markup<'a>, BlobError> {
        let tag = self.until(">")?;
        let name = tag.get(2..).unwrap_or_default().trim_end();
        if self.open.pop() == Some(name) {
            Ok(Markup::End)
        } else {
            Err(BlobError::broken("an end tag of another element"))
        }
    }

    /// Reads a start tag; `inside` is what stands behind its `<`.
    fn start(&mut self, inside: &'a str) -> Result<Tag<'a>, BlobError> {
        let end = end_of_tag(inside.as_bytes()).ok_or_else(cut)?;
        let tag = inside.get(..end).ok_or_else(cut)?;
        self.rest = inside.get(end + 1..).ok_or_else(cut)?;
        let open = tag.strip_suffix('/');
        self.is_empty = open.is_some();
        let tag = open.unwrap_or(tag);
        let name_end = tag.bytes().position(|byte| byte.is_ascii_whitespace()).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at_checked(name_end).ok_or_else(cut)?;
        if self.open.len() >= DEPTH_MAX {
            return Err(BlobError::broken("a document that is too deep"));
        }
        self.open.push(name);
        Ok(Tag { name, attributes })
    }
}

fn cut() -> BlobError {
    BlobError::broken("the document is cut")
}

/// `<name>text</name>` at the beginning of `rest`, and what is behind it: most of a listing. Nothing if it
/// is anything else, or has references. Byte by byte: a search in steps is slower on texts so short.
fn plain_leaf(rest: &str) -> Option<(&str, &str, &str)> {
    let inside = rest.strip_prefix('<')?;
    // With a blank it has attributes, or an end tag that looks like it.
    let name_end = inside.bytes().position(|byte| byte == b'>' || byte <= b' ')?;
    let (name, inside) = inside.split_at_checked(name_end)?;
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let inside = inside.strip_prefix('>')?;
    let text_end = inside.bytes().position(|byte| byte == b'<' || byte == b'&')?;
    let (text, end) = inside.split_at_checked(text_end)?;
    let rest = end.strip_prefix("</")?.strip_prefix(name)?.strip_prefix('>')?;
    Some((name, text, rest))
}

/// Where the `>` is that ends a tag: one in a quoted value does not.
fn end_of_tag(inside: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = inside.get(at..)?;
        let found = memchr3(b'>', b'"', b'\'', rest)?;
        let quote = *rest.get(found)?;
        if quote == b'>' {
            return Some(at + found);
        }
        let value = rest.get(found + 1..)?;
        at += found + memchr(quote, value)? + 2;
    }
}

fn append<'a>(all: &mut Cow<'a, str>, text: Cow<'a, str>) {
    if all.is_empty() {
        *all = text;
    } else if !text.is_empty() {
        all.to_mut().push_str(&text);
    }
}

/// Text whose references are the characters that they mean. Nothing else is changed: XML would have a CR
/// read as an LF, but names are exact.
fn resolved(text: &str) -> Result<Cow<'_, str>, BlobError> {
    let Some(first) = memchr(b'&', text.as_bytes()) else { return Ok(Cow::Borrowed(text)) };
    let (plain, mut rest) = text.split_at_checked(first).ok_or_else(cut)?;
    let mut all = plain.to_owned();
    while let Some(reference) = rest.strip_prefix('&') {
        let end = reference.bytes().take(REFERENCE_BYTES_MAX).position(|byte| byte == b';');
        let end = end.ok_or_else(|| BlobError::broken("a reference without an end"))?;
        let (name, behind) = reference.split_at_checked(end).ok_or_else(cut)?;
        all.push(character(name)?);
        let behind = behind.get(1..).unwrap_or_default();
        let plain = memchr(b'&', behind.as_bytes()).unwrap_or(behind.len());
        let (plain, next) = behind.split_at_checked(plain).ok_or_else(cut)?;
        all.push_str(plain);
        rest = next;
    }
    Ok(Cow::Owned(all))
}

/// The character that a reference means.
fn character(reference: &str) -> Result<char, BlobError> {
    let number = match reference.strip_prefix('#') {
        Some(number) => number
            .strip_prefix('x')
            .map_or_else(|| number.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok()),
        None => match reference {
            "lt" => return Ok('<'),
            "gt" => return Ok('>'),
            "amp" => return Ok('&'),
            "quot" => return Ok('"'),
            "apos" => return Ok('\''),
            _ => return Err(BlobError::broken("an entity of its own")),
        },
    };
    let character = number.filter(|number| *number > 0).and_then(char::from_u32);
    character.ok_or_else(|| BlobError::broken("a reference to no character"))
}

#[cfg(test)]
mod tests {
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
}
