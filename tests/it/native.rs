//! Azure's own tools beside the gateway: what they wrote is readable, what we wrote they read.
//!
//! The tools are the official client (`azure_storage_blob`, with a SAS: it knows no account key) and
//! requests in Azure's words that a test signs itself.

use std::sync::Arc;

use azure_core::http::{self as sdk, AsyncRawResponse, ClientOptions, Transport, Url};
use azure_storage_blob::models::BlobClientGetPropertiesResultHeaders as _;
use azure_storage_blob::{BlobClient, BlobClientOptions};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::harness::azure::{Ask, Azure};
use crate::harness::gateway::ALICE;
use crate::harness::{Client, Gateway, md5_hex, noise, path, unique};
use crate::keys::listed;
use crate::objects::stand;

/// Makes a container as an Azure tool does.
pub(crate) async fn create_container(name: &str) {
    Azure::default().create_container(name).await;
}

/// A container of a tool's, and an admin who reaches it.
async fn foreign() -> (Gateway, Client, String) {
    let gateway = Gateway::start().await;
    let client = gateway.admin();
    let name = unique("native");
    create_container(&name).await;
    (gateway, client, name)
}

#[tokio::test]
async fn what_a_tool_wrote_is_an_object() {
    let (_gateway, client, name) = foreign().await;
    let azure = Azure::default();
    let put = Ask::blob("PUT", &name, "dir/a b+\u{fc}").header("x-ms-blob-type", "BlockBlob");
    let put = put.header("x-ms-blob-content-type", "text/plain").header("x-ms-meta-plain", "v");
    azure.ok(put.header("x-ms-blob-cache-control", "no-cache").body("native")).await;
    let at = path(&name, "dir/a b+\u{fc}");
    let read = client.get(&at).ok().await;
    assert_eq!(read.text(), "native");
    for (header, value) in
        [("content-type", "text/plain"), ("x-amz-meta-plain", "v"), ("cache-control", "no-cache")]
    {
        assert_eq!(read.at(header), value);
    }
    assert_eq!(read.at("etag"), format!("\"{}\"", md5_hex(b"native")));
    let list = client.get(&format!("/{name}")).ok().await.xml();
    assert_eq!(list.at("Contents/ETag"), read.at("etag"));
    assert_eq!(list.at("Contents/Size"), "6");
    let version = client.get(&format!("/{name}")).query("versions", "").ok().await.xml();
    assert_eq!(version.at("Version/VersionId"), "null");
    // It can be copied, overwritten on condition and deleted as any other.
    let copy = client.put(&path(&name, "copy")).header("x-amz-copy-source", &at);
    copy.ok().await;
    assert_eq!(client.get(&path(&name, "copy")).ok().await.text(), "native");
    client.put(&at).header("if-match", read.at("etag")).body("ours").ok().await;
    client.delete(&at).ok().await;
    assert_eq!(azure.blobs(&name).await, ["copy"]);
}

#[tokio::test]
async fn append_and_page_blobs_are_readable() {
    let (_gateway, client, name) = foreign().await;
    let azure = Azure::default();
    let append = |name: &str| Ask::blob("PUT", name, "append");
    azure.ok(append(&name).header("x-ms-blob-type", "AppendBlob")).await;
    let block = |text: &'static str| append(&name).query("comp", "appendblock").body(text);
    azure.ok(block("one,")).await;
    let at = path(&name, "append");
    assert_eq!(client.get(&at).ok().await.text(), "one,");
    let first = client.head(&at).ok().await.at("etag").to_owned();
    azure.ok(block("two")).await;
    assert_eq!(client.get(&at).ok().await.text(), "one,two");
    assert_ne!(client.head(&at).ok().await.at("etag"), first);

    let page = Ask::blob("PUT", &name, "page").header("x-ms-blob-type", "PageBlob");
    azure.ok(page.header("x-ms-blob-content-length", "1024")).await;
    let write = Ask::blob("PUT", &name, "page").query("comp", "page");
    let write = write.header("x-ms-page-write", "update").header("x-ms-range", "bytes=0-511");
    azure.ok(write.body(vec![b'x'; 512])).await;
    let read = client.get(&path(&name, "page")).ok().await;
    assert_eq!(&read.body[..], [vec![b'x'; 512], vec![0; 512]].concat());
    let part = client.get(&path(&name, "page")).header("range", "bytes=510-513").ok().await;
    assert_eq!(&part.body[..], b"xx\0\0");
    let list = client.get(&format!("/{name}")).ok().await.xml();
    assert_eq!(list.texts("Contents/Key"), ["append", "page"]);
    for (key, etag) in list.texts("Contents/Key").iter().zip(list.texts("Contents/ETag")) {
        let head = client.head(&path(&name, key)).ok().await;
        assert_eq!(head.at("etag"), etag);
        // No client takes it for an MD5.
        assert!(etag.ends_with("-1\""), "{etag}");
        // Also on Azurite, which answers an MD5 of its own with a whole blob that has none.
        let get = || client.get(&path(&name, key));
        assert_eq!(get().header("if-match", &etag).ok().await.at("etag"), etag);
        get().header("if-none-match", &etag).refused(304, "").await;
    }
}

