"""What programs do with boto3; ends at the first wrong byte. Started by `run`."""

import base64
import hashlib
import os
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, KEY, SECRET, CA = sys.argv[1:]
PLAIN = ENDPOINT.startswith("http:")
BUCKET = f"client-{uuid.uuid4().hex[:20]}"
ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


def client(endpoint=ENDPOINT, style="path", signature_version="s3v4", **config):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        verify=CA or None,
        config=Config(
            signature_version=signature_version,
            s3={"addressing_style": style},
            retries={"max_attempts": 1},
            **config,
        ),
    )


s3 = client()


def main():
    for step in [
        buckets, objects, metadata, ranges, conditions, checksums, listings, copies,
        deletions, presigned, version_2, forms, transfer, multipart, virtual_hosts, probes, the_end,
    ]:
        print(step.__name__, flush=True)
        step()


def is_(found, wanted):
    assert found == wanted, f"not {wanted!r} but {found!r}"


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        is_(error.response["Error"]["Code"], code)
        return error.response
    raise AssertionError(f"{call} went through instead of {code}")


def refused_in_time(code, call, **arguments):
    """The same of what another replica may believe a little longer (docs/limits.md)."""
    deadline = time.monotonic() + float(os.environ.get("CACHE_TTL", 0))
    while True:
        try:
            return refused(code, call, **arguments)
        except AssertionError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.1)


def body_of(key, **arguments):
    return s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read()


def buckets():
    s3.create_bucket(Bucket=BUCKET)
    s3.head_bucket(Bucket=BUCKET)
    assert BUCKET in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    is_(s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"], None)
    refused("NoSuchBucket", s3.list_objects_v2, Bucket="client-there-is-none")
    refused("404", s3.head_bucket, Bucket="client-there-is-none")


def objects():
    body = os.urandom(100_000)
    for key in ["plain", "a b+c", "ä€😀/ü", "x//y", "..", "q?a=b&c#d", "%41", " "]:
        put = s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        is_(put["ETag"], etag)
        got = s3.get_object(Bucket=BUCKET, Key=key)
        is_(got["Body"].read(), body)
        is_(got["ETag"], etag)
        head = s3.head_object(Bucket=BUCKET, Key=key)
        is_((head["ContentLength"], head["ETag"]), (len(body), etag))
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    is_(body_of("empty"), b"")
    # A stream whose length is known only by reading on: over https this goes out chunked.
    with open("stream", "wb") as file:
        file.write(body)
    with open("stream", "rb") as file:
        s3.put_object(Bucket=BUCKET, Key="stream", Body=file)
    is_(body_of("stream"), body)
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="none")
    refused("404", s3.head_object, Bucket=BUCKET, Key="none")


def metadata():
    expires = datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    values = {"colour": "blue", "with-dash.and.dot": "a=b; c", "path": "%C3%A4 100%", "empty": ""}
    s3.put_object(
        Bucket=BUCKET, Key="told", Body=b"x", Metadata=values, ContentType="text/x-odd",
        CacheControl="max-age=7", ContentDisposition='attachment; filename="a b.txt"',
        ContentEncoding="identity", ContentLanguage="de", Expires=expires, StorageClass="STANDARD_IA",
    )
    head = s3.head_object(Bucket=BUCKET, Key="told")
    is_(head["Metadata"], values)
    is_(head["ContentType"], "text/x-odd")
    is_(head["CacheControl"], "max-age=7")
    is_(head["ContentLanguage"], "de")
    is_(head["ContentEncoding"], "identity")
    is_(head["Expires"], expires)
    is_(head["StorageClass"], "STANDARD_IA")
    get = s3.get_object(
        Bucket=BUCKET, Key="told", ResponseContentType="text/other", ResponseCacheControl="no-store"
    )
    is_((get["ContentType"], get["CacheControl"]), ("text/other", "no-store"))


def ranges():
    body = bytes(range(256)) * 40
    s3.put_object(Bucket=BUCKET, Key="range", Body=body)
    for asked, start, end in [("0-0", 0, 1), ("5-99", 5, 100), ("10000-", 10000, None), ("-7", -7, None)]:
        got = s3.get_object(Bucket=BUCKET, Key="range", Range=f"bytes={asked}")
        is_(got["ResponseMetadata"]["HTTPStatusCode"], 206)
        is_(got["Body"].read(), body[start:end])
    refused("InvalidRange", s3.get_object, Bucket=BUCKET, Key="range", Range="bytes=99999-")


