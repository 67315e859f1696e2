//! The documents of S3's answers and requests: written and read here, and nowhere else.
//!
//! Written by hand rather than through a model of types, because S3's answers are flat lists with
//! a fixed order; read into a small bounded tree, because a request's document is short.

use std::borrow::Cow;
use std::fmt::Write as _;

use data_encoding::BASE64;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::s3::error::{Code, Error};

/// The name space of S3's documents.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// Deeper than any document that S3 reads; bounds the stack of open elements.
const DEPTH_MAX: usize = 16;
/// More than any attributes that S3 reads, in bytes of one start tag.
const ATTRIBUTE_BYTES_MAX: usize = 4096;
/// 10,000 parts with seven elements each is the largest document that S3 reads.
const ELEMENTS_MAX: usize = 100_000;

/// What every document begins with.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A document being written: elements in order, closed by name.
#[derive(Debug)]
pub struct Writer(String);

impl Writer {
    /// Begins a document of S3's name space.
    pub fn document(root: &str) -> Self {
        let mut text = String::with_capacity(1024);
        text.push_str(DECLARATION);
        text.push('<');
        text.push_str(root);
        text.push_str(" xmlns=\"");
        text.push_str(NAMESPACE);
        text.push_str("\">");
        Self(text)
    }

    /// Begins a document without a name space, as errors are.
    pub fn bare(root: &str) -> Self {
        let mut writer = Self(String::with_capacity(512));
        writer.0.push_str(DECLARATION);
        writer.open(root);
        writer
    }

    /// Opens an element.
    pub fn open(&mut self, name: &str) -> &mut Self {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
        self
    }

    /// Opens an element whose start tag carries attributes, written out.
    pub fn open_with(&mut self, name: &str, attributes: &str) -> &mut Self {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push(' ');
        self.0.push_str(attributes);
        self.0.push('>');
        self
    }

    /// Closes an element.
    pub fn close(&mut self, name: &str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }

    /// Begins a piece that stands in documents.
    pub fn piece() -> Self {
        Self(String::new())
    }

    /// Makes room for so many bytes more.
    pub fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// Writes what is XML already: tags, pieces, and texts that have nothing to escape. For long lists,
    /// where a tag at a time is most of the work.
    pub fn raw(&mut self, xml: &str) -> &mut Self {
        self.0.push_str(xml);
        self
    }

    /// Writes the text of the element that is open.
    pub fn value(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&escape(text));
        self
    }

    /// Writes an element with text.
    pub fn text(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        self.open(name).value(value.as_ref()).close(name)
    }

    /// Writes an element with text, if there is any.
    pub fn maybe(&mut self, name: &str, value: Option<impl AsRef<str>>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// Writes an element with `true` or `false`.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.text(name, if value { "true" } else { "false" })
    }

    /// Writes an element with a number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.open(name);
        let written = write!(self.0, "{value}");
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        self.close(name)
    }

    /// What has been written of a piece.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Ends the document.
    pub fn finish(mut self, root: &str) -> String {
        self.close(root);
        self.0
    }
}

/// The document of an error:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses>.
pub fn error(error: &Error, resource: &str, id: &str) -> String {
    let mut document = Writer::bare("Error");
    document.text("Code", error.code().name()).text("Message", error.text());
    for (element, value) in error.details() {
        document.text(element, value);
    }
    document.text("Resource", resource).text("RequestId", id).text("HostId", host_id(id));
    document.finish("Error")
}

/// The second id of a request, which S3's support asks for; here it tells no more than the first.
pub fn host_id(id: &str) -> String {
    BASE64.encode(id.as_bytes())
}

/// Text as it may stand in an element. What XML cannot hold is a numeric reference, as S3 does it.
fn escape(text: &str) -> Cow<'_, str> {
    let plain = |c: char| {
        !matches!(c, '<' | '>' | '&' | '"' | '\u{7f}' | '\u{fffe}' | '\u{ffff}') && c >= ' '
    };
    if !text.bytes().any(is_special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            c if plain(c) => escaped.push(c),
            // Writing to a string cannot fail.
            c => drop(write!(escaped, "&#x{:X};", u32::from(c))),
        }
    }
    Cow::Owned(escaped)
}

/// May a character that begins with this byte have to be escaped? U+FFFE and U+FFFF begin with 0xEF.
fn is_special(byte: u8) -> bool {
    // Most texts are so short that a look-up is faster than anything that takes many bytes in one step.
    const SPECIAL: [bool; 256] = {
        let mut special = [false; 256];
        let mut rest: &mut [bool] = &mut special;
        let mut byte = 0_u8;
        while let Some((first, others)) = rest.split_first_mut() {
            *first = byte < b' ' || matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\x7f' | b'\xef');
            byte = byte.wrapping_add(1);
            rest = others;
        }
        special
    };
    SPECIAL.get(usize::from(byte)).copied().unwrap_or(true)
}

/// An element of a request's document.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name, without a prefix.
    pub name: String,
    /// Its text, blanks around it kept.
    pub text: String,
    /// The elements inside it.
    pub children: Vec<Self>,
}

