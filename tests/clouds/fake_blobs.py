"""Azure's blob storage on loopback for tests/clouds/buckets.rs, and the official client that checks it.

    fake_blobs.py serve PORT FOLDER     an account with no container, and the metadata service of a machine that may use it
    fake_blobs.py create CONTAINER
    fake_blobs.py list CONTAINER        each blob's name and the SHA-256 of its bytes, as JSON
    fake_blobs.py put CONTAINER NAME    writes standard input
    fake_blobs.py sas CONTAINER RIGHTS  prints a shared access signature for these rights: r, w, d, l
    fake_blobs.py agree                 the official client makes every request of nodeagent

AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY and AZURE_STORAGE_ENDPOINT are the account. The server computes the signature
of each request by itself and refuses a request with another signature.
"""

import base64
import datetime
import email.utils
import hashlib
import hmac
import http.client
import itertools
import json
import os
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree as tree
from xml.sax.saxutils import escape

import fake_http

ACCOUNT, KEY = os.environ["AZURE_STORAGE_ACCOUNT_NAME"], os.environ["AZURE_STORAGE_ACCOUNT_KEY"]
ENDPOINT = os.environ["AZURE_STORAGE_ENDPOINT"]
SIGNED = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date", "if-modified-since",
          "if-match", "if-none-match", "if-unmodified-since", "range")
TOKEN = "marker-of-a-token-of-the-machine"
MESSAGES = {"AuthenticationFailed": "Server failed to authenticate the request. Make sure the value of Authorization header is "
                                    "formed correctly including the signature."}
# A few blobs make several pages.
PAGE = 2


class Refused(Exception):
    def __init__(self, status, code, detail=""):
        self.status, self.code, self.detail = status, code, detail


class Blob:
    numbers = itertools.count(0x8DD0000000001)

    def __init__(self, content):
        self.content, self.etag = content, f"0x{next(Blob.numbers):X}"
        self.modified = email.utils.formatdate(usegmt=True)


class Request:
    def __init__(self, method, target, headers, body=b"", is_inner=False):
        self.is_inner, self.method, self.body = is_inner, method, body
        self.headers = {name.lower(): value for name, value in headers}
        url = urllib.parse.urlsplit(target)
        pairs = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        self.path, self.query = url.path, {name.lower(): value for name, value in pairs}
        # As the official client does on loopback: the account is the start of the path instead of a part of the host.
        self.container, _, self.blob = urllib.parse.unquote(url.path).removeprefix(f"/{ACCOUNT}/").partition("/")


def signature(text):
    return base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()


