"""What people do with boto3. ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say where and as whom."""

import base64
import hashlib
import os
import ssl
import sys
import urllib.error
import urllib.request
import uuid
import zlib

# Nobody's own settings.
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ.pop("AWS_PROFILE", None)

import boto3  # noqa: E402
from boto3.s3.transfer import TransferConfig  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

ENDPOINT = os.environ["ENDPOINT"]
# Multipart uploads are tested apart.
WHOLE = TransferConfig(multipart_threshold=1 << 40)


def client(**config):
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4",
            retries={"max_attempts": 1},
            s3={"addressing_style": "path"},
            **config,
        ),
    )


s3 = client()
BUCKET = "boto3-" + uuid.uuid4().hex[:12]


def step(text):
    print("boto3:", text, flush=True)


def refused(code, call, **arguments):
    """The call ends with this code."""
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{found}, not {code}"
        return error.response
    raise AssertionError(f"no {code}")


def fetch(url, method="GET", data=None, headers=None):
    """A request without boto3."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    context = None
    if url.startswith("https"):
        context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    return urllib.request.urlopen(request, context=context).read()


def buckets():
    step("buckets")
    s3.create_bucket(Bucket=BUCKET)
    assert BUCKET in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    head = s3.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPHeaders"]
    assert head["x-amz-bucket-region"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket=BUCKET)
    refused("404", s3.head_bucket, Bucket=BUCKET + "x")


def objects():
    step("put, get, head")
    body = os.urandom(100_000)
    put = s3.put_object(
        Bucket=BUCKET,
        Key="a/b c+ü",
        Body=body,
        ContentType="text/x-test",
        CacheControl="max-age=1",
        ContentDisposition='attachment; filename="x"',
        Metadata={"a-key": "a value", "other": "b"},
    )
    etag = '"' + hashlib.md5(body).hexdigest() + '"'
    assert put["ETag"] == etag
    got = s3.get_object(Bucket=BUCKET, Key="a/b c+ü")
    assert got["Body"].read() == body
    head = s3.head_object(Bucket=BUCKET, Key="a/b c+ü")
    for answer in got, head:
        assert answer["ETag"] == etag
        assert answer["ContentType"] == "text/x-test"
        assert answer["CacheControl"] == "max-age=1"
        assert answer["ContentDisposition"] == 'attachment; filename="x"'
        assert answer["Metadata"] == {"a-key": "a value", "other": "b"}, answer["Metadata"]
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="none")
    refused("404", s3.head_object, Bucket=BUCKET, Key="none")
    refused("NoSuchBucket", s3.get_object, Bucket=BUCKET + "x", Key="none")
    refused("InvalidRange", s3.get_object, Bucket=BUCKET, Key="a/b c+ü", Range="bytes=100000-")
    part = s3.get_object(Bucket=BUCKET, Key="a/b c+ü", Range="bytes=10-19")
    assert part["Body"].read() == body[10:20]
    assert part["ContentRange"] == "bytes 10-19/100000"
    tail = s3.get_object(Bucket=BUCKET, Key="a/b c+ü", Range="bytes=-10")
    assert tail["Body"].read() == body[-10:]


def transfers():
    step("files of 20 MB")
    body = os.urandom(20_000_000)
    with open(os.path.join(os.environ["WORK"], "large"), "wb") as file:
        file.write(body)
    s3.upload_file(file.name, BUCKET, "large", Config=WHOLE)
    s3.download_file(BUCKET, "large", file.name + ".back")
    with open(file.name + ".back", "rb") as back:
        assert back.read() == body
    with open(file.name, "rb") as source:
        s3.put_object(Bucket=BUCKET, Key="streamed", Body=source)
    assert s3.get_object(Bucket=BUCKET, Key="streamed")["Body"].read() == body
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    assert s3.get_object(Bucket=BUCKET, Key="empty")["Body"].read() == b""


def conditions():
    step("conditions")
    etag = s3.put_object(Bucket=BUCKET, Key="c", Body=b"1", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="c", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket=BUCKET, Key="c", Body=b"3", IfMatch=etag)
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="c", Body=b"4", IfMatch=etag)
    now = s3.head_object(Bucket=BUCKET, Key="c")["ETag"]
    refused("304", s3.get_object, Bucket=BUCKET, Key="c", IfNoneMatch=now)
    refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="c", IfMatch=etag)
    assert s3.get_object(Bucket=BUCKET, Key="c", IfMatch=now)["Body"].read() == b"3"


def checksums():
    step("checksums")
    body = b"The quick brown fox jumps over the lazy dog"
    crc32 = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
    for algorithm, value in ("CRC32", crc32), ("SHA256", sha256):
        name = "Checksum" + algorithm
        put = s3.put_object(Bucket=BUCKET, Key="s", Body=body, ChecksumAlgorithm=algorithm)
        assert put[name] == value
        got = s3.get_object(Bucket=BUCKET, Key="s", ChecksumMode="ENABLED")
        assert got["Body"].read() == body and got[name] == value
        refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="s", Body=b"other", **{name: value})
    for algorithm in "SHA1", "CRC32":
        s3.put_object(Bucket=BUCKET, Key="s", Body=body, ChecksumAlgorithm=algorithm)


def listings():
    step("listings and their pages")
    keys = sorted(f"list/{number % 5}/{number:03} +%ü" for number in range(25))
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    for operation in "list_objects", "list_objects_v2":
        pages = s3.get_paginator(operation)
        found = pages.paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 7})
        assert [entry["Key"] for page in found for entry in page["Contents"]] == keys
        found = pages.paginate(Bucket=BUCKET, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 2})
        prefixes = [entry["Prefix"] for page in found for entry in page.get("CommonPrefixes", [])]
        assert prefixes == [f"list/{number}/" for number in range(5)], prefixes
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", StartAfter=keys[20])
    assert [entry["Key"] for entry in after["Contents"]] == keys[21:]
    owner = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", FetchOwner=True, MaxKeys=1)
    assert owner["Contents"][0]["Owner"]["ID"]
    versions = s3.list_object_versions(Bucket=BUCKET, Prefix="list/")["Versions"]
    assert [entry["Key"] for entry in versions] == keys
    assert {entry["VersionId"] for entry in versions} == {"null"}


def copies():
    step("copies")
    source = {"Bucket": BUCKET, "Key": "a/b c+ü"}
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=source)
    assert s3.head_object(Bucket=BUCKET, Key="copy")["Metadata"]["a-key"] == "a value"
    s3.copy_object(
        Bucket=BUCKET, Key="copy", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "m"}
    )
    assert s3.head_object(Bucket=BUCKET, Key="copy")["Metadata"] == {"n": "m"}
    s3.copy(source, BUCKET, "managed", Config=WHOLE)
    assert s3.head_object(Bucket=BUCKET, Key="managed")["ContentLength"] == 100_000


def presigned():
    step("presigned requests")
    url = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "p +ü"}, 60)
    fetch(url, "PUT", b"presigned")
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "p +ü"}, 60)
    assert fetch(url) == b"presigned"
    try:
        fetch(url.replace("p%20", "q%20"))
    except urllib.error.HTTPError as error:
        assert error.code == 403, error
        assert b"SignatureDoesNotMatch" in error.read()
    else:
        raise AssertionError("an edited URL works")


def probes():
    step("what nobody has configured")
    for code, call in [
        ("NoSuchBucketPolicy", s3.get_bucket_policy),
        ("NoSuchCORSConfiguration", s3.get_bucket_cors),
        ("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration),
        ("NoSuchTagSet", s3.get_bucket_tagging),
        ("NoSuchWebsiteConfiguration", s3.get_bucket_website),
        ("ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration),
        ("ReplicationConfigurationNotFoundError", s3.get_bucket_replication),
    ]:
        refused(code, call, Bucket=BUCKET)
    assert s3.get_bucket_acl(Bucket=BUCKET)["Owner"]["ID"]
    assert s3.get_object_tagging(Bucket=BUCKET, Key="c")["TagSet"] == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    refused("NotImplemented", s3.put_bucket_versioning, Bucket=BUCKET,
            VersioningConfiguration={"Status": "Enabled"})


def end():
    step("deletes")
    s3.delete_object(Bucket=BUCKET, Key="c")
    s3.delete_object(Bucket=BUCKET, Key="c")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=BUCKET)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [{"Key": entry["Key"]} for page in pages for entry in page["Contents"]]
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
    assert len(answer["Deleted"]) == len(keys) and "Errors" not in answer
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    s3.delete_bucket(Bucket=BUCKET)


if __name__ == "__main__":
    if "WORK" not in os.environ:
        import tempfile

        os.environ["WORK"] = tempfile.mkdtemp()
    for act in (buckets, objects, transfers, conditions, checksums, listings, copies, presigned, probes, end):
        act()
    step("all done")
    sys.exit(0)
