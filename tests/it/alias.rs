//! Buckets that the configuration puts somewhere: under a prefix of another's container, read-only. Such
//! a bucket is a whole bucket: nothing outside its prefix can be seen, reached or changed through it.

use crate::harness::azure::{Ask, Azure};
use crate::harness::{Client, Gateway, noise, path, unique};
use crate::keys::listed;
use crate::multipart::{MIN, check, composite, create};

const SOURCE: &str = "x-amz-copy-source";

/// One container, the bucket of its name, two aliases under prefixes of it, and one that is read-only.
struct Aliases {
    gateway: Gateway,
    client: Client,
    whole: String,
    team: String,
    other: String,
    frozen: String,
}

impl Aliases {
    async fn new() -> Self {
        let [whole, team, other, frozen] = ["whole", "team", "other", "frozen"].map(unique);
        let route = |name: &str, prefix: &str, more: &str| {
            format!(
                "[[buckets]]\nname = {name:?}\ncontainer = {whole:?}\nprefix = {prefix:?}\n{more}\n"
            )
        };
        let tables = route(&team, "team/", "")
            + &route(&other, "other/", "")
            + &route(&frozen, "team/", "read_only = true");
        let gateway = Gateway::with(|settings| settings.tables = tables).await;
        let client = gateway.admin();
        client.put(&format!("/{whole}")).ok().await;
        Self { gateway, client, whole, team, other, frozen }
    }
}

#[tokio::test]
async fn an_alias_lists_what_is_under_its_prefix_and_nothing_else() {
    let Aliases { gateway: _gateway, client, whole, team, other, .. } = Aliases::new().await;
    for key in ["team", "team.txt", "team/a", "team/b/c", "team0", "other/x", "z"] {
        client.put(&path(&whole, key)).body(key).ok().await;
    }
    assert_eq!(listed(&client, &team).await, ["a", "b/c"]);
    assert_eq!(listed(&client, &other).await, ["x"]);
    // Keys that need an escape, and keys that would climb out of a folder, are keys.
    for key in ["../other/x", "..", "a//b", "/lead", "c\\d", "ta\tb", "team/again"] {
        client.put(&path(&team, key)).body(format!("of {key}")).ok().await;
        assert_eq!(client.get(&path(&team, key)).ok().await.text(), format!("of {key}"));
    }
    assert_eq!(client.get(&path(&other, "x")).ok().await.text(), "other/x");
    assert_eq!(listed(&client, &team).await.len(), 9);
    let folders = client.get(&format!("/{team}")).query("list-type", 2).query("delimiter", "/");
    let folders = folders.query("max-keys", 4);
    let page = folders.ok().await.xml();
    assert_eq!(page.at("IsTruncated"), "true");
    assert!(page.texts("CommonPrefixes/Prefix").iter().all(|prefix| !prefix.starts_with("other")));
    let old = client.get(&format!("/{team}")).query("marker", "b").query("prefix", "b/");
    assert_eq!(old.ok().await.xml().texts("Contents/Key"), ["b/c"]);
    let versions = client.get(&format!("/{other}")).query("versions", "").ok().await.xml();
    assert_eq!(versions.texts("Version/Key"), ["x"]);
    client.get(&path(&team, "x")).refused(404, "NoSuchKey").await;
    client.delete(&path(&team, "a")).ok().await;
    client.get(&path(&whole, "team/a")).refused(404, "NoSuchKey").await;
    client.get(&path(&whole, "z")).ok().await;
}

#[tokio::test]
async fn an_alias_has_uploads_of_its_own() {
    let Aliases { gateway: _gateway, client, whole, team, other, .. } = Aliases::new().await;
    let (first, last) = (noise(MIN), noise(9));
    let upload = create(&client, &team, "k").await;
    create(&client, &other, "k").await;
    let parts = [upload.put(&client, 1, &first).await, upload.put(&client, 2, &last).await];
    for bucket in [&team, &other] {
        let open = client.get(&format!("/{bucket}")).query("uploads", "").ok().await.xml();
        assert_eq!(open.texts("Upload/Key"), ["k"], "{bucket}");
    }
    let open = client.get(&format!("/{team}")).query("uploads", "").ok().await.xml();
    assert_eq!(open.texts("Upload/UploadId"), [upload.id.clone()]);
    // Its id means nothing in another bucket of the same container.
    let strange = client.get(&path(&other, "k")).query("uploadId", &upload.id);
    strange.refused(404, "NoSuchUpload").await;
    upload.complete(&client, &parts).ok().await;
    let whole_body = [&*first, &*last].concat();
    let read = check(&client, &path(&team, "k"), &whole_body).await;
    assert_eq!(read.at("etag"), composite(&[&first, &last]));
    check(&client, &path(&whole, "team/k"), &whole_body).await;
    client.get(&path(&other, "k")).refused(404, "NoSuchKey").await;
}

