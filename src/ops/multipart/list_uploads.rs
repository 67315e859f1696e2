//! `ListMultipartUploads`: the uploads that are open, by key and then by time.

use http::{Response, StatusCode, header};

use crate::access::Action;
use crate::azure::{Include, Kind, ListBlobs, ListEntry};
use crate::mapping::errors;
use crate::mapping::uploads::{Files, Listed, Record, UploadId};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::listing::objects::Asked;
use crate::ops::multipart::list_parts::write_people;
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::xml::Writer;
use crate::s3::{Error, time};

/// One line of the listing.
#[derive(Debug)]
enum Line {
    Upload(UploadId, Box<Record>),
    Prefix(String),
}

impl Line {
    fn key(&self) -> &str {
        match self {
            Self::Upload(_, record) => record.key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::ListBucketMultipartUploads).await?;
    let asked = Asked::read(&request.query, "max-uploads")?;
    let key_marker = request.query.get("key-marker").unwrap_or_default();
    // Without a key the id says nothing.
    let id_marker = request.query.filled("upload-id-marker").filter(|_| !key_marker.is_empty());
    let mut page =
        Page { asked: &asked, key_marker, id_marker, lines: Vec::new(), truncated: false };
    let bucket = with_id(gateway, &request, bucket).await?;
    if let Some(files) = bucket.files().filter(|_| asked.page_size() > 0) {
        page.fill(&bucket, &files).await?;
    }
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(page.write(gateway, &bucket)))
        .map_err(unanswerable)
}

/// The bucket, asked for again if it has no id: another replica may have given it one a moment ago.
async fn with_id(gateway: &Gateway, request: &Request, bucket: Bucket) -> Result<Bucket, Error> {
    if bucket.files().is_some() {
        return Ok(bucket);
    }
    gateway.forget(&bucket).await;
    gateway.open_bucket(request, Action::ListBucketMultipartUploads).await
}

/// A page that is being filled.
struct Page<'a> {
    asked: &'a Asked,
    key_marker: &'a str,
    id_marker: Option<&'a str>,
    lines: Vec<Line>,
    truncated: bool,
}

/// What became of one upload of the walk.
enum Fate {
    /// It is taken in, or passed over; the walk goes on.
    Next,
    /// The walk goes on from this name.
    Jump(String),
    /// The page is full, or nothing more belongs to it.
    End,
}