impl Element {
    /// The children of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The one child of that name; `MalformedXML` if there are several.
    pub fn one(&self, name: &str) -> Result<Option<&Self>, Error> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        let first = found.next();
        if found.next().is_some() { Err(malformed()) } else { Ok(first) }
    }

    /// The text of the one child of that name; `MalformedXML` if there is none.
    pub fn need(&self, name: &str) -> Result<&str, Error> {
        self.one(name)?.map(|child| child.text.as_str()).ok_or_else(malformed)
    }
}

/// The refusal of a document.
pub fn malformed() -> Error {
    Error::new(Code::MalformedXML)
}

/// Reads a request's document, whose outermost element has to be `root`.
///
/// No document type, no entities but XML's own five, UTF-8 only: nothing in a document may name
/// something outside of it.
pub fn read(bytes: &[u8], root: &str) -> Result<Element, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| malformed())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut tree = Tree::default();
    loop {
        match reader.read_event().map_err(|fault| malformed().caused_by(fault))? {
            Event::Start(start) => tree.open(&start)?,
            Event::Empty(start) => {
                tree.open(&start)?;
                tree.close()?;
            }
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.append(&text.xml10_content())?,
            Event::CData(text) => tree.append(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                tree.append(resolve(&reference)?.encode_utf8(&mut [0; 4]))?;
            }
            Event::Decl(_) | Event::Comment(_) => {}
            Event::PI(_) | Event::DocType(_) => return Err(malformed()),
            Event::Eof => break,
        }
    }
    tree.finish().filter(|element| element.name == root).ok_or_else(malformed)
}

/// The character that `&name;` or `&#x41;` stands for.
fn resolve(reference: &BytesRef<'_>) -> Result<char, Error> {
    if let Some(c) = reference.resolve_char_ref().map_err(|fault| malformed().caused_by(fault))? {
        return Ok(c);
    }
    match &**reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(malformed()),
    }
}

/// The elements that are open, outermost first, and the outermost one once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Error> {
        self.elements += 1;
        let second_root = self.open.is_empty() && self.root.is_some();
        let too_much = self.open.len() == DEPTH_MAX
            || self.elements > ELEMENTS_MAX
            || start.attributes_raw().len() > ATTRIBUTE_BYTES_MAX;
        if too_much || second_root {
            return Err(malformed());
        }
        let name = start.local_name().as_ref().to_owned();
        self.open.push(Element { name, ..Element::default() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let element = self.open.pop().ok_or_else(malformed)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<(), Error> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(malformed()),
        }
        Ok(())
    }

    fn finish(self) -> Option<Element> {
        self.root.filter(|_| self.open.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{Writer, read};

    #[test]
    fn what_xml_cannot_hold_is_a_reference() {
        let mut writer = Writer::bare("R");
        writer.text("K", "a<b>&\"\t\r\n\u{1}\u{ffff}é");
        assert!(
            writer
                .finish("R")
                .ends_with("<R><K>a&lt;b&gt;&amp;&quot;&#x9;&#xD;&#xA;&#x1;&#xFFFF;é</K></R>")
        );
    }

    #[test]
    fn a_document_is_read_as_a_tree() {
        let text = "<?xml version='1.0'?><d:Delete xmlns:d='x'><Quiet>true</Quiet>\
            <Object><Key> a&amp;b&#x41;<![CDATA[<]]></Key></Object><Object/></d:Delete>";
        let delete = read(text.as_bytes(), "Delete").unwrap();
        assert_eq!(delete.need("Quiet").unwrap(), "true");
        let objects: Vec<_> = delete.all("Object").collect();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0].need("Key").unwrap(), " a&bA<");
        assert!(objects[1].need("Key").is_err());
        assert!(delete.one("Object").is_err());
    }

    #[test]
    fn c54_a_document_names_nothing_outside_of_itself() {
        for text in [
            "<!DOCTYPE d [<!ENTITY x 'y'>]><Delete>&x;</Delete>",
            "<!DOCTYPE d SYSTEM 'file:///etc/passwd'><Delete/>",
            "<Delete>&x;</Delete>",
            "<?php x?><Delete/>",
        ] {
            assert!(read(text.as_bytes(), "Delete").is_err(), "{text}");
        }
        let utf16: Vec<u8> = "<Delete/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(read(&utf16, "Delete").is_err());
    }

    #[test]
    fn c55_attributes_and_depth_are_bounded() {
        let attributes: Vec<_> = (0..100_000).map(|i| format!("xmlns:a{i}='b'")).collect();
        let text = format!("<Delete {}/>", attributes.join(" "));
        assert!(read(text.as_bytes(), "Delete").is_err());
        assert!(read(b"<Delete xmlns='x' a='b'/>", "Delete").is_ok());
        assert!(read("<a>".repeat(100_000).as_bytes(), "a").is_err());
        assert!(read("<a><b/></a>".repeat(2).as_bytes(), "a").is_err());
    }

    #[test]
    fn broken_documents_are_refused() {
        for text in [
            "",
            "x",
            "<Delete>",
            "</Delete>",
            "<Delete></Other>",
            "<Delete/>x",
            "<Other/>",
            "<Delete>&#0;</Delete>",
        ] {
            assert!(read(text.as_bytes(), "Delete").is_err(), "{text}");
        }
    }
}
