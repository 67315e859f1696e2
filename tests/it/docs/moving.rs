//! docs/moving.md: what MinIO's gateway left in an account, under the configuration of the page.

use bluebucket::server::azurite::{ACCOUNT, ACCOUNT_KEY};

use super::blocks;
use crate::harness::azure::{Ask, Azure};
use crate::harness::program::{Bluebucket, write_private};
use crate::harness::{Client, azurite, md5_hex, path, unique};

/// Blobs as that gateway writes them: names of metadata with `_` for `-` and `__` for `_`, the ETag of an
/// upload in parts in `md5sum`, cool for REDUCED_REDUNDANCY.
/// <https://github.com/minio/minio/blob/0109622/cmd/gateway/azure/gateway-azure.go>
async fn left_behind(container: &str) {
    let azure = Azure::at(([127, 0, 0, 1], azurite().port()).into());
    azure.create_container(container).await;
    let put = Ask::blob("PUT", container, "whole").header("x-ms-blob-type", "BlockBlob");
    let put = put.header("x-ms-meta-my_name", "v").header("x-ms-access-tier", "Cool");
    azure.ok(put.body("whole")).await;
    let id = "AAAAAAAAAAA=";
    let block = Ask::blob("PUT", container, "parts").query("comp", "block").query("blockid", id);
    azure.ok(block.body("parts")).await;
    let list = format!("<BlockList><Latest>{id}</Latest></BlockList>");
    let list = Ask::blob("PUT", container, "parts").query("comp", "blocklist").body(list);
    azure.ok(list.header("x-ms-meta-md5sum", "0123456789abcdef0123456789abcdef-2")).await;
    let open = Ask::blob("PUT", container, ".minio.sys/tmp/multipart/v1/1.2/azure.json");
    azure.ok(open.header("x-ms-blob-type", "BlockBlob").body("{}")).await;
}

#[tokio::test]
async fn what_minios_gateway_left_is_as_the_page_says() {
    let container = unique("minio");
    left_behind(&container).await;
    let page = blocks("docs/moving.md");
    let file = page.iter().find(|block| block.language == "toml").unwrap();
    let program = Bluebucket::new();
    let key = program.folder().join("account.key");
    write_private(&key, ACCOUNT_KEY);
    let endpoint = format!("account = \"{ACCOUNT}\"\nendpoint = \"{}\"", azurite().blob_endpoint());
    let file = file.text.replace("account = \"contoso\"", &endpoint);
    let file = file.replace("/etc/bluebucket/account.key", key.to_str().unwrap());
    let gateway = program.file(&file).env("BLUEBUCKET_SYSTEM_CONTAINER", &unique("sys"));
    let gateway = gateway.serve().await;
    // As clients of that gateway sign.
    let client = Client::of(gateway.s3, ACCOUNT, ACCOUNT_KEY);
    let whole = client.get(&path(&container, "whole")).ok().await;
    assert_eq!(whole.at("etag"), format!("\"{}\"", md5_hex(b"whole")));
    assert_eq!(whole.at("x-amz-meta-my_name"), "v");
    // Azure says the tier of a blob with its properties, not with its bytes.
    let head = client.head(&path(&container, "whole")).ok().await;
    assert_eq!(head.at("x-amz-storage-class"), "STANDARD_IA");
    let parts = client.get(&path(&container, "parts")).ok().await;
    assert_eq!(parts.text(), "parts");
    assert!(parts.at("etag").ends_with("-1\"") && !parts.at("etag").contains("0123456789abcdef"));
    let list = client.get(&format!("/{container}")).query("list-type", 2).ok().await.xml();
    assert_eq!(
        list.texts("Contents/Key"),
        [".minio.sys/tmp/multipart/v1/1.2/azure.json", "parts", "whole"]
    );
    client.put(&path(&container, "new")).header("x-amz-meta-my-name", "v").body("n").ok().await;
    let new = client.head(&path(&container, "new")).ok().await;
    assert_eq!(new.at("x-amz-meta-my-name"), "v");
}
