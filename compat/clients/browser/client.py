"""A page of one origin that uses a bucket of another, in headless Chromium. Started by `run`.

The page gets presigned URLs, as a web application hands them out. A browser asks first whether it may
send a PUT (the preflight), and shows the script of an answer only what the answer's headers allow.
"""

import http.server
import json
import queue
import subprocess
import sys
import tempfile
import threading
import uuid

import boto3
from botocore.config import Config

ENDPOINT, KEY, SECRET, BROWSER = sys.argv[1:]
BUCKET = f"browser-{uuid.uuid4().hex[:20]}"
PATIENCE_SECONDS = 120

PAGE = """<!doctype html><script>
const urls = URLS, said = {};
const tell = () => fetch('/said', {method: 'POST', body: JSON.stringify(said)});
(async () => {
  const put = await fetch(urls.put, {method: 'PUT', body: 'from a browser', headers: {'x-amz-meta-colour': 'blue'}});
  said.put = put.status;
  said.etag = put.headers.get('etag');
  const get = await fetch(urls.get);
  said.get = await get.text();
  said.hidden = get.headers.get('x-amz-request-id');
  said.missing = (await fetch(urls.missing)).status;
  const form = new FormData();
  for (const [name, value] of Object.entries(urls.form.fields)) form.append(name, value);
  form.append('file', new Blob(['from a form']), 'a ü.txt');
  said.form = (await fetch(urls.form.url, {method: 'POST', body: form})).status;
  said.denied = await fetch(urls.remove, {method: 'DELETE'}).then(() => 'went through', () => 'denied');
})().catch(error => { said.error = String(error); }).then(tell);
</script>"""

s3 = boto3.client(
    "s3", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
    config=Config(
        signature_version="s3v4", s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
    ),
)


def main():
    s3.create_bucket(Bucket=BUCKET)
    said = queue.Queue()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(said))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    rule = {
        "AllowedOrigins": [origin], "AllowedMethods": ["GET", "PUT", "POST"],
        "AllowedHeaders": ["x-amz-meta-*", "content-type"], "ExposeHeaders": ["ETag"],
    }
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    with tempfile.TemporaryDirectory() as profile:
        browser = subprocess.Popen(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--no-first-run",
             "--disable-background-networking", f"{origin}/"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            found = said.get(timeout=PATIENCE_SECONDS)
        finally:
            browser.terminate()
            browser.wait()
    check(found)
    for key in ("page", "form/a ü.txt"):
        s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_bucket(Bucket=BUCKET)
    print("all as it should be")


def check(found):
    stored = s3.get_object(Bucket=BUCKET, Key="page")
    wanted = {
        "put": 200, "etag": stored["ETag"], "get": "from a browser", "hidden": None, "missing": 404,
        "form": 204, "denied": "denied",
    }
    assert found == wanted, f"not {wanted} but {found}"
    assert stored["Metadata"] == {"colour": "blue"}, stored["Metadata"]
    form = s3.get_object(Bucket=BUCKET, Key="form/a ü.txt")["Body"].read()
    assert form == b"from a form", form


def urls():
    def url(operation, **parameters):
        return s3.generate_presigned_url(operation, Params={"Bucket": BUCKET, **parameters}, ExpiresIn=600)

    return {
        "put": url("put_object", Key="page", Metadata={"colour": "blue"}),
        "get": url("get_object", Key="page"),
        "missing": url("get_object", Key="missing"),
        "remove": url("delete_object", Key="page"),
        "form": s3.generate_presigned_post(BUCKET, "form/${filename}"),
    }


def handler(said):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = PAGE.replace("URLS", json.dumps(urls())) if self.path == "/" else ""
            self.answer(200 if page else 404, page.encode())

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(200, b"")
            said.put(json.loads(body))

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


main()