#[tokio::test]
async fn copies_go_between_an_alias_and_other_buckets() {
    let Aliases { gateway: _gateway, client, whole, team, other, .. } = Aliases::new().await;
    client.put(&path(&team, "from")).body("bytes").header("x-amz-meta-a", "b").ok().await;
    let copy = |to: String, from: String| client.put(&to).header(SOURCE, from);
    copy(path(&other, "to"), path(&team, "from")).ok().await;
    copy(path(&whole, "top"), path(&other, "to")).ok().await;
    copy(path(&team, "back"), path(&whole, "top")).ok().await;
    let back = client.get(&path(&whole, "team/back")).ok().await;
    assert_eq!((back.text().as_str(), back.at("x-amz-meta-a")), ("bytes", "b"));
    copy(path(&team, "x"), path(&team, "to")).refused(404, "NoSuchKey").await;
    let delete =
        "<Delete><Object><Key>from</Key></Object><Object><Key>back</Key></Object></Delete>";
    client.post(&format!("/{team}")).query("delete", "").body(delete).ok().await;
    assert!(listed(&client, &team).await.is_empty());
    assert_eq!(listed(&client, &whole).await, ["other/to", "top"]);
}

#[tokio::test]
async fn a_read_only_bucket_is_read_by_all_and_written_by_nobody() {
    let Aliases { gateway: _gateway, client, team, frozen, .. } = Aliases::new().await;
    client.put(&path(&team, "k")).body("v").ok().await;
    assert_eq!(client.get(&path(&frozen, "k")).ok().await.text(), "v");
    assert_eq!(listed(&client, &frozen).await, ["k"]);
    client.put(&path(&frozen, "k")).body("w").refused(403, "AccessDenied").await;
    client.delete(&path(&frozen, "k")).refused(403, "AccessDenied").await;
    client.post(&path(&frozen, "k")).query("uploads", "").refused(403, "AccessDenied").await;
    let onto = client.put(&path(&frozen, "c")).header(SOURCE, path(&team, "k"));
    onto.refused(403, "AccessDenied").await;
    let away = client.put(&path(&team, "c")).header(SOURCE, path(&frozen, "k"));
    away.ok().await;
    client.delete(&format!("/{frozen}")).refused(403, "AccessDenied").await;
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let answer = client.post(&format!("/{frozen}")).query("delete", "").body(delete).send().await;
    let said = answer.text();
    assert!(answer.status == 403 || said.contains("<Code>AccessDenied</Code>"), "{answer:?}");
    assert_eq!(client.get(&path(&frozen, "k")).ok().await.text(), "v");
}

#[tokio::test]
async fn an_alias_is_listed_headed_and_never_deleted() {
    let Aliases { gateway: _gateway, client, whole, team, .. } = Aliases::new().await;
    let list = client.get("/").query("max-buckets", 1000).ok().await.xml();
    let buckets = list.find("Buckets").unwrap().texts("Bucket/Name");
    assert!(buckets.contains(&team) && buckets.contains(&whole), "{buckets:?}");
    client.head(&format!("/{team}")).ok().await;
    client.delete(&format!("/{team}")).refused(403, "AccessDenied").await;
    // What an Azure tool wrote there is in it.
    let azure = Azure::default();
    let blob = Ask::blob("PUT", &whole, "team/native").header("x-ms-blob-type", "BlockBlob");
    let answer = azure.send(blob.body("by hand")).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(client.get(&path(&team, "native")).ok().await.text(), "by hand");
}
