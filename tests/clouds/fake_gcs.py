"""Google Cloud Storage on loopback for tests/clouds/buckets.rs, and the official client that checks it.

    fake_gcs.py serve PORT FOLDER     starts without a bucket. FOLDER/account.json is a service account with all rights,
                                      FOLDER/stranger.json has an unknown key. Has a metadata service, too
    fake_gcs.py create BUCKET
    fake_gcs.py list BUCKET           each object's name and the SHA-256 of its bytes, as JSON
    fake_gcs.py put BUCKET NAME       writes standard input
    fake_gcs.py agree                 the official client checks what the XML and the JSON interface share

nodeagent uses the XML interface of the service, the official client uses JSON. Both see the same objects, generations and
preconditions. The official client uses the account in GOOGLE_APPLICATION_CREDENTIALS at GOOGLE_BASE_URL. The server verifies signatures
of accounts: on bearer tokens (nodeagent), and on assertions that are exchanged for a token (the official client). No official client
uses XML. What only XML has (parts of an object, codes of errors) follows the documentation of the service.
"""

import base64
import email.utils
import hashlib
import itertools
import json
import os
import re
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree as tree
from xml.sax.saxutils import escape

import fake_http

EMAIL = "tools@lawfirm.iam.gserviceaccount.com"
AUDIENCE = "https://oauth2.googleapis.com/token"
TOKEN = "marker-of-a-token-of-the-machine"
# A few objects make several pages.
PAGE = 2
SMALLEST_PART = 5 << 20


class Refused(Exception):
    def __init__(self, status, code):
        self.status, self.code = status, code


class Object:
    numbers = itertools.count(1_700_000_000_000_001)

    def __init__(self, content):
        self.content, self.generation, self.time = content, next(Object.numbers), time.time()
        self.md5 = hashlib.md5(content)
        self.etag = f'"{self.md5.hexdigest()}"'
        self.date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.time))

    def headers(self):
        return {"etag": self.etag, "x-goog-generation": str(self.generation), "content-type": "application/octet-stream",
                "last-modified": email.utils.formatdate(self.time, usegmt=True),
                "x-goog-hash": "md5=" + base64.b64encode(self.md5.digest()).decode()}


