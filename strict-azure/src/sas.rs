//! Shared access signatures: a service SAS for a container, a blob or a snapshot, and an account SAS.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>
//! <https://learn.microsoft.com/rest/api/storageservices/create-account-sas>

use crate::auth::Key;
use crate::clock::{Clock, Time};
use crate::operation::Operation;
use crate::refusal::{self, Refusal};

/// What is to be done with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) container: &'a str,
    pub(crate) blob: Option<&'a str>,
    pub(crate) snapshot: Option<&'a str>,
    pub(crate) operation: Operation,
}

/// The version whose text to sign is known here.
const VERSION: &str = "2020-12-06";

pub(crate) fn check(
    key: &Key,
    account: &str,
    query: &[(String, String)],
    wanted: &Wanted<'_>,
) -> Result<(), Refusal> {
    let token = Token(query);
    if token.get("sv") < VERSION {
        return Err(refusal::AUTHENTICATION_FAILED.into());
    }
    let text = if token.get("ss").is_empty() {
        token.of_service(account, wanted)?
    } else {
        token.of_account(account, wanted)?
    };
    if !key.signed(&text, token.get("sig")) || !token.is_valid_now() {
        return Err(refusal::AUTHENTICATION_FAILED.into());
    }
    // Our endpoint is plain HTTP.
    if token.get("spr") == "https" {
        return Err(refusal::AUTHORIZATION_FAILURE.into());
    }
    if may(wanted.operation).bytes().any(|right| token.get("sp").bytes().any(|sp| sp == right)) {
        Ok(())
    } else {
        Err(refusal::AUTHORIZATION_PERMISSION_MISMATCH.into())
    }
}

struct Token<'a>(&'a [(String, String)]);

impl<'a> Token<'a> {
    fn get(&self, name: &str) -> &'a str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    fn is_valid_now(&self) -> bool {
        let now = Clock::real_now();
        let begun = self.get("st").is_empty()
            || Time::parse_iso(self.get("st")).is_some_and(|begin| begin <= now);
        begun && Time::parse_iso(self.get("se")).is_some_and(|end| end > now)
    }

    fn of_service(&self, account: &str, wanted: &Wanted<'_>) -> Result<String, Refusal> {
        let container = wanted.container;
        let resource = self.get("sr");
        let mut name = format!("/blob/{account}/{container}");
        let fits = match (resource, wanted.blob, wanted.snapshot) {
            ("c", _, None) => true,
            ("b", Some(_), None) | ("bs", Some(_), Some(_)) => {
                name.push('/');
                name.push_str(wanted.blob.unwrap_or_default());
                true
            }
            _ => false,
        };
        if !fits {
            return Err(refusal::AUTHORIZATION_FAILURE.into());
        }
        let snapshot = wanted.snapshot.unwrap_or_default();
        let lines = [
            self.get("sp"),
            self.get("st"),
            self.get("se"),
            &name,
            self.get("si"),
            self.get("sip"),
            self.get("spr"),
            self.get("sv"),
            resource,
            snapshot,
            self.get("ses"),
            self.get("rscc"),
            self.get("rscd"),
            self.get("rsce"),
            self.get("rscl"),
            self.get("rsct"),
        ];
        Ok(lines.join("\n"))
    }

    fn of_account(&self, account: &str, wanted: &Wanted<'_>) -> Result<String, Refusal> {
        let kind = match (wanted.container, wanted.blob) {
            ("", _) => 's',
            (_, None) => 'c',
            (_, Some(_)) => 'o',
        };
        // What is listed are blobs; what is batched says itself what it needs.
        let kinds = self.get("srt");
        let lists = wanted.operation == Operation::ListBlobs && kinds.contains('c');
        if !self.get("ss").contains('b') || !(kinds.contains(kind) || lists) {
            return Err(refusal::AUTHORIZATION_RESOURCE_TYPE_MISMATCH.into());
        }
        let mut text = [
            account,
            self.get("sp"),
            self.get("ss"),
            self.get("srt"),
            self.get("st"),
            self.get("se"),
            self.get("sip"),
            self.get("spr"),
            self.get("sv"),
            self.get("ses"),
        ]
        .join("\n");
        text.push('\n');
        Ok(text)
    }
}

/// The rights of which one is needed.
const fn may(operation: Operation) -> &'static str {
    match operation {
        Operation::GetAccountInformation => "rwdlacuptfi",
        Operation::ListContainers | Operation::ListBlobs => "l",
        Operation::GetContainerProperties
        | Operation::GetBlob
        | Operation::GetBlobProperties
        | Operation::GetBlobMetadata
        | Operation::GetBlockList => "r",
        Operation::GetBlobTags => "t",
        Operation::BlobBatch => "rwdlacu",
        Operation::CreateContainer
        | Operation::PutBlob
        | Operation::PutBlobFromUrl
        | Operation::CopyBlob
        | Operation::CopyBlobFromUrl
        | Operation::PutBlock
        | Operation::PutBlockFromUrl
        | Operation::PutBlockList
        | Operation::SnapshotBlob => "wc",
        Operation::AppendBlock => "aw",
        Operation::SetContainerMetadata
        | Operation::SetBlobMetadata
        | Operation::SetBlobProperties
        | Operation::SetBlobTier
        | Operation::AbortCopyBlob
        | Operation::PutPage => "w",
        Operation::LeaseContainer | Operation::LeaseBlob => "wd",
        Operation::DeleteContainer | Operation::DeleteBlob => "d",
    }
}
