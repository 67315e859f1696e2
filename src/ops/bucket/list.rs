//! `ListBuckets`: the containers of all accounts that are buckets of the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::time::OffsetDateTime;
use data_encoding::BASE64URL_NOPAD;
use http::{Response, StatusCode, header};

use crate::access::{self, Action, Question, Resource, Standing};
use crate::azure::{ContainerEntry, ListContainers};
use crate::mapping::bucket_facts::BucketFacts;
use crate::mapping::{errors, names};
use crate::ops::accounts::{Account, Accounts, Location};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::s3::body::{self, Body};
use crate::s3::names::BucketName;
use crate::s3::xml::Writer;
use crate::s3::{Error, time};

/// The most buckets of a page:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>.
const BUCKETS_MAX: u32 = 10_000;

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let asked = Asked::read(gateway, &request)?;
    let accounts = gateway.accounts();
    let (caller, action, resource) = (&request.caller, Action::ListAllMyBuckets, Resource::Service);
    let question = Question { caller, action, resource };
    let _granted = access::permit(&question, &Standing::default())?;
    let mut buckets = BTreeMap::new();
    if asked.region {
        for account in accounts.all() {
            list(&request, &accounts, account, &mut buckets).await?;
        }
        routed(gateway, &request, &accounts, &mut buckets).await?;
    }
    let after = asked.after.as_deref().unwrap_or_default();
    let mut matching = buckets
        .into_iter()
        .filter(|(name, _)| name.as_str().starts_with(&asked.prefix) && name.as_str() > after);
    let page: Vec<_> = matching.by_ref().take(asked.max).collect();
    let more = matching.next().is_some();
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(write(gateway, &request, &asked, &page, more)))
        .map_err(unanswerable)
}

struct Asked {
    prefix: String,
    after: Option<String>,
    max: usize,
    paged: bool,
    region: bool,
}

impl Asked {
    fn read(gateway: &Gateway, request: &Request) -> Result<Self, Error> {
        let query = &request.query;
        let max = query.number("max-buckets")?;
        if let Some(max) = max.filter(|max| !(1..=BUCKETS_MAX).contains(max)) {
            return Err(Error::invalid_argument(
                "max-buckets",
                max.to_string(),
                "Argument max-buckets must be an integer between 1 and 10000.",
            ));
        }
        let region = query.filled("bucket-region");
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default().to_owned(),
            after: query.filled("continuation-token").map(read_token).transpose()?,
            max: usize::try_from(max.unwrap_or(BUCKETS_MAX)).unwrap_or(usize::MAX),
            paged: max.is_some(),
            region: region.is_none_or(|region| region == gateway.settings().region),
        })
    }
}

fn read_token(token: &str) -> Result<String, Error> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        Error::invalid_argument(
            "continuation-token",
            token,
            "The continuation token provided is incorrect",
        )
    })
}

type Buckets = BTreeMap<BucketName, OffsetDateTime>;

/// Adds the buckets of one account.
async fn list(
    request: &Request,
    accounts: &Accounts,
    account: &Account,
    buckets: &mut Buckets,
) -> Result<(), Error> {
    let mut which = ListContainers { include_metadata: true, ..ListContainers::default() };
    let store = account.store.for_request(Arc::clone(&request.id));
    loop {
        let page = store.list_containers(&which).await.map_err(errors::on_service)?;
        let found = page.containers.iter().filter_map(|container| {
            let (name, facts) = bucket(accounts, account, container)?;
            let owner = facts.as_ref().and_then(|facts| facts.owner.as_deref());
            let created = facts.as_ref().and_then(|facts| facts.created);
            access::may_see(&request.caller, &name, owner)
                .then(|| (name, created.unwrap_or(container.last_modified)))
        });
        buckets.extend(found);
        match page.next_marker {
            Some(marker) => which.marker = Some(marker),
            None => return Ok(()),
        }
    }
}

/// The bucket that a container is, if requests for that bucket come here.
fn bucket(
    accounts: &Accounts,
    account: &Account,
    container: &ContainerEntry,
) -> Option<(BucketName, Option<BucketFacts>)> {
    let name = names::bucket_of(&container.name, &container.metadata)?;
    let location = accounts.locate(&name)?;
    let here = location.account.name == account.name && location.container == container.name;
    // What a newer release wrote is shown; using it is refused by name.
    let facts = BucketFacts::read(&container.metadata).ok().flatten();
    (here && !location.alias).then_some((name, facts))
}

/// Adds the buckets that the configuration names, whose containers are called otherwise.
async fn routed(
    gateway: &Gateway,
    request: &Request,
    accounts: &Accounts,
    buckets: &mut Buckets,
) -> Result<(), Error> {
    let aliases: Vec<(BucketName, Location)> = accounts
        .named()
        .filter_map(|name| accounts.locate(&name).map(|location| (name, location)))
        .filter(|(_, location)| location.alias)
        .collect();
    for (name, location) in aliases {
        let Ok(known) = gateway.buckets.get(&location).await else { continue };
        let facts = known.facts.as_ref();
        let owner = facts.and_then(|facts| facts.owner.as_deref());
        if access::may_see(&request.caller, &name, owner) {
            let created = facts.and_then(|facts| facts.created);
            buckets.insert(name, created.unwrap_or(known.last_modified));
        }
    }
    Ok(())
}

fn write(
    gateway: &Gateway,
    request: &Request,
    asked: &Asked,
    page: &[(BucketName, OffsetDateTime)],
    more: bool,
) -> String {
    let mut document = Writer::document("ListAllMyBucketsResult");
    document.open("Owner").text("ID", request.caller.id().unwrap_or_default());
    document
        .text("DisplayName", request.caller.user().map_or("", |user| user.name()))
        .close("Owner");
    document.open("Buckets");
    for (name, created) in page {
        document.open("Bucket").text("Name", name.as_str());
        document.text("CreationDate", time::document(*created));
        // S3 says the region only to those who page.
        document.maybe("BucketRegion", asked.paged.then_some(&gateway.settings().region));
        document.close("Bucket");
    }
    document.close("Buckets");
    let last = page.last().filter(|_| more);
    document.maybe(
        "ContinuationToken",
        last.map(|(name, _)| BASE64URL_NOPAD.encode(name.as_str().as_bytes())),
    );
    document.maybe("Prefix", (!asked.prefix.is_empty()).then_some(&asked.prefix));
    document.finish("ListAllMyBucketsResult")
}
