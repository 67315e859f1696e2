//! The dictionaries: what each side calls a thing. Pure; knows `s3` and `azure`, asks nobody.
//!
//! | S3 | Azure Blob | where |
//! |---|---|---|
//! | bucket | container of the same name, or `s3-` and a hash | `names` |
//! | key | blob name: the same, escaped, or packed into the reserved range | `names`, `escape`, `packing` |
//! | owner, creation time, id of a bucket | metadata of the container | `bucket_facts` |
//! | policy, ACL, CORS, ... of a bucket | one blob of the system container | `documents` |
//! | version id | the commit id of the write | `commit_id` |
//! | `x-amz-meta-*` | metadata of the blob | `user_metadata` |
//! | ETag, checksum, `Expires`, redirect, owner, ... | Content-MD5, and metadata of the blob | `metadata` |
//! | a line of a listing | a line of a listing, as it came | `listed` |
//! | storage class | access tier | `storage_class` |
//! | upload id, part number | blobs of the system container; ids of blocks | `uploads` |
//! | keys in the order of their UTF-8 bytes | names in the order of their UTF-16 units | `walk` |

pub mod annex;
pub mod bucket_facts;
pub mod commit_id;
pub mod documents;
pub mod errors;
pub mod listed;
pub mod metadata;
pub mod names;
pub mod storage_class;
pub mod uploads;
pub mod user_metadata;
pub mod walk;

mod escape;
mod packing;
