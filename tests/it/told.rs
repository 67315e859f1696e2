//! What else a bucket is told: tags, its lifecycle, and what is so anyway.

use crate::buckets::bucket;
use crate::documents::{get, put};
use crate::harness::gateway::BOB;
use crate::objects::stand;

fn tag(key: &str, value: &str) -> String {
    format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
}

fn tagging(tags: &str) -> String {
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

#[tokio::test]
async fn a_bucket_has_tags() {
    let (gateway, client, name) = stand().await;
    let many: String = (0..50).map(|at| tag(&format!("k{at}"), "grün")).collect();
    put(&client, &name, "tagging", &tagging(&many)).ok().await;
    let shown = get(&client, &name, "tagging").ok().await.xml();
    let tags = shown.find("TagSet").unwrap().all("Tag");
    assert_eq!((tags.len(), tags[49].at("Key"), tags[49].at("Value")), (50, "k9", "grün"));
    for (tags, code) in [
        (many.clone() + &tag("one more", ""), "InvalidTag"),
        (tag("a", "1") + &tag("a", "2"), "InvalidTag"),
        (tag("aws:a", "1"), "InvalidTag"),
        (tag("a&lt;", "1"), "InvalidTag"),
        ("<Other/>".to_owned(), "MalformedXML"),
    ] {
        put(&client, &name, "tagging", &tagging(&tags)).refused(400, code).await;
    }
    assert_eq!(get(&client, &name, "tagging").ok().await.xml(), shown, "as it was");
    let bob = gateway.client(BOB);
    put(&bob, &name, "tagging", &tagging("")).refused(403, "AccessDenied").await;
    let deleted = client.delete(&format!("/{name}")).query("tagging", "").ok().await;
    assert_eq!(deleted.status, 204);
    get(&client, &name, "tagging").refused(404, "NoSuchTagSet").await;
}

#[tokio::test]
async fn a_lifecycle_is_kept_as_it_was_put() {
    let (_gateway, client, name) = stand().await;
    let minimum = "x-amz-transition-default-minimum-object-size";
    let rules = "<LifecycleConfiguration><Rule><Status>Enabled</Status><Prefix>logs/</Prefix>\
        <Expiration><Days>30</Days></Expiration></Rule><Rule><ID>b</ID><Status>Disabled</Status>\
        <Filter><And><Prefix>x</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>\
        <Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>\
        </LifecycleConfiguration>";
    let answer = put(&client, &name, "lifecycle", rules).ok().await;
    assert_eq!(answer.at(minimum), "all_storage_classes_128K");
    let shown = get(&client, &name, "lifecycle").ok().await;
    assert_eq!(shown.at(minimum), "all_storage_classes_128K");
    let document = shown.xml();
    let [first, second] = document.all("Rule")[..] else { panic!("{document:?}") };
    assert!(!first.at("ID").is_empty());
    assert_eq!((first.at("Prefix"), first.at("Expiration/Days")), ("logs/", "30"));
    assert_eq!((second.at("ID"), second.at("Status")), ("b", "Disabled"));
    assert_eq!(second.at("Filter/And/Tag/Key"), "k");
    for (wrong, status, code) in [
        ("<LifecycleConfiguration/>".to_owned(), 400, "MalformedXML"),
        (rules.replace("30", "0"), 400, "InvalidArgument"),
        (rules.replace("Disabled", "Off"), 400, "MalformedXML"),
        (rules.replace("GLACIER", "INTELLIGENT_TIERING"), 501, "NotImplemented"),
        (rules.replace("GLACIER", "STANDARD"), 400, "MalformedXML"),
    ] {
        put(&client, &name, "lifecycle", &wrong).refused(status, code).await;
    }
    let other = put(&client, &name, "lifecycle", rules).header(minimum, "any");
    other.refused(400, "InvalidArgument").await;
    assert_eq!(get(&client, &name, "lifecycle").ok().await.xml(), document, "as it was");
    let varies = put(&client, &name, "lifecycle", rules).header(minimum, "varies_by_storage_class");
    varies.ok().await;
    let shown = get(&client, &name, "lifecycle").ok().await;
    assert_eq!(shown.at(minimum), "varies_by_storage_class");
    for _ in 0..2 {
        let deleted = client.delete(&format!("/{name}")).query("lifecycle", "").ok().await;
        assert_eq!(deleted.status, 204);
        get(&client, &name, "lifecycle").refused(404, "NoSuchLifecycleConfiguration").await;
    }
}

#[tokio::test]
async fn what_is_so_anyway_may_be_said() {
    let (gateway, client, name) = stand().await;
    let encryption = |algorithm: &str| {
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>{algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
             </ServerSideEncryptionConfiguration>"
        )
    };
    let shown = get(&client, &name, "encryption").ok().await.xml();
    let at = "Rule/ApplyServerSideEncryptionByDefault/SSEAlgorithm";
    assert_eq!(shown.at(at), "AES256", "as S3 says of a bucket that was told nothing");
    let payer = |payer: &str| {
        format!("<RequestPaymentConfiguration><Payer>{payer}</Payer></RequestPaymentConfiguration>")
    };
    let bob = gateway.client(BOB);
    let his = bucket(&bob).await;
    for (kind, fine, refused) in [
        ("encryption", encryption("AES256"), encryption("aws:kms")),
        ("requestPayment", payer("BucketOwner"), payer("Requester")),
        (
            "logging",
            "<BucketLoggingStatus/>".to_owned(),
            "<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>".to_owned(),
        ),
        (
            "notification",
            "<NotificationConfiguration/>".to_owned(),
            "<NotificationConfiguration><TopicConfiguration/></NotificationConfiguration>"
                .to_owned(),
        ),
    ] {
        let before = get(&client, &name, kind).ok().await.xml();
        put(&client, &name, kind, &fine).ok().await;
        put(&client, &name, kind, &refused).refused(501, "NotImplemented").await;
        put(&client, &name, kind, "<Other/>").refused(400, "MalformedXML").await;
        put(&client, &his, kind, &fine).refused(403, "AccessDenied").await;
        assert_eq!(get(&client, &name, kind).ok().await.xml(), before);
    }
    client.delete(&format!("/{name}")).query("encryption", "").ok().await;
    let website = "<WebsiteConfiguration/>";
    put(&client, &name, "website", website).refused(501, "NotImplemented").await;
}
