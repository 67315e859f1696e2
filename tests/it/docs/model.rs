//! AWS's own list of S3's operations, from the model that botocore ships: what it names is answered or refused
//! by that name here, and never taken for the plain operation beside it. A newer pin brings a newer list.

use bluebucket::ops::compatibility;
use bluebucket::s3::operation::{Operation, Support};
use bluebucket::s3::query::{Plus, Query};
use bluebucket::s3::target::{self, Domains};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use tokio::process::Command;

use crate::recipes::made;

/// Prints the model: one object of JSON an operation.
const PRINT: &str = r#"
import botocore.session, json
service = botocore.session.get_session().get_service_model("s3")
for name in service.operation_names:
    operation = service.operation_model(name)
    shape = operation.input_shape
    members = list(shape.members.items()) if shape else []
    at = lambda place, of: [m.serialization["name"] for n, m in of if m.serialization.get("location") == place]
    required = [(n, m) for n, m in members if n in shape.required_members] if shape else []
    print(json.dumps({
        "name": name, "method": operation.http["method"], "uri": operation.http["requestUri"],
        "headers": at("header", members), "need_headers": at("header", required),
        "need_query": at("querystring", required),
    }))
"#;

/// Older names of AWS for the same request, and requests that only their host tells from another.
const ALIASES: &[(&str, &str)] = &[
    ("GetBucketLifecycle", "GetBucketLifecycleConfiguration"),
    ("PutBucketLifecycle", "PutBucketLifecycleConfiguration"),
    ("GetBucketNotification", "GetBucketNotificationConfiguration"),
    ("PutBucketNotification", "PutBucketNotificationConfiguration"),
    ("ListDirectoryBuckets", "ListBuckets"),
];
const OF_ANOTHER_HOST: &str = "WriteGetObjectResponse";

async fn model() -> Vec<Value> {
    let python = made("python").await.join("bin/python");
    let output = Command::new(python).args(["-c", PRINT]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let operations: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
    assert!(operations.len() > 100, "{}", operations.len());
    operations
}

fn texts<'a>(of: &'a Value, name: &str) -> Vec<&'a str> {
    of[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// What the gateway takes a request of the model for.
fn meant(operation: &Value) -> Result<&'static str, String> {
    let uri = operation["uri"].as_str().unwrap();
    let uri = uri.replace("{Bucket}", "photos").replace("{Key+}", "a");
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let mut query = query.to_owned();
    for name in texts(operation, "need_query") {
        query.push_str(&format!("&{name}=1"));
    }
    let mut headers = HeaderMap::new();
    for name in texts(operation, "need_headers") {
        let name: HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::from_static("/photos/b"));
    }
    let target = target::read("h", path, &Domains::default(), Plus::IsPlus);
    let target = target.map_err(|error| error.to_string())?;
    let query = Query::parse(&query).map_err(|error| error.to_string())?;
    let method: Method = operation["method"].as_str().unwrap().parse().unwrap();
    Operation::read(&method, &target, &query, &headers)
        .map(Operation::name)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn every_operation_of_aws_is_known_by_its_name() {
    let mut faults = Vec::new();
    for operation in model().await {
        let name = operation["name"].as_str().unwrap();
        let wanted = ALIASES.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new);
        let found = meant(&operation);
        if name != OF_ANOTHER_HOST && found.as_deref() != Ok(wanted) {
            faults.push(format!("{name} is taken for {found:?}"));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[tokio::test]
async fn every_header_of_an_operation_that_is_answered_has_its_row() {
    let known = compatibility::headers();
    let is_known = |name: &str| {
        known.iter().any(|(row, _)| match row.split(',').next().unwrap().strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => row.eq_ignore_ascii_case(name),
        })
    };
    let mut faults = Vec::new();
    for operation in model().await {
        let name = operation["name"].as_str().unwrap();
        let ours = Operation::ALL.iter().find(|ours| ours.name() == name);
        if ours.is_none_or(|ours| ours.support() == Support::Refused) {
            continue;
        }
        let missing = texts(&operation, "headers").into_iter().map(str::to_ascii_lowercase);
        faults.extend(missing.filter(|header| !is_known(header)).map(|h| format!("{name}: {h}")));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
