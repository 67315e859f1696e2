//! The lines of a listing: one object each, a thousand of them a page. So tags and texts are written as few
//! pieces, and what many lines have in common is written once.

use crate::mapping::listed::ListedObject;
use crate::ops::gateway::Gateway;
use crate::ops::listing::objects::{Asked, Restores};
use crate::s3::time::Stamp;
use crate::s3::xml::Writer;

/// What a line takes beside its key, if it has no owner: room for it is made beforehand.
const LINE_BYTES: usize = 320;

/// Writes lines of one listing.
pub(super) struct Lines<'a> {
    gateway: &'a Gateway,
    asked: &'a Asked,
    restores: Restores,
    owner: Option<WrittenOwner>,
}

/// The owner of the line before: most objects of a bucket have the same.
struct WrittenOwner {
    id: Box<str>,
    xml: String,
}

impl<'a> Lines<'a> {
    pub(super) fn new(gateway: &'a Gateway, asked: &'a Asked, restores: Restores) -> Self {
        Self { gateway, asked, restores, owner: None }
    }

    /// Makes room for so many lines.
    pub(super) fn reserve(&self, document: &mut Writer, lines: usize) {
        document.reserve(lines * (LINE_BYTES + self.asked.prefix.len()));
    }

    /// A line of `ListObjects`.
    pub(super) fn contents(&mut self, document: &mut Writer, key: &str, object: &ListedObject) {
        document.raw("<Contents><Key>");
        self.asked.write(document, key);
        document.raw("</Key>");
        write_validators(document, object);
        if let Some((algorithm, kind)) = object.checksum {
            document.text("ChecksumAlgorithm", algorithm.name()).text("ChecksumType", kind.name());
        }
        self.write_rest(document, object);
        document.raw("</Contents>");
    }

    /// A line of `ListObjectVersions` of the only version there is.
    pub(super) fn version(&mut self, document: &mut Writer, key: &str, object: &ListedObject) {
        document.raw("<Version><Key>");
        self.asked.write(document, key);
        document.raw("</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>");
        write_validators(document, object);
        self.write_rest(document, object);
        document.raw("</Version>");
    }

    fn write_rest(&mut self, document: &mut Writer, object: &ListedObject) {
        document.number("Size", object.size);
        if let Some(owner) = &object.owner {
            document.raw(self.owner(owner));
        }
        document.raw("<StorageClass>").raw(object.class.as_str()).raw("</StorageClass>");
        self.restores.write(document, object);
    }

    /// The element of an owner.
    fn owner(&mut self, id: &str) -> &str {
        let known = self.owner.take().filter(|known| *known.id == *id);
        let gateway = self.gateway;
        &self.owner.insert(known.unwrap_or_else(|| WrittenOwner::new(gateway, id))).xml
    }
}

impl WrittenOwner {
    fn new(gateway: &Gateway, id: &str) -> Self {
        let (canonical, name) = gateway.owner(id);
        let mut piece = Writer::piece();
        piece.open("Owner").text("ID", canonical).text("DisplayName", name).close("Owner");
        Self { id: id.into(), xml: piece.into_text() }
    }
}

fn write_validators(document: &mut Writer, object: &ListedObject) {
    document.raw("<LastModified>").raw(Stamp::of(object.modified).as_str());
    document.raw("</LastModified><ETag>&quot;");
    object.etag.with(|etag| {
        document.value(etag);
    });
    document.raw("&quot;</ETag>");
}
