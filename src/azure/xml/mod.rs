//! A walk through one of Azure's XML documents: elements in their order, texts exactly as they are.
//!
//! Written by hand because a page of a listing is tens of thousands of elements, and reading them is
//! most of what such a page costs: this takes a tenth of what a general reader takes, which a test
//! holds it against. It reads what Azure writes: no document types, no entities but XML's own.

use std::borrow::Cow;

use memchr::memchr;
use memchr::memmem::find;

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
        if self.ends_itself() || self.has_ended() {
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

    /// Whether a child of this name and without attributes comes next; the walk is then inside of it, as
    /// after [`Self::child`]. To look for what is most likely there is less work than looking what is there.
    pub(super) fn begins(&mut self, name: &'static str) -> bool {
        if self.is_empty || self.open.len() >= DEPTH_MAX {
            return false;
        }
        let tag = self.rest.strip_prefix('<').and_then(|tag| tag.strip_prefix(name));
        let Some(rest) = tag.and_then(|tag| tag.strip_prefix('>')) else { return false };
        self.rest = rest;
        self.open.push(name);
        true
    }

    /// The next child as its name and its text; none at the end of the element, and the walk is then
    /// behind it.
    pub(super) fn leaf(&mut self) -> Result<Option<(&'a str, Cow<'a, str>)>, BlobError> {
        if let Some(leaf) = self.plain_leaf() {
            return Ok(Some((leaf.name(), Cow::Borrowed(leaf.text))));
        }
        let Some(tag) = self.child()? else { return Ok(None) };
        Ok(Some((tag.name(), self.text()?)))
    }

    /// The same, if a child without attributes comes next whose text stands there as it is; else the walk
    /// stays where it is.
    pub(super) fn plain_leaf(&mut self) -> Option<Leaf<'a>> {
        if self.is_empty {
            return None;
        }
        let (leaf, rest) = Leaf::at(self.rest)?;
        self.rest = rest;
        Some(leaf)
    }

    /// Such a child, if its start tag is just the one of `before`; else the walk stays where it is. It is half
    /// the work.
    pub(super) fn leaf_like(&mut self, before: Leaf<'a>) -> Option<Leaf<'a>> {
        if self.is_empty {
            return None;
        }
        let inside = self.rest.strip_prefix(before.tag)?;
        if before.ends_itself() {
            self.rest = inside;
            return Some(before);
        }
        let (text, end) = inside.split_at_checked(text_end(inside)?)?;
        self.rest = end.strip_prefix("</")?.strip_prefix(before.tag.get(1..)?)?;
        Some(Leaf { text, ..before })
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

    /// Whether the end tag of the element comes next, which is then behind the walk. What is no such tag may
    /// be one that is written otherwise.
    fn has_ended(&mut self) -> bool {
        let behind = self.open.last().and_then(|name| behind_end_tag(self.rest, name));
        if let Some(rest) = behind {
            self.rest = rest;
            self.open.pop();
        }
        behind.is_some()
    }

    /// All up to the next `<`, which is where the walk is then.
    fn text_before_markup(&mut self) -> Result<&'a str, BlobError> {
        if self.rest.starts_with('<') {
            return Ok("");
        }
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
        if self.has_ended() {
            return Ok(Markup::End);
        }
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

/// An element without attributes and children, whose text stands in the document as it is: most of a
/// listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf<'a> {
    /// `<name>`, `<name/>` or `<name />`.
    tag: &'a str,
    name_bytes: usize,
    /// Its text.
    pub(super) text: &'a str,
}

impl<'a> Leaf<'a> {
    /// The leaf at the beginning of `rest`, and what is behind it. Nothing if it is anything else, or has
    /// references.
    fn at(rest: &'a str) -> Option<(Self, &'a str)> {
        let inside = rest.strip_prefix('<')?;
        // With a blank it has attributes, or an end tag that looks like it.
        let name_end = first_of(inside.as_bytes(), |word| word.equal(b'>') | word.below(b' ' + 1))?;
        let (name, behind) = inside.split_at_checked(name_end)?;
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return None;
        }
        if let Some(behind) = behind.strip_prefix(" />") {
            let tag = rest.get(..name.len() + "< />".len())?;
            return Some((Self { tag, name_bytes: name.len(), text: "" }, behind));
        }
        let inside = behind.strip_prefix('>')?;
        let tag = rest.get(..name.len() + "<>".len())?;
        if let Some(name) = name.strip_suffix('/') {
            return Some((Self { tag, name_bytes: name.len(), text: "" }, inside));
        }
        let (text, end) = inside.split_at_checked(text_end(inside)?)?;
        Some((Self { tag, name_bytes: name.len(), text }, behind_end_tag(end, name)?))
    }

    /// Its name.
    pub(super) fn name(&self) -> &'a str {
        self.tag.get(1..=self.name_bytes).unwrap_or_default()
    }

    fn ends_itself(&self) -> bool {
        self.tag.ends_with("/>")
    }
}

/// Where a text ends that stands in the document as it is, or where its first reference is.
fn text_end(inside: &str) -> Option<usize> {
    first_of(inside.as_bytes(), |word| word.equal(b'<') | word.equal(b'&'))
}

/// What is behind the end tag of `name` that `rest` begins with, if it does.
fn behind_end_tag<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    rest.strip_prefix("</")?.strip_prefix(name)?.strip_prefix('>')
}

/// Eight bytes that are looked at in one step. What is told of each is its highest bit, and it is right up
/// to the first that has it. <https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>
#[derive(Clone, Copy)]
struct Word(u64);

/// Every byte is 1.
const ONES: u64 = u64::MAX / 0xFF;
/// The highest bit of every byte.
const HIGHEST: u64 = ONES << 7;

impl Word {
    /// Which bytes are this one.
    fn equal(self, byte: u8) -> u64 {
        Self(self.0 ^ ONES.wrapping_mul(u64::from(byte))).below(1)
    }

    /// Which bytes are below this one, which is no more than 128.
    fn below(self, byte: u8) -> u64 {
        self.0.wrapping_sub(ONES.wrapping_mul(u64::from(byte))) & !self.0 & HIGHEST
    }
}

/// Where the first of `bytes` is that is `wanted`. Names and texts are too short for a search that has to
/// get ready.
fn first_of(bytes: &[u8], wanted: impl Fn(Word) -> u64) -> Option<usize> {
    let place = |marks: u64| usize::try_from(marks.trailing_zeros() / u8::BITS).unwrap_or_default();
    let (words, last) = bytes.as_chunks::<{ size_of::<u64>() }>();
    for (at, word) in words.iter().enumerate() {
        let marks = wanted(Word(u64::from_le_bytes(*word)));
        if marks != 0 {
            return Some(at * size_of::<u64>() + place(marks));
        }
    }
    let mut word = [0; size_of::<u64>()];
    word.iter_mut().zip(last).for_each(|(to, from)| *to = *from);
    let place = place(wanted(Word(u64::from_le_bytes(word))));
    (place < last.len()).then(|| bytes.len() - last.len() + place)
}

/// Where the `>` is that ends a tag: one in a quoted value does not.
fn end_of_tag(inside: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = inside.get(at..)?;
        let found = first_of(rest, |word| word.equal(b'>') | word.equal(b'"') | word.equal(b'\''))?;
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
mod tests;