class Storage:
    def __init__(self, key):
        self.lock, self.buckets, self.uploads, self.tokens = threading.RLock(), {}, {}, {TOKEN}
        self.key, self.numbers = key, itertools.count(1)

    def verify(self, text):
        """The claims of a token that the account has signed."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256
        decode = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        try:
            signed, _, signature = text.rpartition(".")
            header, claims = (json.loads(decode(part)) for part in signed.split("."))
            self.key.verify(decode(signature), signed.encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return None
        sound = header["alg"] == "RS256" and claims["iss"] == EMAIL and claims["iat"] - 60 < time.time() < claims["exp"]
        return claims if sound else None

    def bucket(self, name):
        if name not in self.buckets:
            raise Refused(404, "NoSuchBucket")
        return self.buckets[name]

    def found(self, bucket, name):
        if name not in self.bucket(bucket):
            raise Refused(404, "NoSuchKey")
        return self.bucket(bucket)[name]

    def write(self, bucket, name, content, match):
        """`match` is the expected generation; 0 means no object."""
        objects = self.bucket(bucket)
        if match is not None and int(match) != (objects[name].generation if name in objects else 0):
            raise Refused(412, "PreconditionFailed")
        objects[name] = Object(content)
        return objects[name]

    def page(self, bucket, prefix, after):
        names = sorted(name for name in self.bucket(bucket) if name.startswith(prefix) and name > after)
        return [(name, self.buckets[bucket][name]) for name in names[:PAGE]], names[PAGE - 1] if len(names) > PAGE else None


class Handler(fake_http.Handler):
    def handle_any(self):
        self.body = self.request_body()
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        parts = [urllib.parse.unquote(part) for part in url.path.strip("/").split("/")]
        is_json = parts[0] in ("storage", "upload", "download")
        try:
            if url.path == "/token":
                return self.exchange()
            if parts[0] == "computeMetadata":
                return self.metadata()
            self.authorize()
            with self.server.storage.lock:
                if is_json:
                    return self.in_json(parts)
                self.bucket(parts[0]) if len(parts) == 1 else self.object(parts[0], "/".join(parts[1:]))
        except Refused as refused:
            if is_json:
                return self.respond_json(refused.status, {"error": {"code": refused.status, "message": refused.code}})
            self.answer_xml(refused.status, f"<Error><Code>{refused.code}</Code><Message>It is refused.</Message></Error>")

    def answer_xml(self, status, text, headers=None):
        text = f"<?xml version='1.0' encoding='UTF-8'?>{text}"
        self.respond(status, text.encode(), {"content-type": "application/xml; charset=UTF-8", **(headers or {})})

    # Authentication.

    def exchange(self):
        claims = self.server.storage.verify(dict(urllib.parse.parse_qsl(self.body.decode())).get("assertion", ""))
        if not claims or claims["aud"] != AUDIENCE:
            return self.respond_json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        token = f"exchanged-{next(self.server.storage.numbers)}"
        self.server.storage.tokens.add(token)
        self.respond_json(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def metadata(self):
        if self.headers.get("metadata-flavor") != "Google":
            raise Refused(403, "Forbidden")
        self.respond_json(200, {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def authorize(self):
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer in self.server.storage.tokens:
            return
        claims = self.server.storage.verify(bearer)
        if not claims or "devstorage" not in claims.get("scope", "") and "cloud-platform" not in claims.get("scope", ""):
            raise Refused(401, "AuthenticationRequired")

    # XML.

    def bucket(self, name):
        if self.command != "GET" or self.query.get("list-type") != "2":
            raise Refused(400, "InvalidArgument")
        after = self.query.get("continuation-token") or self.query.get("start-after", "")
        page, token = self.server.storage.page(name, self.query.get("prefix", ""), after)
        listed = "".join(
            f"<Contents><Key>{escape(key)}</Key><Generation>{found.generation}</Generation><Size>{len(found.content)}</Size>"
            f"<LastModified>{found.date}</LastModified><ETag>{escape(found.etag)}</ETag></Contents>"
            for key, found in page)
        following = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
        self.answer_xml(200, f"<ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'><Name>{name}</Name>{listed}"
                             f"<IsTruncated>{str(bool(token)).lower()}</IsTruncated>{following}</ListBucketResult>")

    def object(self, bucket, name):
        storage, upload = self.server.storage, self.query.get("uploadId")
        storage.bucket(bucket)
        if self.command == "POST" and "uploads" in self.query:
            upload = f"upload-{next(storage.numbers)}"
            storage.uploads[upload] = {}
            return self.answer_xml(200, f"<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{escape(name)}</Key>"
                                        f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")
        if upload:
            if upload not in storage.uploads:
                raise Refused(404, "NoSuchUpload")
            return self.part(bucket, name, upload)
        if self.command == "PUT":
            written = storage.write(bucket, name, self.body, self.headers.get("x-goog-if-generation-match"))
            return self.respond(200, headers=written.headers())
        found = storage.found(bucket, name)
        if self.command == "DELETE":
            del storage.buckets[bucket][name]
            return self.respond(204)
        self.content(found)

    def part(self, bucket, name, upload):
        parts = self.server.storage.uploads[upload]
        if self.command == "PUT":
            parts[int(self.query["partNumber"])] = self.body
            return self.respond(200, headers={"etag": f'"{hashlib.md5(self.body).hexdigest()}"'})
        del self.server.storage.uploads[upload]
        if self.command == "DELETE":
            return self.respond(204)
        named = [(int(part.findtext("PartNumber")), part.findtext("ETag")) for part in tree.fromstring(self.body)]
        if any(f'"{hashlib.md5(parts.get(number, b"")).hexdigest()}"' != etag for number, etag in named):
            raise Refused(400, "InvalidPart")
        whole = [parts[number] for number, _ in named]
        if any(len(part) < SMALLEST_PART for part in whole[:-1]):
            raise Refused(400, "EntityTooSmall")
        written = self.server.storage.write(bucket, name, b"".join(whole), None)
        self.answer_xml(200, f"<CompleteMultipartUploadResult><Bucket>{bucket}</Bucket><ETag>{escape(written.etag)}</ETag>"
                             f"</CompleteMultipartUploadResult>", {"x-goog-generation": str(written.generation)})

    def content(self, found):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if self.command == "HEAD" or not wanted:
            return self.respond(200, found.content, found.headers())
        first, last = int(wanted[1]), min(int(wanted[2] or len(found.content)), len(found.content) - 1)
        if first >= len(found.content):
            raise Refused(416, "InvalidRange")
        headers = {**found.headers(), "content-range": f"bytes {first}-{last}/{len(found.content)}"}
        self.respond(206, found.content[first:last + 1], headers)

    # JSON.

    def in_json(self, parts):
        storage, parts = self.server.storage, parts[parts.index("v1") + 2:]
        about = lambda bucket, name, found: {
            "kind": "storage#object", "bucket": bucket, "name": name, "size": str(len(found.content)), "updated": found.date,
            "generation": str(found.generation), "md5Hash": base64.b64encode(found.md5.digest()).decode()}
        if not parts:
            name = json.loads(self.body)["name"]
            storage.buckets[name] = {}
            return self.respond_json(200, {"kind": "storage#bucket", "name": name})
        bucket, name = parts[0], "/".join(parts[2:])
        if self.command == "POST":
            boundary = re.search(r'boundary="?([^";]+)', self.headers["content-type"])[1].encode()
            pieces = [piece.split(b"\r\n\r\n", 1)[1] for piece in self.body.split(b"--" + boundary)[1:-1]]
            name, content = json.loads(pieces[0])["name"], pieces[1].removesuffix(b"\r\n")
            written = storage.write(bucket, name, content, self.query.get("ifGenerationMatch"))
            return self.respond_json(200, about(bucket, name, written))
        if not name:
            page, token = storage.page(bucket, self.query.get("prefix", ""), self.query.get("pageToken", ""))
            listed = {"kind": "storage#objects", "items": [about(bucket, *found) for found in page]}
            return self.respond_json(200, {**listed, **({"nextPageToken": token} if token else {})})
        found = storage.found(bucket, name)
        if self.command == "DELETE":
            del storage.buckets[bucket][name]
            return self.respond(204)
        self.content(found) if self.query.get("alt") == "media" else self.respond_json(200, about(bucket, name, found))


def serve(port, folder):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    keys = {}
    for name in ("account", "stranger"):
        keys[name] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = keys[name].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        account = {"type": "service_account", "project_id": "lawfirm", "private_key_id": "1", "private_key": pem.decode(),
                   "client_email": EMAIL, "token_uri": f"http://127.0.0.1:{port}/token"}
        with open(os.path.join(folder, f"{name}.json"), "w") as file:
            json.dump(account, file)
    fake_http.Server(Handler, port, storage=Storage(keys["account"].public_key())).serve_forever()


def client(file=None):
    from google.cloud import storage
    options = {"api_endpoint": os.environ["GOOGLE_BASE_URL"]}
    return storage.Client.from_service_account_json(file or os.environ["GOOGLE_APPLICATION_CREDENTIALS"], client_options=options)


def create(bucket):
    client().create_bucket(bucket)


def listing(bucket):
    digest = lambda blob: hashlib.sha256(blob.download_as_bytes(checksum="md5")).hexdigest()
    print(json.dumps({blob.name: digest(blob) for blob in client().list_blobs(bucket)}))


def put(bucket, name):
    client().bucket(bucket).blob(name).upload_from_string(sys.stdin.buffer.read(), content_type="application/octet-stream")


def refused(kind, work):
    try:
        work()
    except kind as error:
        return type(error).__name__
    raise AssertionError("it was not refused")


def agree():
    from google.api_core import exceptions
    from google.auth.exceptions import RefreshError
    google = client()
    nowhere = refused(exceptions.NotFound, lambda: google.bucket("agreed").blob("a").upload_from_string("a"))
    bucket = google.create_bucket("agreed")
    blob = bucket.blob("with space/ü+1")
    blob.upload_from_string("one", if_generation_match=0)
    first = blob.generation
    there = refused(exceptions.PreconditionFailed, lambda: blob.upload_from_string("two", if_generation_match=0))
    blob.upload_from_string("two", if_generation_match=first)
    stale = refused(exceptions.PreconditionFailed, lambda: blob.upload_from_string("three", if_generation_match=first))
    content = os.urandom(300_000)
    bucket.blob("large").upload_from_string(content)
    bucket.blob("empty").upload_from_string(b"")
    assert bucket.blob("large").download_as_bytes(checksum="md5") == content and bucket.get_blob("empty").size == 0
    assert blob.download_as_bytes(start=1, end=1, checksum=None) == b"w"
    assert [found.name for found in bucket.list_blobs()] == ["empty", "large", "with space/ü+1"], "in pages"
    assert [found.name for found in bucket.list_blobs(prefix="with ")] == ["with space/ü+1"]
    blob.delete()
    gone = refused(exceptions.NotFound, blob.delete)
    file = os.path.join(os.path.dirname(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]), "stranger.json")
    stranger = refused(RefreshError, lambda: client(file).bucket("agreed").blob("b").upload_from_string("b"))
    print(json.dumps({"nowhere": nowhere, "there": there, "stale": stale, "gone": gone, "stranger": stranger}))


if __name__ == "__main__":
    {"serve": serve, "create": create, "list": listing, "put": put, "agree": agree}[sys.argv[1]](*sys.argv[2:])
