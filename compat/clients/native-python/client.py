"""What S3 wrote, Azure's SDK reads, and the other way round; ends at the first wrong byte. Started by
`run`."""

import base64
import hashlib
import os
import sys
import uuid
from datetime import datetime, timezone

import boto3
from azure.storage.blob import BlobServiceClient, BlobType, ContentSettings, StandardBlobTier
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, KEY, SECRET, CA = sys.argv[1:]
BUCKET = f"client-{uuid.uuid4().hex[:20]}"
BODY = os.urandom(100_000)
MD5 = hashlib.md5(BODY)

s3 = boto3.client(
    "s3",
    endpoint_url=ENDPOINT,
    region_name="us-east-1",
    aws_access_key_id=KEY,
    aws_secret_access_key=SECRET,
    verify=CA or None,
    config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
)
azure = BlobServiceClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"])
container = azure.get_container_client(BUCKET)


def main():
    s3.create_bucket(Bucket=BUCKET)
    for step in [
        s3_writes_azure_reads, azure_writes_s3_reads, azure_changes_s3_sees, s3_changes_azure_sees,
        both_list_the_same, the_end,
    ]:
        print(step.__name__, flush=True)
        step()


def is_(found, wanted):
    assert found == wanted, f"not {wanted!r} but {found!r}"


def s3_writes_azure_reads():
    expires = datetime(2031, 2, 3, tzinfo=timezone.utc)
    for key in ["plain", "dir/a b+c", "ä€😀", "x//y"]:
        s3.put_object(
            Bucket=BUCKET, Key=key, Body=BODY, ContentType="text/x-odd", CacheControl="max-age=7",
            ContentDisposition="inline", ContentLanguage="de", ContentEncoding="identity",
            Metadata={"colour": "blue"}, Expires=expires,
        )
        blob = container.get_blob_client(key)
        is_(blob.download_blob().readall(), BODY)
        told = blob.get_blob_properties()
        is_(told.blob_type, BlobType.BLOCKBLOB)
        settings = told.content_settings
        is_(bytes(settings.content_md5), MD5.digest())
        is_(settings.content_type, "text/x-odd")
        is_(settings.cache_control, "max-age=7")
        is_(settings.content_disposition, "inline")
        is_(settings.content_language, "de")
        is_(settings.content_encoding, "identity")
        is_({name.lower(): value for name, value in told.metadata.items()}["colour"], "blue")
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    is_(container.get_blob_client("empty").download_blob().readall(), b"")
    s3.copy_object(Bucket=BUCKET, Key="copied", CopySource={"Bucket": BUCKET, "Key": "plain"})
    is_(container.get_blob_client("copied").download_blob().readall(), BODY)


def azure_writes_s3_reads():
    def block(blob):
        blob.upload_blob(BODY, content_settings=ContentSettings(content_type="text/x-azure"),
                         metadata={"Colour": "red"})

    def staged(blob):
        """In blocks, and so without an MD5."""
        ids = []
        for start in range(0, len(BODY), 30_000):
            ids.append(base64.b64encode(b"%08d" % start).decode())
            blob.stage_block(ids[-1], BODY[start:start + 30_000])
        blob.commit_block_list(ids)
        assert blob.get_blob_properties().content_settings.content_md5 is None

    def append(blob):
        blob.create_append_blob()
        for start in range(0, len(BODY), 60_000):
            blob.append_block(BODY[start:start + 60_000])

    def page(blob):
        size = -len(BODY) % 512 + len(BODY)
        blob.create_page_blob(size)
        blob.upload_page(BODY + bytes(size - len(BODY)), offset=0, length=size)

    for write in [block, staged, append, page]:
        key = f"native/{write.__name__} ä+b"
        blob = container.get_blob_client(key)
        write(blob)
        wanted = BODY + bytes(-len(BODY) % 512) if write is page else BODY
        head = s3.head_object(Bucket=BUCKET, Key=key)
        got = s3.get_object(Bucket=BUCKET, Key=key)
        is_(got["Body"].read(), wanted)
        is_((head["ContentLength"], got["ContentLength"]), (len(wanted), len(wanted)))
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]
        is_([(item["Key"], item["Size"], item["ETag"]) for item in listed],
            [(key, len(wanted), head["ETag"])])
        # An MD5 where Azure has one; else an ETag that says that it is none.
        if blob.get_blob_properties().content_settings.content_md5:
            is_((head["ETag"], got["ETag"]), (f'"{MD5.hexdigest()}"', head["ETag"]))
        else:
            # Azurite tells the MD5 of a whole blob that has none, Azure does not: GET is not compared.
            assert head["ETag"].endswith('-1"'), head["ETag"]
        part = s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=1000-1999", IfMatch=head["ETag"])
        is_((part["Body"].read(), part["ETag"]), (wanted[1000:2000], head["ETag"]))
        s3.copy_object(Bucket=BUCKET, Key=f"{key} copy", CopySource={"Bucket": BUCKET, "Key": key})
        is_(s3.get_object(Bucket=BUCKET, Key=f"{key} copy")["Body"].read(), wanted)
    head = s3.head_object(Bucket=BUCKET, Key="native/block ä+b")
    is_((head["ContentType"], head["Metadata"]), ("text/x-azure", {"colour": "red"}))


def azure_changes_s3_sees():
    blob = container.get_blob_client("plain")
    blob.upload_blob(b"newer", overwrite=True)
    head = s3.head_object(Bucket=BUCKET, Key="plain")
    is_((head["ContentLength"], head["ETag"]), (5, f'"{hashlib.md5(b"newer").hexdigest()}"'))
    is_(head["Metadata"], {})
    blob.set_blob_metadata({"later": "yes"})
    is_(s3.head_object(Bucket=BUCKET, Key="plain")["Metadata"], {"later": "yes"})
    blob.set_standard_blob_tier(StandardBlobTier.COOL)
    assert "StorageClass" in s3.head_object(Bucket=BUCKET, Key="plain")
    # An appended blob grows under its readers.
    growing = container.get_blob_client("native/append ä+b")
    before = s3.head_object(Bucket=BUCKET, Key="native/append ä+b")["ETag"]
    growing.append_block(b"more")
    after = s3.head_object(Bucket=BUCKET, Key="native/append ä+b")
    is_(after["ContentLength"], len(BODY) + 4)
    assert after["ETag"] != before, "another ETag for other bytes"
    blob.delete_blob()
    try:
        s3.head_object(Bucket=BUCKET, Key="plain")
        raise AssertionError("it is still there")
    except ClientError as error:
        is_(error.response["Error"]["Code"], "404")


def s3_changes_azure_sees():
    """S3 may overwrite what Azure wrote, of whatever kind, and delete it."""
    for kind in ["block", "staged", "append", "page"]:
        key = f"native/{kind} ä+b"
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"over")
        blob = container.get_blob_client(key)
        is_(blob.download_blob().readall(), b"over")
        is_(blob.get_blob_properties().blob_type, BlobType.BLOCKBLOB)
        s3.delete_object(Bucket=BUCKET, Key=key)
        assert not blob.exists()


def both_list_the_same():
    theirs = sorted((blob.name, blob.size) for blob in container.list_blobs())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 3})
    ours = sorted((item["Key"], item["Size"]) for page in pages for item in page["Contents"])
    is_(ours, theirs)
    made = f"native-{uuid.uuid4().hex[:20]}"
    azure.create_container(made)
    azure.get_container_client(made).upload_blob("a", b"a")
    is_(s3.get_object(Bucket=made, Key="a")["Body"].read(), b"a")
    azure.delete_container(made)


def the_end():
    for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    assert not container.exists()


main()
