//! The status page of the admin port: what an operator looks at first.

use bluebucket::server::azurite::ACCOUNT_KEY;

use crate::harness::Gateway;
use crate::harness::gateway::ADMIN;
use crate::harness::wire::Wire;

#[tokio::test]
async fn the_page_shows_accounts_with_their_state_routes_and_addresses() {
    let gateway = Gateway::with(|settings| {
        settings.top += "\ndefault_account = \"main\"";
        settings.tables = "[accounts.\"<old>\"]\naccount = \"contoso\"\nkey = \"Y2FuYXJ5\"\n\
             endpoint = \"http://127.0.0.1:1/contoso\"\n\
             [[buckets]]\nname = \"photos\"\naccount = \"<old>\"\ncontainer = \"images\"\n\
             prefix = \"2026/\"\nread_only = true\n\
             [[buckets]]\nname = \"logs-*\"\nprefix = \"l/\"\n"
            .to_owned();
    })
    .await;
    let mut wire = Wire::connect(gateway.admin).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = wire.exchange(request.as_bytes(), "GET").await.unwrap();
    assert_eq!((answer.status, answer.at("content-type")), (200, "text/html; charset=utf-8"));
    let page = answer.text();
    for part in [
        "not ready".to_owned(),
        format!("S3 port: http://{}<", gateway.address),
        format!("AWS_ENDPOINT_URL_S3=http://{} ", gateway.address),
        "<td>main (default)<td>answers<".to_owned(),
        "<td>&lt;old><td>does not answer: Unreachable".to_owned(),
        "<td>photos<td>&lt;old><td>images<td>2026/<td>read-only<".to_owned(),
        "<td>logs-*<td>main<td>of the bucket's name<td>l/<td><".to_owned(),
        "<td>all others<td>main<td>".to_owned(),
    ] {
        assert!(page.contains(&part), "{part} is not in {page}");
    }
    for secret in ["Y2FuYXJ5", ADMIN.secret, ADMIN.key, ACCOUNT_KEY] {
        assert!(!page.contains(secret), "{page}");
    }
}
