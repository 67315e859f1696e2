//! Pages as Azure, Azurite and nobody writes them, and what is read of them.

use proptest::collection::vec;
use proptest::prelude::*;
use time::macros::datetime;

use super::*;

fn read_blobs(document: &[u8]) -> Result<BlobPage, BlobError> {
    ListingPage::new(Bytes::copy_from_slice(document)).entries()
}

fn page(blobs: &str) -> String {
    format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults \
         ServiceEndpoint=\"http://x/\" ContainerName=\"c\"><Prefix>p</Prefix>\
         <MaxResults>5</MaxResults><Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>"
    )
}

const PROPERTIES: &str = "<Properties><Creation-Time>Sun, 22 Nov 2026 03:05:07 GMT</Creation-Time>\
    <Last-Modified>Sun, 22 Nov 2026 03:05:08 GMT</Last-Modified><Etag>0x8D</Etag>\
    <Content-Length>7</Content-Length><Content-Type>text/plain</Content-Type><Content-Encoding />\
    <Content-MD5>XUFAKrxLKna5cZ2REBfFkg==</Content-MD5><BlobType>BlockBlob</BlobType>\
    <AccessTier>Cool</AccessTier><LeaseStatus>locked</LeaseStatus><New>x</New></Properties>";

fn named(name: &str) -> String {
    format!("<Blob>{name}{PROPERTIES}<OrMetadata/></Blob>")
}

fn names(document: &str) -> Vec<String> {
    let page = read_blobs(document.as_bytes()).unwrap();
    page.entries.iter().map(|entry| entry.name().to_owned()).collect()
}

