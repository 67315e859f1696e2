//! A body that is held whole: verified, and sent as one Put Blob.

use crate::azure::Guard;
use crate::ops::budget::Reserved;
use crate::ops::object::write::rope::Rope;
use crate::ops::object::write::{
    Commit, Destination, Failure, Stored, commit, etag_of, said_crc64,
};
use crate::s3::payload::{CheckedBody, Verified};
use crate::s3::{Code, Error};

/// Holds the body, and writes it when it is proved.
pub(super) async fn put(
    destination: &Destination,
    mut body: CheckedBody,
    reserved: Reserved,
    plan: impl FnOnce(&Verified) -> Result<Commit, Error>,
) -> Result<Stored, Failure> {
    let mut rope = Rope::default();
    while let Some(bytes) = body.next().await? {
        rope.push(bytes);
        if rope.length() > reserved.bytes() {
            return Err(Error::new(Code::IncompleteBody).into());
        }
    }
    let verified = body.finish()?;
    let planned = plan(&verified)?;
    let (content, crc64) = rope.take();
    // Azure compares either digest with what arrives. It computes the MD5 that is the ETag in any
    // case, where the probe has seen it do so; otherwise ours goes along and is kept.
    let guard = match verified.md5() {
        Some(md5) => Guard::Md5(md5),
        // What the client said of its bytes guards them all the way.
        None => Guard::Crc64(said_crc64(&verified).unwrap_or(crc64).number()),
    };
    let Destination { store, path, .. } = destination;
    let put = || store.put_blob(path, &content, guard, &planned.options);
    let written = commit(store, path, (&planned.id, &planned.options.conditions), put).await?;
    drop(reserved);
    let md5 = written.content_md5.or_else(|| verified.md5());
    Ok(Stored { etag: etag_of(md5)?, verified })
}
