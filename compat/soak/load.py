"""The soak's own load: workers that know after every answer what must be there. Every request is made once, without a
retry, so that each failure is seen; what a failed write left is not known until the next one goes well."""

import hashlib
import os
import random
import threading
import time

import boto3
import botocore.config
import botocore.exceptions

KEYS = 24
SMALL_BYTES, LARGE_BYTES, PART_BYTES = 64 << 10, 6 << 20, 5 << 20
UNKNOWN = object()


def client(endpoint, key, secret):
    config = botocore.config.Config(
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
        connect_timeout=10,
        read_timeout=120,
        max_pool_connections=4,
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=config,
    )


class Wrong(Exception):
    """An answer that must not be: bytes that nobody wrote, a key that is gone."""


class Tally:
    """Every request: when it ended, what it was, how long it took, what went wrong."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked, self.failed, self.wrong = [], [], []

    def note(self, what, begun, error=None):
        now = time.monotonic()
        with self.lock:
            self.asked.append((now, what, now - begun))
            if error is not None:
                self.failed.append((begun, now, what, error))


class Worker(threading.Thread):
    def __init__(self, number, endpoint, keys, tally, ended):
        super().__init__(name=f"worker-{number}", daemon=True)
        self.s3 = client(endpoint, *keys)
        self.bucket = f"soak-{os.getpid()}-{number}"
        self.tally, self.ended = tally, ended
        self.random = random.Random(number)
        # What each key holds: a digest, None where nothing is, UNKNOWN after a write that failed.
        self.known = {}

    def ask(self, what, call, **parameters):
        begun = time.monotonic()
        try:
            answer = call(Bucket=self.bucket, **parameters)
            body = answer["Body"].read() if "Body" in answer else None
        except Exception as error:
            # What S3 answers to a question about nothing is an answer.
            response = getattr(error, "response", {})
            missing = response.get("Error", {}).get("Code") in ("NoSuchKey", "404")
            self.tally.note(what, begun, None if missing else f"{type(error).__name__}: {error}")
            raise
        self.tally.note(what, begun)
        return answer if body is None else body

    def run(self):
        while not self.ended.is_set():
            try:
                self.ask("CreateBucket", self.s3.create_bucket)
                break
            except Exception:
                time.sleep(0.2)
        steps = [self.put] * 5 + [self.get] * 8 + [self.head] * 3 + [self.list, self.delete]
        steps += [self.copy, self.large, self.range, self.parts, self.delete_many]
        while not self.ended.is_set():
            try:
                self.random.choice(steps)()
            except Wrong as wrong:
                with self.tally.lock:
                    self.tally.wrong.append(str(wrong))
            except Exception:
                # Noted where it was asked; as a client does that waits before it tries again.
                time.sleep(0.1)

    def key(self):
        return f"dir {self.random.randrange(4)}/k+{self.random.randrange(KEYS)}"

    def write(self, what, key, body, call, **parameters):
        self.known[key] = UNKNOWN
        self.ask(what, call, Key=key, **parameters)
        self.known[key] = body

    def put(self, size=SMALL_BYTES):
        body = os.urandom(self.random.randrange(1, size))
        self.write("PutObject", self.key(), hashlib.sha256(body).digest(), self.s3.put_object, Body=body)

    def large(self):
        self.put(LARGE_BYTES)

    def parts(self):
        key = self.key()
        upload = self.ask("CreateMultipartUpload", self.s3.create_multipart_upload, Key=key)
        bodies = [os.urandom(PART_BYTES), os.urandom(1000)]
        parts = []
        for number, body in enumerate(bodies, 1):
            part = {"Key": key, "UploadId": upload["UploadId"], "PartNumber": number}
            answer = self.ask("UploadPart", self.s3.upload_part, Body=body, **part)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self.write(
            "CompleteMultipartUpload",
            key,
            hashlib.sha256(b"".join(bodies)).digest(),
            self.s3.complete_multipart_upload,
            UploadId=upload["UploadId"],
            MultipartUpload={"Parts": parts},
        )

    def delete(self):
        self.write("DeleteObject", self.key(), None, self.s3.delete_object)

    def delete_many(self):
        keys = [self.key() for _ in range(3)]
        for key in keys:
            self.known[key] = UNKNOWN
        objects = [{"Key": key} for key in dict.fromkeys(keys)]
        answer = self.ask("DeleteObjects", self.s3.delete_objects, Delete={"Objects": objects})
        if answer.get("Errors"):
            raise Wrong(f"DeleteObjects: {answer['Errors']}")
        for key in keys:
            self.known[key] = None

    def copy(self):
        source, key = self.key(), self.key()
        if source == key or self.known.get(source, UNKNOWN) in (None, UNKNOWN):
            return
        source_of = {"Bucket": self.bucket, "Key": source}
        self.write("CopyObject", key, self.known[source], self.s3.copy_object, CopySource=source_of)

    def read(self, what, key, call, **parameters):
        """What a key holds, or nothing; and whether that may be."""
        known = self.known.get(key, UNKNOWN)
        try:
            found = self.ask(what, call, Key=key, **parameters)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                if known not in (None, UNKNOWN):
                    raise Wrong(f"{what} {key}: an acknowledged write is gone") from error
                return None
            raise
        if known is None:
            raise Wrong(f"{what} {key}: a deleted object is back")
        return found

    def get(self):
        key = self.key()
        body = self.read("GetObject", key, self.s3.get_object)
        known = self.known.get(key, UNKNOWN)
        if body is not None and known is not UNKNOWN and hashlib.sha256(body).digest() != known:
            raise Wrong(f"GetObject {key}: other bytes than were acknowledged")

    def head(self):
        self.read("HeadObject", self.key(), self.s3.head_object)

    def range(self):
        body = self.read("GetObject (range)", self.key(), self.s3.get_object, Range="bytes=0-0")
        if body is not None and len(body) != 1:
            raise Wrong(f"a range of one byte has {len(body)}")

    def list(self):
        answer = self.ask("ListObjectsV2", self.s3.list_objects_v2)
        listed = {entry["Key"] for entry in answer.get("Contents", [])}
        for key, known in self.known.items():
            if known is not UNKNOWN and (known is not None) != (key in listed):
                raise Wrong(f"ListObjectsV2: {key} is {'not ' if known else ''}listed")