#[test]
fn a_blob_is_read_with_all_that_is_said() {
    let blob = format!(
        "<Blob><Name>a/b</Name><Snapshot>2026-11-22T03:05:08.1234567Z</Snapshot>\
         <Deleted>true</Deleted>{PROPERTIES}<Metadata><Foo_Bar>1 &lt; 2</Foo_Bar><e/></Metadata></Blob>"
    );
    let read = read_blobs(page(&blob).as_bytes()).unwrap();
    assert_eq!(read.next_marker, None);
    let [ListEntry::Blob(blob)] = read.entries.as_slice() else { panic!("{read:?}") };
    assert_eq!(blob.snapshot.as_deref(), Some("2026-11-22T03:05:08.1234567Z"));
    assert!(blob.deleted && !blob.uncommitted);
    let of = &blob.properties;
    assert_eq!(of.etag, AzureETag::new("\"0x8D\""));
    assert_eq!(of.last_modified, datetime!(2026-11-22 03:05:08 UTC));
    assert_eq!((of.content_length, of.leased), (7, true));
    assert_eq!(of.headers.content_type.as_deref(), Some("text/plain"));
    assert_eq!(of.headers.content_encoding, None);
    assert!(of.headers.content_md5.is_some());
    assert_eq!(of.tier, Some(Tier::Cool));
    let metadata = [("e", ""), ("foo_bar", "1 < 2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(of.metadata, Metadata::from(metadata));
}

#[test]
fn names_are_exact() {
    let blobs: String = [
        "<Name> </Name>",
        "<Name>  x  </Name>",
        "<Name>&lt;&amp;&gt;&quot;&apos;&#x9;&#13;</Name>",
        "<Name Encoded=\"true\">a%EF%BF%BEb%2525</Name>",
        "<Name Encoded=\"false\">a%20b</Name>",
        "<Name>a%20b</Name>",
        "<Name><![CDATA[<c>]]></Name>",
    ]
    .map(named)
    .concat();
    assert_eq!(
        names(&page(&blobs)),
        [" ", "  x  ", "<&>\"'\t\r", "a\u{fffe}b%25", "a%20b", "a%20b", "<c>"]
    );
}

#[test]
fn prefixes_and_blobs_keep_their_order() {
    let prefix = |name: &str| format!("<BlobPrefix><Name>{name}</Name></BlobPrefix>");
    let blobs = [prefix("a/"), named("<Name>b</Name>"), prefix("c/")].concat();
    let read = read_blobs(page(&blobs).as_bytes()).unwrap();
    let kinds: Vec<bool> =
        read.entries.iter().map(|entry| matches!(entry, ListEntry::Prefix(_))).collect();
    assert_eq!(kinds, [true, false, true]);
    assert_eq!(names(&page(&blobs)), ["a/", "b", "c/"]);
}

#[test]
fn a_page_of_azurite_is_put_in_azures_order() {
    let prefix = |name: &str| format!("<BlobPrefix><Name>{name}</Name></BlobPrefix>");
    let blobs = [
        prefix("a/"),
        prefix("c/"),
        prefix("\u{1f388}/"),
        named("<Name>b</Name>"),
        named("<Name>d</Name>"),
        named("<Name>\u{fb00}</Name>"),
    ]
    .concat();
    assert_eq!(names(&page(&blobs)), ["a/", "b", "c/", "d", "\u{1f388}/", "\u{fb00}"]);
}

#[test]
fn a_name_with_staged_blocks_only_is_said_to_be_one() {
    let blob = "<Blob><Name>u</Name><Properties><Content-Length>0</Content-Length>\
                </Properties></Blob>";
    let read = read_blobs(page(blob).as_bytes()).unwrap();
    assert!(matches!(read.entries.as_slice(), [ListEntry::Blob(blob)] if blob.uncommitted));
}

#[test]
fn a_document_that_is_cut_or_wrong_is_broken() {
    let whole = page(&named("<Name>a</Name>"));
    for end in [10, 100, 200, whole.len() - 1] {
        assert!(read_blobs(&whole.as_bytes()[..end]).is_err(), "{end}");
    }
    let length = PROPERTIES.replace("<Content-Length>7</Content-Length>", "");
    for bad in [
        "<Other/>".to_owned(),
        "<!DOCTYPE x [<!ENTITY e \"v\">]><EnumerationResults/>".to_owned(),
        page("<Blob><Name>&e;</Name></Blob>"),
        page("<Blob><Name Encoded=\"true\">%FF</Name></Blob>"),
        page(&format!("<Blob>{PROPERTIES}</Blob>")),
        page(&format!("<Blob><Name>a</Name>{length}</Blob>")),
    ] {
        assert!(read_blobs(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(read_blobs(b"\xff").is_err());
}

/// What is generated of a blob: its name, whether that is said percent-encoded, and elements.
#[derive(Clone, Debug)]
struct Made {
    name: String,
    encoded: bool,
    properties: Vec<(&'static str, String)>,
    metadata: Vec<(String, String)>,
    spacious: bool,
}

impl Made {
    fn write(&self, text: &mut String) {
        let blank = if self.spacious { "\r\n  <!-- <c> --> " } else { "" };
        let name = if self.encoded {
            let name = percent_encoding::utf8_percent_encode(
                &self.name,
                percent_encoding::NON_ALPHANUMERIC,
            );
            format!("<Name Encoded=\"true\">{name}</Name>")
        } else {
            element("Name", &self.name, "")
        };
        let properties: String = self
            .properties
            .iter()
            .map(|(name, value)| element(name, value, blank) + blank)
            .collect();
        let metadata: String =
            self.metadata.iter().map(|(name, value)| element(name, value, "")).collect();
        text.extend(["<Blob>", blank, &name, blank, "<Properties>", &properties]);
        text.extend(["</Properties>", blank, "<Metadata>", &metadata, "</Metadata>"]);
        text.extend(["<OrMetadata />", blank, "</Blob>", blank]);
    }

    /// What is to be read, but for what has no state.
    fn expected(&self) -> (String, Option<u64>, Option<String>, Metadata) {
        let last = |wanted: &str| {
            let mut all = self.properties.iter().rev();
            let all = all.find(|row| row.0 == wanted && !row.1.is_empty());
            all.map(|row| row.1.clone())
        };
        let rows = self.metadata.iter();
        let metadata = rows.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let length = last("Content-Length").and_then(|text| text.parse().ok());
        (self.name.clone(), length, last("Cache-Control"), metadata.collect())
    }
}

/// With as little escaped as XML demands, and an empty one in one of three ways.
fn element(name: &str, value: &str, blank: &str) -> String {
    let references = |c: char| match c {
        '<' => "&lt;".to_owned(),
        '&' => "&amp;".to_owned(),
        c if c < ' ' => format!("&#x{:x};", u32::from(c)),
        c => c.to_string(),
    };
    match (value, name.len() % 3) {
        ("", 0) => format!("<{name}{}/>", if blank.is_empty() { "" } else { " " }),
        ("", 1) => format!("<{name} />"),
        _ => {
            let text: String = value.chars().map(references).collect();
            format!("<{name}>{text}</{name}>")
        }
    }
}

fn made() -> impl Strategy<Value = Made> {
    let text = "[ -~\t\u{1}é\u{1F980}]{0,12}";
    let property = prop_oneof![
        Just(("Etag", "0x8D".to_owned())),
        Just(("Last-Modified", "Sun, 22 Nov 2026 03:05:08 GMT".to_owned())),
        any::<u64>().prop_map(|length| ("Content-Length", length.to_string())),
        text.prop_map(|text| ("Cache-Control", text)),
        text.prop_map(|text| ("Content-Type", text)),
        text.prop_map(|text| ("Unknown-Thing", text)),
    ];
    let state = [("Etag", "0x8D"), ("Last-Modified", "Sun, 22 Nov 2026 03:05:08 GMT")];
    let state = state.map(|(name, value)| (name, value.to_owned()));
    (
        "[ -~\t\u{1}é\u{FFFD}\u{1F980}]{1,12}",
        any::<bool>(),
        vec(property, 0..6),
        vec(("[a-zA-Z_][a-zA-Z_0-9]{0,4}", text), 0..4),
        any::<bool>(),
    )
        .prop_map(move |(name, encoded, mut properties, metadata, spacious)| {
            properties.extend(state.clone());
            properties.extend([("Content-Type", "a/b".to_owned())]);
            Made { name, encoded, properties, metadata, spacious }
        })
}

fn written(blobs: &[Made]) -> String {
    let mut text = String::new();
    for blob in blobs {
        blob.write(&mut text);
    }
    page(&text)
}

proptest! {
    #[test]
    fn what_was_written_is_read(blobs in vec(made(), 0..5)) {
        let has_length = |blob: &Made| blob.expected().1.is_some();
        let read = read_blobs(written(&blobs).as_bytes());
        if blobs.iter().all(has_length) {
            let read = read.unwrap();
            prop_assert_eq!(read.entries.len(), blobs.len());
            for (entry, made) in read.entries.iter().zip(&blobs) {
                let ListEntry::Blob(blob) = entry else { panic!("{entry:?}") };
                let of = &blob.properties;
                let (name, length, cache_control, metadata) = made.expected();
                prop_assert_eq!(&blob.name, &name);
                prop_assert_eq!(Some(of.content_length), length);
                prop_assert_eq!(&of.headers.cache_control, &cache_control);
                prop_assert!(!blob.uncommitted);
                prop_assert_eq!(&of.metadata, &metadata);
            }
        } else {
            prop_assert_eq!(read.unwrap_err().kind(), crate::azure::Kind::Broken);
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_broken_or_another_page(
        blobs in vec(made(), 1..3), at in any::<prop::sample::Index>(), other in any::<u8>(),
    ) {
        let mut document = written(&blobs).into_bytes();
        let at = at.index(document.len());
        prop_assert!(read_blobs(&document[..at]).is_err());
        document[at] = other;
        drop(read_blobs(&document));
    }
}