def conditions():
    etag = s3.put_object(Bucket=BUCKET, Key="held", Body=b"1", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="held", Body=b"2", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="held", Body=b"2", IfMatch='"0"')
    is_(body_of("held", IfMatch=etag), b"1")
    refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="held", IfMatch='"0"')
    refused("304", s3.get_object, Bucket=BUCKET, Key="held", IfNoneMatch=etag)
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    refused("304", s3.head_object, Bucket=BUCKET, Key="held", IfModifiedSince=later)
    s3.put_object(Bucket=BUCKET, Key="held", Body=b"2", IfMatch=etag)
    is_(body_of("held"), b"2")


def checksums():
    body = os.urandom(70_000)
    for algorithm in ALGORITHMS:
        member = f"Checksum{algorithm}"
        put = s3.put_object(Bucket=BUCKET, Key=algorithm, Body=body, ChecksumAlgorithm=algorithm)
        got = s3.get_object(Bucket=BUCKET, Key=algorithm, ChecksumMode="ENABLED")
        is_(got["Body"].read(), body)
        is_(got[member], put[member])
        head = s3.head_object(Bucket=BUCKET, Key=algorithm, ChecksumMode="ENABLED")
        is_(head[member], put[member])
    # The check values of the catalogue of CRCs, so that not only our two ends agree.
    values = {"CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}
    for algorithm, value in values.items():
        value = base64.b64encode(bytes.fromhex(value)).decode()
        put = s3.put_object(Bucket=BUCKET, Key="123", Body=b"123456789", ChecksumAlgorithm=algorithm)
        is_(put[f"Checksum{algorithm}"], value)
    refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=b"x", ChecksumCRC32="AAAAAA==")
    refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=b"x", ChecksumSHA256="A" * 43 + "=")
    refused("404", s3.head_object, Bucket=BUCKET, Key="bad")


def listings():
    keys = sorted((f"list/{name}" for name in ["a", "a/b", "a b", "b/1", "b/2", "ä", "😀", "~", "é"]),
                  key=lambda key: key.encode())
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    for operation in ["list_objects", "list_objects_v2"]:
        for size in [1, 3, 1000]:
            pages = s3.get_paginator(operation).paginate(
                Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": size}
            )
            is_([item["Key"] for page in pages for item in page.get("Contents", [])], keys)
        pages = s3.get_paginator(operation).paginate(
            Bucket=BUCKET, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 2}
        )
        pages = list(pages)
        is_([p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])], ["list/a/", "list/b/"])
        is_(
            [item["Key"] for page in pages for item in page.get("Contents", [])],
            [key for key in keys if key.count("/") == 1],
        )
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", StartAfter=keys[2], FetchOwner=True)
    is_([item["Key"] for item in after["Contents"]], keys[3:])
    assert after["Contents"][0]["Owner"]["ID"]
    item = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/b/1")["Contents"][0]
    is_((item["Size"], item["ETag"]), (8, f'"{hashlib.md5(b"list/b/1").hexdigest()}"'))
    versions = s3.list_object_versions(Bucket=BUCKET, Prefix="list/b/")["Versions"]
    is_([(item["Key"], item["VersionId"], item["IsLatest"]) for item in versions],
        [("list/b/1", "null", True), ("list/b/2", "null", True)])


def copies():
    source = {"Bucket": BUCKET, "Key": "a b+c"}
    wanted = body_of("a b+c")
    s3.copy_object(Bucket=BUCKET, Key="copy ä", CopySource=source)
    is_(body_of("copy ä"), wanted)
    s3.copy_object(
        Bucket=BUCKET, Key="copy ä", CopySource={"Bucket": BUCKET, "Key": "copy ä"},
        MetadataDirective="REPLACE", Metadata={"new": "one"}, ContentType="text/new",
    )
    head = s3.head_object(Bucket=BUCKET, Key="copy ä")
    is_((head["Metadata"], head["ContentType"]), ({"new": "one"}, "text/new"))
    is_(body_of("copy ä"), wanted)
    refused("PreconditionFailed", s3.copy_object, Bucket=BUCKET, Key="c", CopySource=source,
            CopySourceIfMatch='"0"')
    refused("NoSuchKey", s3.copy_object, Bucket=BUCKET, Key="c", CopySource={"Bucket": BUCKET, "Key": "none"})


def deletions():
    keys = ["d/1", "d/ä <&>", "d//", "d/4"]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    s3.delete_object(Bucket=BUCKET, Key="d/4")
    s3.delete_object(Bucket=BUCKET, Key="d/4")
    asked = [{"Key": key} for key in [*keys, "d/never"]]
    done = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": asked})
    is_(sorted(item["Key"] for item in done["Deleted"]), sorted([*keys, "d/never"]))
    assert "Errors" not in done, done
    is_(s3.list_objects_v2(Bucket=BUCKET, Prefix="d/")["KeyCount"], 0)
    s3.put_object(Bucket=BUCKET, Key="d/5", Body=b"")
    done = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "d/5"}], "Quiet": True})
    assert "Deleted" not in done and "Errors" not in done, done