impl Page<'_> {
    /// Walks until the page is full.
    async fn fill(&mut self, bucket: &Bucket, files: &Files) -> Result<(), Error> {
        let mut which = ListBlobs {
            prefix: Some(files.records()),
            start_from: Some(self.start(files)),
            max_results: u32::try_from(self.asked.page_size()).unwrap_or(u32::MAX) + 1,
            include: Include { metadata: true, ..Include::default() },
            ..ListBlobs::default()
        };
        let mut cut: Vec<(UploadId, Box<Record>)> = Vec::new();
        loop {
            let page = match bucket.store().list_blobs(&bucket.account().system, &which).await {
                Ok(page) => page,
                Err(error) if error.kind() == Kind::NoSuchContainer => return Ok(()),
                Err(error) => return Err(errors::on_service(error)),
            };
            let jump = match self.meet_all(files, &mut cut, page.entries) {
                Fate::End => return Ok(()),
                Fate::Next => None,
                Fate::Jump(name) => Some(name),
            };
            which.marker = page.next_marker;
            which.start_from = None;
            if which.marker.is_none() {
                let _full = self.take_cut(&mut cut);
                return Ok(());
            }
            // A prefix that has been rolled up is not walked through.
            if jump.is_some() {
                which.marker = None;
                which.start_from = jump;
            }
        }
    }

    /// Meets the uploads of one of Azure's pages.
    fn meet_all(
        &mut self,
        files: &Files,
        cut: &mut Vec<(UploadId, Box<Record>)>,
        entries: Vec<ListEntry>,
    ) -> Fate {
        let mut jump: Option<String> = None;
        for entry in entries {
            if jump.as_deref().is_some_and(|jump| entry.name() < jump) {
                continue;
            }
            let ListEntry::Blob(blob) = entry else { continue };
            let listed = files.read_record(&blob.name);
            let Some((listed, record)) = listed.zip(Record::read(&blob.properties)) else {
                continue;
            };
            jump = match self.meet(files, cut, listed, record) {
                Fate::Next => None,
                Fate::Jump(name) => Some(name),
                Fate::End => return Fate::End,
            };
        }
        jump.map_or(Fate::Next, Fate::Jump)
    }

    /// Where the walk begins.
    fn start(&self, files: &Files) -> String {
        let prefix = files.from_key(self.asked.prefix.as_bytes());
        // What the page before ended with may be a prefix that has been rolled up.
        let rolled = self.key_marker.strip_prefix(self.asked.prefix.as_str());
        if let Some(rolled) = rolled.and_then(|rest| self.rolled(self.key_marker, rest)) {
            return prefix.max(behind(files, &rolled));
        }
        let marker = match self.id_marker.and_then(UploadId::parse) {
            _ if self.key_marker.is_empty() => return prefix,
            // The marker itself is passed over later.
            Some(_) => files.from_key(self.key_marker.as_bytes()),
            None => files.behind_key(self.key_marker),
        };
        prefix.max(marker)
    }

    /// Meets the next upload. Those of long keys are collected first: their names have no order.
    fn meet(
        &mut self,
        files: &Files,
        cut: &mut Vec<(UploadId, Box<Record>)>,
        listed: Listed,
        record: Record,
    ) -> Fate {
        let of_group = cut.first().is_some_and(|(_, first)| {
            first.key.as_str().as_bytes().get(..listed.key.len()) == Some(&*listed.key)
        });
        if !of_group && !self.take_cut(cut) {
            return Fate::End;
        }
        if listed.cut {
            self.collect(cut, listed.upload, record);
            return Fate::Next;
        }
        // A key that is just as long as what is named comes before the longer ones of its group.
        self.take(files, listed.upload, Box::new(record))
    }

    /// Collects one of a long key; more than a page has are not kept.
    fn collect(&self, cut: &mut Vec<(UploadId, Box<Record>)>, upload: UploadId, record: Record) {
        if !self.is_behind_markers(record.key.as_str(), &upload) {
            return;
        }
        cut.push((upload, Box::new(record)));
        let most = self.asked.page_size() + 1;
        if cut.len() > 2 * most {
            sort(cut);
            cut.truncate(most);
        }
    }

    /// Takes the long keys that have been collected; false when the page is full.
    fn take_cut(&mut self, cut: &mut Vec<(UploadId, Box<Record>)>) -> bool {
        sort(cut);
        for (upload, record) in cut.drain(..) {
            if !self.add(upload, record) {
                return false;
            }
        }
        true
    }

    fn take(&mut self, files: &Files, upload: UploadId, record: Box<Record>) -> Fate {
        let key = record.key.as_str();
        if !key.starts_with(&self.asked.prefix) && *key > *self.asked.prefix {
            return Fate::End;
        }
        if !self.add(upload, record) {
            return Fate::End;
        }
        match self.lines.last() {
            Some(Line::Prefix(prefix)) => Fate::Jump(behind(files, prefix)),
            _ => Fate::Next,
        }
    }

    /// What a key is rolled up to, if it is; `rest` is what of it stands behind the prefix.
    fn rolled(&self, key: &str, rest: &str) -> Option<String> {
        let delimiter = self.asked.delimiter.as_deref()?;
        let at = rest.find(delimiter)?;
        key.get(..key.len() - rest.len() + at + delimiter.len()).map(str::to_owned)
    }

    /// Adds an upload or its prefix, where it belongs to the page; false when the page is full.
    fn add(&mut self, upload: UploadId, record: Box<Record>) -> bool {
        let key = record.key.as_str();
        let Some(rest) = key.strip_prefix(self.asked.prefix.as_str()) else { return true };
        if !self.is_behind_markers(key, &upload) {
            return true;
        }
        let line = match self.rolled(key, rest) {
            // The page before ended with it.
            Some(prefix) if self.key_marker.starts_with(&prefix) => return true,
            Some(prefix) if matches!(self.lines.last(), Some(Line::Prefix(last)) if *last == prefix) =>
            {
                return true;
            }
            Some(prefix) => Line::Prefix(prefix),
            None => Line::Upload(upload, record),
        };
        if self.lines.len() == self.asked.page_size() {
            self.truncated = true;
            return false;
        }
        self.lines.push(line);
        true
    }

    fn is_behind_markers(&self, key: &str, upload: &UploadId) -> bool {
        match self.id_marker {
            Some(id) if key == self.key_marker => upload.as_str() > id,
            _ => *key > *self.key_marker,
        }
    }

    fn write_upload(
        &self,
        gateway: &Gateway,
        document: &mut Writer,
        (upload, record): (&UploadId, &Record),
    ) {
        document.open("Upload").text("Key", self.asked.text(record.key.as_str()));
        document.text("UploadId", upload.as_str());
        write_people(gateway, document, record);
        document.text("StorageClass", record.facts.storage_class.as_str());
        document.text("Initiated", time::document(upload.initiated()));
        if let Some(checksum) = record.checksum {
            document.text("ChecksumAlgorithm", checksum.algorithm.name());
            document.text("ChecksumType", checksum.kind_name());
        }
        document.close("Upload");
    }

    fn write(&self, gateway: &Gateway, bucket: &Bucket) -> String {
        let asked = self.asked;
        let mut document = Writer::document("ListMultipartUploadsResult");
        document.text("Bucket", bucket.name().as_str());
        document.text("KeyMarker", asked.text(self.key_marker));
        document.text("UploadIdMarker", self.id_marker.unwrap_or_default());
        if let Some(last) = self.lines.last().filter(|_| self.truncated) {
            document.text("NextKeyMarker", asked.text(last.key()));
            if let Line::Upload(upload, _) = last {
                document.text("NextUploadIdMarker", upload.as_str());
            }
        }
        document.maybe("Delimiter", asked.delimiter.as_deref().map(|text| asked.text(text)));
        document.text("Prefix", asked.text(&asked.prefix));
        document.maybe("EncodingType", asked.encoded.then_some("url"));
        document.number("MaxUploads", u64::try_from(asked.page_size()).unwrap_or(u64::MAX));
        document.flag("IsTruncated", self.truncated);
        for line in &self.lines {
            if let Line::Upload(upload, record) = line {
                self.write_upload(gateway, &mut document, (upload, record));
            }
        }
        for line in &self.lines {
            if let Line::Prefix(prefix) = line {
                document.open("CommonPrefixes").text("Prefix", asked.text(prefix));
                document.close("CommonPrefixes");
            }
        }
        document.finish("ListMultipartUploadsResult")
    }
}

fn sort(uploads: &mut [(UploadId, Box<Record>)]) {
    uploads.sort_by(|(one, a), (two, b)| (&a.key, one).cmp(&(&b.key, two)));
}

/// Behind the records of all keys that begin with `prefix`.
fn behind(files: &Files, prefix: &str) -> String {
    let mut behind = prefix.as_bytes().to_vec();
    // No byte of UTF-8 is the last one that there is.
    if let Some(last) = behind.last_mut() {
        *last = last.saturating_add(1);
    }
    files.from_key(&behind)
}