#[tokio::test]
async fn blobs_of_blocks_without_an_md5_have_an_etag_that_is_none() {
    let (_gateway, client, name) = foreign().await;
    let azure = Azure::default();
    let block = Ask::blob("PUT", &name, "k").query("comp", "block").query("blockid", "YmxvY2s=");
    azure.ok(block.body("body")).await;
    assert!(listed(&client, &name).await.is_empty(), "uncommitted blocks are no object");
    client.get(&path(&name, "k")).refused(404, "NoSuchKey").await;
    let list = "<BlockList><Latest>YmxvY2s=</Latest></BlockList>";
    azure.ok(Ask::blob("PUT", &name, "k").query("comp", "blocklist").body(list)).await;
    let head = client.head(&path(&name, "k")).ok().await;
    assert!(head.at("etag").ends_with("-1\""), "{head:?}");
    let read = client.get(&path(&name, "k")).ok().await;
    assert_eq!((read.text().as_str(), read.at("etag")), ("body", head.at("etag")));
}

/// F20, small: what a tool has staged on a key is in nobody's way.
#[tokio::test]
async fn f20_staged_blocks_of_a_tool_do_not_hinder_a_put() {
    let (_gateway, client, name) = foreign().await;
    let azure = Azure::default();
    // Of another length than ours, which Azure wants to be one on a name.
    let id = data_encoding::BASE64.encode(b"a tool's block");
    for (key, size) in [("small", 1000), ("large", 18 << 20)] {
        let block = Ask::blob("PUT", &name, key).query("comp", "block").query("blockid", &id);
        azure.ok(block.body("foreign")).await;
        let body = noise(size);
        client.put(&path(&name, key)).body(&body).ok().await;
        assert!(client.get(&path(&name, key)).ok().await.body == body, "{key}");
    }
}

/// What the gateway says of an object counts only as long as the object is the one it said it of.
#[tokio::test]
async fn a_blob_that_a_tool_overwrote_is_what_the_tool_wrote() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("ours").header("x-amz-meta-a", "1").ok().await;
    let put = Ask::blob("PUT", &bucket, "k").header("x-ms-blob-type", "BlockBlob");
    Azure::default().ok(put.body("the tool's")).await;
    let read = client.get(&at).ok().await;
    assert_eq!(read.text(), "the tool's");
    assert_eq!(read.at("etag"), format!("\"{}\"", md5_hex(b"the tool's")));
    assert_eq!(read.header("x-amz-meta-a"), None);
}

/// The official client reads what we wrote, and we read what it wrote.
#[tokio::test]
async fn the_official_client_and_the_gateway_understand_each_other() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let bucket = crate::buckets::bucket(&client).await;
    for (key, size) in
        [("plain.txt", 5), ("dir/deep/large.bin", 20 << 20), ("a b+c%41\u{fc}.x", 100)]
    {
        let body = noise(size);
        let put = client.put(&path(&bucket, key)).header("content-type", "text/x-ours");
        put.header("x-amz-meta-plain", "v").body(&body).ok().await;
        let blob = official(&bucket, key);
        let properties = blob.get_properties(None).await.unwrap();
        assert_eq!(properties.content_type().unwrap().as_deref(), Some("text/x-ours"));
        let metadata = properties.metadata().unwrap();
        assert_eq!(metadata.get("plain").map(String::as_str), Some("v"), "{metadata:?}");
        let found = blob.download(None).await.unwrap().body.collect().await.unwrap();
        assert!(found == body, "{key}");

        let theirs = noise(size + 1);
        let content = Bytes::from(theirs.clone());
        blob.upload(content.into(), None).await.unwrap();
        let read = client.get(&path(&bucket, key)).ok().await;
        assert!(read.body == theirs, "{key}");
        assert_eq!(client.head(&path(&bucket, key)).ok().await.at("etag"), read.at("etag"));
    }
}

fn official(container: &str, blob: &str) -> BlobClient {
    let base = format!("http://{}", crate::harness::azurite_address());
    let mut url = Url::parse(&base).unwrap();
    let account = bluebucket::server::azurite::ACCOUNT;
    url.path_segments_mut().unwrap().extend([account, container]).extend(blob.split('/'));
    url.set_query(Some(&Azure::sas(container)));
    let transport = Transport::new(Arc::new(Direct::default()));
    let client_options = ClientOptions { transport: Some(transport), ..ClientOptions::default() };
    let options = BlobClientOptions { client_options, ..BlobClientOptions::default() };
    BlobClient::new(url, None, Some(options)).unwrap()
}

/// The connections of the official client, which is built without its own.
#[derive(Debug)]
struct Direct(Hyper<HttpConnector, Full<Bytes>>);

impl Default for Direct {
    fn default() -> Self {
        Self(Hyper::builder(TokioExecutor::new()).build_http())
    }
}

#[async_trait::async_trait]
impl sdk::HttpClient for Direct {
    async fn execute_request(&self, asked: &sdk::Request) -> azure_core::Result<AsyncRawResponse> {
        let mut request =
            http::Request::builder().method(asked.method().as_ref()).uri(asked.url().as_str());
        for (name, value) in asked.headers().iter() {
            request = request.header(name.as_str(), value.as_str());
        }
        let sdk::Body::Bytes(body) = asked.body().clone() else { panic!("a stream: {asked:?}") };
        let answer = self.0.request(request.body(Full::new(body)).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let mut headers = sdk::headers::Headers::new();
        for (name, value) in &head.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.insert(name.as_str().to_owned(), value);
        }
        let body = body.collect().await.unwrap().to_bytes();
        Ok(AsyncRawResponse::from_bytes(head.status.as_u16().into(), headers, body))
    }
}