def presigned():
    # With WHEN_REQUIRED as the default would sign the checksum of an empty body into the URL.
    signing = client(request_checksum_calculation="when_required")
    url = signing.generate_presigned_url(
        "put_object", Params={"Bucket": BUCKET, "Key": "signed ä+b", "ContentType": "text/x-signed"}
    )
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url, url
    is_(fetch(url, b"by url", {"Content-Type": "text/x-signed"}), b"")
    url = s3.generate_presigned_url(
        "get_object", ExpiresIn=60,
        Params={"Bucket": BUCKET, "Key": "signed ä+b", "ResponseContentType": "text/plain"},
    )
    is_(fetch(url), b"by url")
    try:
        fetch(url.replace("signed", "signee"))
        raise AssertionError("the signature of another key went through")
    except urllib.error.HTTPError as error:
        is_(error.code, 403)


def version_2():
    """The signature that boto3 presigns with where nobody tells it otherwise."""
    default = boto3.client(
        "s3", endpoint_url=ENDPOINT, region_name="us-east-1",
        aws_access_key_id=KEY, aws_secret_access_key=SECRET, verify=CA or None,
    )
    old = client(signature_version="s3", request_checksum_calculation="when_required")
    old.put_object(Bucket=BUCKET, Key="old ä+b", Body=b"by header", Metadata={"colour": "blue"})
    is_(old.head_object(Bucket=BUCKET, Key="old ä+b")["Metadata"], {"colour": "blue"})
    url = default.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": "old ä+b", "ResponseContentType": "text/x-old"}
    )
    assert "AWSAccessKeyId=" in url, url
    is_(fetch(url), b"by header")
    url = default.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "old ä+b"})
    # urllib adds a type of its own, which is signed.
    is_(fetch(url, b"by url", {"Content-Type": ""}), b"")
    is_(body_of("old ä+b"), b"by url")
    try:
        fetch(url.replace("old", "odd"), b"other", {"Content-Type": ""})
        raise AssertionError("the signature of another key went through")
    except urllib.error.HTTPError as error:
        is_(error.code, 403)


def forms():
    """Presigned POST, signed by either version, as browsers send it."""
    for signing in (s3, client(signature_version="s3")):
        form = signing.generate_presigned_post(
            BUCKET, "forms/${filename}",
            Fields={"x-amz-meta-colour": "green", "success_action_status": "201"},
            Conditions=[
                {"x-amz-meta-colour": "green"}, {"success_action_status": "201"},
                ["content-length-range", 1, 100],
            ],
        )
        answer = send_form(form["url"], form["fields"], "a ü.txt", b"from a form")
        assert b"<Key>forms/a \xc3\xbc.txt</Key>" in answer, answer
        is_(body_of("forms/a ü.txt"), b"from a form")
        is_(s3.head_object(Bucket=BUCKET, Key="forms/a ü.txt")["Metadata"], {"colour": "green"})
        for fields, body in (
            (form["fields"], b"x" * 101),
            (form["fields"], b""),
            ({**form["fields"], "x-amz-meta-colour": "red"}, b"from a form"),
        ):
            try:
                send_form(form["url"], fields, "a ü.txt", body)
                raise AssertionError("a form went through that its policy does not allow")
            except urllib.error.HTTPError as error:
                assert error.code in (400, 403), error
        is_(body_of("forms/a ü.txt"), b"from a form")
        s3.delete_object(Bucket=BUCKET, Key="forms/a ü.txt")


def send_form(url, fields, name, file):
    boundary = uuid.uuid4().hex
    parts = [f'name="{field}"\r\n\r\n{value}' for field, value in fields.items()]
    parts.append(f'name="file"; filename="{name}"\r\n\r\n')
    start = "".join(f"\r\n--{boundary}\r\nContent-Disposition: form-data; {part}" for part in parts)
    body = start.lstrip().encode() + file + f"\r\n--{boundary}--\r\n".encode()
    return fetch(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}, "POST")


def fetch(url, body=None, headers={}, method=None):
    context = ssl.create_default_context(cafile=CA) if CA else None
    method = method or ("PUT" if body else "GET")
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request, context=context) as answer:
        return answer.read()


