//! A walk through one of Azure's XML documents: elements in their order, texts exactly as they are.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::error::BlobError;

/// Stands behind the start tag of an element, whose children and text come next.
pub(super) struct Walk<'a> {
    reader: Reader<&'a [u8]>,
}

impl<'a> Walk<'a> {
    /// Inside the root element of `document`, which is called `root`.
    pub(super) fn into_root(document: &'a [u8], root: &str) -> Result<Self, BlobError> {
        let text = std::str::from_utf8(document).map_err(BlobError::broken)?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        let mut walk = Self { reader };
        let tag = walk.child()?.ok_or_else(|| BlobError::broken("an empty document"))?;
        if tag.name().as_ref() != root {
            return Err(BlobError::broken(format!("a document that is no {root}")));
        }
        Ok(walk)
    }

    /// The next child of the element; none at its end, and the walk is then behind it.
    pub(super) fn child(&mut self) -> Result<Option<BytesStart<'a>>, BlobError> {
        loop {
            match self.reader.read_event().map_err(BlobError::broken)? {
                Event::Start(tag) | Event::Empty(tag) => return Ok(Some(tag)),
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(BlobError::broken("the document is cut")),
                Event::DocType(_) => return Err(BlobError::broken("a document type")),
                Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::GeneralRef(_) => {}
            }
        }
    }

    /// The text of the element, every blank of it; the walk is then behind the element.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, BlobError> {
        let mut all = Cow::Borrowed("");
        loop {
            match self.reader.read_event().map_err(BlobError::broken)? {
                // Not xml10_content(): it would make CR a LF, and names are exact.
                Event::Text(text) => append(&mut all, text.into_inner()),
                Event::CData(text) => append(&mut all, text.into_inner()),
                Event::GeneralRef(reference) => {
                    let character = resolve(&reference)?;
                    all.to_mut().push(character);
                }
                Event::End(_) => return Ok(all),
                Event::Start(tag) | Event::Empty(tag) => self.skip(&tag)?,
                Event::Eof => return Err(BlobError::broken("the document is cut")),
                Event::DocType(_) => return Err(BlobError::broken("a document type")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// Goes behind the element that `tag` begins.
    pub(super) fn skip(&mut self, tag: &BytesStart<'a>) -> Result<(), BlobError> {
        self.reader.read_to_end(tag.name()).map(|_| ()).map_err(BlobError::broken)
    }
}

fn append<'a>(all: &mut Cow<'a, str>, text: Cow<'a, str>) {
    if all.is_empty() {
        *all = text;
    } else {
        all.to_mut().push_str(&text);
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, BlobError> {
    if let Some(character) = reference.resolve_char_ref().map_err(BlobError::broken)? {
        return Ok(character);
    }
    match reference.as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(BlobError::broken("an entity of its own")),
    }
}