def authorize(request):
    """Refuses a request without the key of the account, a shared access signature, or the token of the machine."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if not scheme and "sig" in request.query:
        return check_access_signature(request)
    if "x-ms-version" not in request.headers and not request.is_inner:
        raise Refused(400, "MissingRequiredHeader")
    if scheme == "Bearer":
        if shown != TOKEN:
            raise Refused(401, "InvalidAuthenticationInfo")
        return
    if scheme != "SharedKey":
        raise Refused(401, "NoAuthenticationInformation")
    signed = dict(request.headers)
    date = signed.get("x-ms-date") or signed.get("date") or "Thu, 01 Jan 1970 00:00:00 GMT"
    if abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time()) > 900:
        raise Refused(403, "AuthenticationFailed", "The Date header is not within 15 minutes")
    if signed.get("content-length") == "0":
        del signed["content-length"]
    if "x-ms-date" in signed:
        signed.pop("date", None)
    own = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed) if name.startswith("x-ms-"))
    resource = f"/{ACCOUNT}{request.path}" + "".join(f"\n{name}:{request.query[name]}" for name in sorted(request.query))
    text = "\n".join([request.method, *(signed.get(name, "") for name in SIGNED), own + resource])
    if not hmac.compare_digest(shown, f"{ACCOUNT}:{signature(text)}"):
        raise Refused(403, "AuthenticationFailed", f"The MAC signature found in the HTTP request '{shown}' is not the same as any "
                      f"computed signature. Server used following string to sign: '{text}'.")


def check_access_signature(request):
    shown = request.query
    fields = [shown.get(name, "") for name in ("sp", "st", "se")] + [f"/blob/{ACCOUNT}/{request.container}"]
    more = ("si", "sip", "spr", "sv", "sr", "snapshot", "ses", "rscc", "rscd", "rsce", "rscl", "rsct")
    fields += [shown.get(name, "") for name in more]
    if not hmac.compare_digest(shown["sig"], signature("\n".join(fields))) or shown["sr"] != "c":
        raise Refused(403, "AuthenticationFailed", "Signature did not match.")
    if datetime.datetime.fromisoformat(shown["se"].replace("Z", "+00:00")) < datetime.datetime.now(datetime.timezone.utc):
        raise Refused(403, "AuthenticationFailed", "Signed expiry is in the past.")
    needed = {"PUT": "w", "DELETE": "d"}.get(request.method, "l" if shown.get("comp") == "list" else "r")
    # The requests in a batch are checked one by one.
    if needed not in shown["sp"] and shown.get("comp") != "batch":
        raise Refused(403, "AuthorizationPermissionMismatch")


class Account:
    """A response is a status, headers and content."""

    def __init__(self):
        self.lock, self.containers, self.blocks = threading.RLock(), {}, {}

    def answer(self, request):
        try:
            if request.path == "/metadata/identity/oauth2/token":
                return self.identity(request)
            authorize(request)
            with self.lock:
                return self.of_blob(request) if request.blob else self.of_container(request)
        except Refused as refused:
            message = MESSAGES.get(refused.code, refused.code)
            detail = f"<AuthenticationErrorDetail>{escape(refused.detail)}</AuthenticationErrorDetail>" if refused.detail else ""
            text = (f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{refused.code}</Code><Message>{message}\n'
                    f"RequestId:1\nTime:2026-11-21T00:00:00.0000000Z</Message>{detail}</Error>")
            return refused.status, {"content-type": "application/xml", "x-ms-error-code": refused.code}, text.encode()

    def identity(self, request):
        if request.headers.get("metadata") != "true" or request.query.get("resource") != "https://storage.azure.com":
            raise Refused(400, "invalid_request")
        token = {"access_token": TOKEN, "expires_on": str(int(time.time()) + 3600), "resource": "https://storage.azure.com",
                 "token_type": "Bearer"}
        return 200, {"content-type": "application/json"}, json.dumps(token).encode()

    def blobs(self, request):
        if request.container not in self.containers:
            raise Refused(404, "ContainerNotFound")
        return self.containers[request.container]

    def of_container(self, request):
        kind = (request.method, request.query.get("restype"), request.query.get("comp"))
        if kind == ("PUT", "container", None):
            if request.container in self.containers:
                raise Refused(409, "ContainerAlreadyExists")
            self.containers[request.container] = {}
            return 201, {"etag": '"0x1"', "last-modified": email.utils.formatdate(usegmt=True)}, b""
        if kind == ("GET", "container", "list"):
            return self.listing(request)
        if kind == ("POST", "container", "batch"):
            return self.batch(request)
        raise Refused(400, "InvalidQueryParameterValue")

    def listing(self, request):
        blobs, prefix = self.blobs(request), request.query.get("prefix", "")
        names = sorted(name for name in blobs if name.startswith(prefix) and name >= request.query.get("marker", ""))
        page, rest = names[:PAGE], names[PAGE:]
        listed = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{blobs[name].modified}</Last-Modified>"
            f"<Etag>{blobs[name].etag}</Etag><Content-Length>{len(blobs[name].content)}</Content-Length>"
            f"<Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name in page)
        text = (f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="{ENDPOINT}" '
                f'ContainerName="{request.container}"><Prefix>{escape(prefix)}</Prefix><Blobs>{listed}</Blobs>'
                f"<NextMarker>{escape(rest[0]) if rest else ''}</NextMarker></EnumerationResults>")
        return 200, {"content-type": "application/xml"}, text.encode()

    def batch(self, request):
        """Several requests in one, each with its own authorization."""
        self.blobs(request)
        boundary = request.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        answers = []
        for part in request.body.split(b"--" + boundary)[1:-1]:
            head, inner = (text.strip().decode() for text in part.split(b"\r\n\r\n", 1))
            number = head.lower().partition("content-id:")[2].split()[0]
            line, *fields = inner.split("\r\n")
            method, target, _ = line.split(" ")
            fields = (field.split(": ", 1) for field in fields)
            status, headers, _ = self.answer(Request(method, target, fields, is_inner=True))
            words = http.client.responses[status], "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            answers.append(f"--batchresponse_1\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
                           f"HTTP/1.1 {status} {words[0]}\r\n{words[1]}x-ms-request-id: 1\r\n\r\n\r\n")
        text = "".join(answers) + "--batchresponse_1--"
        return 202, {"content-type": "multipart/mixed; boundary=batchresponse_1"}, text.encode()

    def of_blob(self, request):
        blobs, name, match = self.blobs(request), request.blob, request.headers.get("if-match")
        found = blobs.get(name)
        if request.method == "PUT":
            return self.write(request, blobs, found)
        if found is None:
            raise Refused(404, "BlobNotFound")
        if match not in (None, "*", f'"{found.etag}"'):
            raise Refused(412, "ConditionNotMet")
        if request.method == "DELETE":
            del blobs[name]
            return 202, {}, b""
        headers = {"etag": f'"{found.etag}"', "last-modified": found.modified, "content-type": "application/octet-stream",
                   "x-ms-blob-type": "BlockBlob", "accept-ranges": "bytes"}
        wanted = request.headers.get("x-ms-range") or request.headers.get("range")
        if request.method == "HEAD" or not wanted:
            return 200, headers, found.content
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        first, last = int(first), min(int(last or len(found.content)), len(found.content) - 1)
        if first >= len(found.content):
            raise Refused(416, "InvalidRange")
        headers["content-range"] = f"bytes {first}-{last}/{len(found.content)}"
        return 206, headers, found.content[first:last + 1]

    def write(self, request, blobs, found):
        place, comp, match = (request.container, request.blob), request.query.get("comp"), request.headers.get("if-match")
        if comp == "block":
            self.blocks.setdefault(place, {})[request.query["blockid"]] = request.body
            return 201, {}, b""
        if match and (not found or match not in ("*", f'"{found.etag}"')):
            raise Refused(412, "ConditionNotMet")
        if found and request.headers.get("if-none-match") == "*":
            raise Refused(409, "BlobAlreadyExists")
        if comp == "blocklist":
            sent = self.blocks.pop(place, {})
            wanted = [block.text for block in tree.fromstring(request.body)]
            if not all(block in sent for block in wanted):
                raise Refused(400, "InvalidBlockList")
            content = b"".join(sent[block] for block in wanted)
        elif request.headers.get("x-ms-blob-type") == "BlockBlob":
            content = request.body
        else:
            raise Refused(400, "MissingRequiredHeader")
        written = blobs[request.blob] = Blob(content)
        return 201, {"etag": f'"{written.etag}"', "last-modified": written.modified}, b""


class Handler(fake_http.Handler):
    def handle_any(self):
        request = Request(self.command, self.path, self.headers.items(), self.request_body())
        status, headers, content = self.server.account.answer(request)
        self.respond(status, content, {"x-ms-request-id": "1", "x-ms-version": "2023-11-03", **headers})


def serve(port, _folder):
    fake_http.Server(Handler, port, account=Account()).serve_forever()


def client(container, credential=None, **options):
    from azure.storage.blob import ContainerClient
    credential = credential or {"account_name": ACCOUNT, "account_key": KEY}
    return ContainerClient(ENDPOINT, container, credential=credential, retry_total=0, **options)


def create(container):
    client(container).create_container()


def listing(container):
    tools = client(container)
    digest = lambda name: hashlib.sha256(tools.download_blob(name).readall()).hexdigest()
    print(json.dumps({name: digest(name) for name in tools.list_blob_names()}))


def put(container, name):
    client(container).upload_blob(name, sys.stdin.buffer.read(), overwrite=True)


def sas(container, rights):
    from azure.storage.blob import generate_container_sas
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    print(generate_container_sas(ACCOUNT, container, account_key=KEY, permission=rights, expiry=until))


def refused(kind, work):
    try:
        work()
    except kind as error:
        return error.error_code
    raise AssertionError("it was not refused")


def agree():
    from azure.core import MatchConditions, exceptions
    tools = client("agreed")
    nowhere = refused(exceptions.ResourceNotFoundError, lambda: tools.upload_blob("a", b"a"))
    tools.create_container()
    blob = tools.get_blob_client("with space/ü+1")
    first = blob.upload_blob(b"one")["etag"]
    there = refused(exceptions.ResourceExistsError, lambda: blob.upload_blob(b"two"))
    unmodified = {"match_condition": MatchConditions.IfNotModified, "overwrite": True}
    blob.upload_blob(b"two", etag=first, **unmodified)
    stale = refused(exceptions.ResourceModifiedError, lambda: blob.upload_blob(b"three", etag=first, **unmodified))
    content = os.urandom(300_000)
    small = ("max_single_put_size", "max_block_size", "max_single_get_size", "max_chunk_get_size")
    in_blocks = client("agreed", **dict.fromkeys(small, 65536))
    in_blocks.upload_blob("large", content)
    in_blocks.upload_blob("empty", b"")
    assert in_blocks.download_blob("large").readall() == content and in_blocks.download_blob("empty").readall() == b""
    assert blob.download_blob(offset=1, length=1).readall() == b"w" and blob.get_blob_properties().size == 3
    assert list(tools.list_blob_names()) == ["empty", "large", "with space/ü+1"], "in pages"
    assert list(tools.list_blob_names(name_starts_with="with ")) == ["with space/ü+1"]
    deleted = tools.delete_blobs("empty", "large", "absent", raise_on_any_failure=False)
    assert [answer.status_code for answer in deleted] == [202, 202, 404]
    blob.delete_blob()
    assert list(tools.list_blob_names()) == []
    gone = refused(exceptions.ResourceNotFoundError, blob.delete_blob)
    wrong = {"account_name": ACCOUNT, "account_key": base64.b64encode(b"another key").decode()}
    stranger = refused(exceptions.ClientAuthenticationError, lambda: client("agreed", wrong).upload_blob("b", b"b"))
    print(json.dumps({"nowhere": nowhere, "there": there, "stale": stale, "gone": gone, "stranger": stranger}))


if __name__ == "__main__":
    {"serve": serve, "create": create, "list": listing, "put": put, "sas": sas, "agree": agree}[sys.argv[1]](*sys.argv[2:])
