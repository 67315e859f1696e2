//! What an object says of itself and its blob's metadata has no room for: a long ACL, long tags. They
//! are rows of that metadata in a record of their own, `up/<bucket>/a/<id>`, and the blob names the id.
//!
//! A record never changes. Who changes a row writes another record first, and then names that one in
//! the blob, under the blob's ETag: so a blob never names what is not there. Records that no blob names
//! are the janitor's.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::azure::{BlobName, Metadata};

/// The form that this release reads and writes.
const FORMAT_NOW: u32 = 1;
/// The largest record, in bytes: an ACL of 100 grants and ten tags, all written out, are a third of it.
pub const RECORD_BYTES_MAX: usize = 128 * 1024;
/// Of which blob a record is.
const OF: &str = "bluebucketannexof";

/// As it stands in the record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    rows: Metadata,
}

/// A record of these rows.
pub fn write(rows: &Metadata) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Record { format: FORMAT_NOW, rows: rows.clone() })
}

/// The rows of a record; nothing of what this release cannot read.
pub fn read(bytes: &[u8]) -> Option<Metadata> {
    let record: Record = serde_json::from_slice(bytes).ok()?;
    (record.format == FORMAT_NOW).then_some(record.rows)
}

/// Says in the metadata of a record of which blob it is.
pub fn say_of(metadata: &mut Metadata, blob: &BlobName) {
    metadata.insert(OF.to_owned(), BASE64.encode(blob.as_str().as_bytes()));
}

/// Of which blob a record is, as its metadata says.
pub fn is_of(metadata: &Metadata) -> Option<BlobName> {
    let name = BASE64.decode(metadata.get(OF)?.as_bytes()).ok()?;
    Some(BlobName::new(String::from_utf8(name).ok()?))
}

#[cfg(test)]
mod tests {
    use super::{is_of, read, say_of, write};
    use crate::azure::{BlobName, Metadata};

    #[test]
    fn rows_come_back() {
        let rows = Metadata::from([("a".to_owned(), "b=%C3%BC&".to_owned())]);
        assert_eq!(read(&write(&rows).unwrap()), Some(rows));
        for strange in
            [r#"{"format":2,"rows":{}}"#, r#"{"format":1}"#, r#"{"format":1,"rows":{},"x":1}"#, ""]
        {
            assert_eq!(read(strange.as_bytes()), None, "{strange}");
        }
    }

    #[test]
    fn a_record_says_whose_it_is() {
        let mut metadata = Metadata::new();
        assert_eq!(is_of(&metadata), None);
        let name = BlobName::new("a/ü b".to_owned());
        say_of(&mut metadata, &name);
        assert!(metadata.values().all(|value| value.is_ascii()));
        assert_eq!(is_of(&metadata), Some(name));
    }
}