def transfer():
    """upload_file and download_file, as most programs have it."""
    body = os.urandom(int(os.environ.get("TRANSFER_BYTES", 20 * 1024 * 1024)))
    with open("up", "wb") as file:
        file.write(body)
    s3.upload_file("up", BUCKET, "transfer", ExtraArgs={"Metadata": {"by": "transfer"}})
    s3.download_file(BUCKET, "transfer", "down")
    with open("down", "rb") as file:
        is_(hashlib.sha256(file.read()).hexdigest(), hashlib.sha256(body).hexdigest())
    head = s3.head_object(Bucket=BUCKET, Key="transfer")
    is_((head["ContentLength"], head["Metadata"]), (len(body), {"by": "transfer"}))
    s3.copy({"Bucket": BUCKET, "Key": "transfer"}, BUCKET, "managed copy")
    is_(hashlib.sha256(body_of("managed copy")).hexdigest(), hashlib.sha256(body).hexdigest())


def multipart():
    """The calls themselves, as tools with their own transfers make them."""
    parts = [os.urandom(5 * 1024 * 1024), os.urandom(5 * 1024 * 1024), b"the last"]
    asked = {"Bucket": BUCKET, "Key": "parts ä+b"}
    upload = s3.create_multipart_upload(**asked, Metadata={"by": "parts"}, ContentType="text/x-parts")
    asked["UploadId"] = upload["UploadId"]
    listed = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    is_([(item["Key"], item["UploadId"]) for item in listed], [(asked["Key"], asked["UploadId"])])
    done = []
    for number, body in [(3, parts[2]), (1, parts[1]), (1, parts[0]), (2, parts[1])]:
        etag = s3.upload_part(**asked, PartNumber=number, Body=body)["ETag"]
        is_(etag, f'"{hashlib.md5(body).hexdigest()}"')
        done = [part for part in done if part["PartNumber"] != number]
        done.append({"PartNumber": number, "ETag": etag})
    done.sort(key=lambda part: part["PartNumber"])
    found = s3.list_parts(**asked)["Parts"]
    is_([(part["PartNumber"], part["Size"]) for part in found],
        [(number, len(body)) for number, body in enumerate(parts, 1)])
    ended = s3.complete_multipart_upload(**asked, MultipartUpload={"Parts": done})
    digests = b"".join(hashlib.md5(body).digest() for body in parts)
    etag = f'"{hashlib.md5(digests).hexdigest()}-3"'
    is_(ended["ETag"], etag)
    got = s3.get_object(Bucket=BUCKET, Key=asked["Key"])
    is_((got["ETag"], got["ContentType"], got["Metadata"]), (etag, "text/x-parts", {"by": "parts"}))
    is_(hashlib.sha256(got["Body"].read()).digest(), hashlib.sha256(b"".join(parts)).digest())
    second = s3.get_object(Bucket=BUCKET, Key=asked["Key"], PartNumber=2)
    is_((second["PartsCount"], second["ContentLength"]), (3, len(parts[1])))
    is_(second["Body"].read(), parts[1])
    gone = s3.create_multipart_upload(Bucket=BUCKET, Key="aborted")["UploadId"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key="aborted", UploadId=gone)
    refused_in_time("NoSuchUpload", s3.upload_part, Bucket=BUCKET, Key="aborted", UploadId=gone,
                    PartNumber=1, Body=b"x")


def virtual_hosts():
    if not PLAIN:
        return print("  skipped: the certificate of the tests has no wildcard")
    # Not every resolver knows the names under localhost.
    real = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: real(
        "127.0.0.1" if host.endswith(".localhost") else host, *rest, **more
    )
    port = ENDPOINT.rsplit(":", 1)[1]
    hosts = client(endpoint=f"http://localhost:{port}", style="virtual")
    hosts.put_object(Bucket=BUCKET, Key="by host/ä+b", Body=b"by host")
    is_(hosts.get_object(Bucket=BUCKET, Key="by host/ä+b")["Body"].read(), b"by host")
    is_(body_of("by host/ä+b"), b"by host")
    is_(hosts.list_objects_v2(Bucket=BUCKET, Prefix="by host/")["KeyCount"], 1)


def probes():
    """What libraries ask before they begin."""
    assert "Status" not in s3.get_bucket_versioning(Bucket=BUCKET)
    assert s3.get_bucket_acl(Bucket=BUCKET)["Owner"]["ID"]
    assert s3.get_object_acl(Bucket=BUCKET, Key="plain")["Grants"]
    is_(s3.get_object_tagging(Bucket=BUCKET, Key="plain")["TagSet"], [])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=BUCKET)
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=BUCKET)
    refused("ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration, Bucket=BUCKET)


def the_end():
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=BUCKET)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        gone = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        done = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": gone})
        is_(len(done["Deleted"]), len(gone))
    s3.delete_bucket(Bucket=BUCKET)
    refused("404", s3.head_bucket, Bucket=BUCKET)


main()
