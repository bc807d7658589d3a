"""Azure on loopback for tests/clouds/azure.rs, and the official clients that check it.

    fake_azure.py certify FOLDER             writes an authority and a certificate for this machine: FOLDER/ca.pem, FOLDER/server.pem
    fake_azure.py serve FOLDER TLS PLAIN OTHER   sign-in, metadata service, App Service and a vault on two ports, with TLS and
                                        without; no token may be sent to the port OTHER. FOLDER/log has each request.
                                        Ports are on 127.0.0.1 unless given as ADDRESS:PORT
    fake_azure.py write VAULT                the official client writes the secrets in JSON on standard input
    fake_azure.py read VAULT                 the official client reads all secrets
    fake_azure.py whoami                     the identity that the official DefaultAzureCredential finds in its environment
"""

import base64
import itertools
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import fake_http

VAULT = "https://vault.azure.net"


def token(resource, tenant, client, number, seconds=3600):
    claims = {"aud": resource, "tid": tenant, "oid": f"object-of-{client}", "appid": client, "n": number,
              "exp": int(time.time()) + seconds}
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    return f"{part({'alg': 'none'})}.{part(claims)}.hunter2"


def claims(text):
    middle = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


class Azure:
    """The state of all listeners."""

    def __init__(self, folder, other):
        self.lock = threading.Lock()
        self.log = open(os.path.join(folder, "log"), "a", buffering=1)
        self.other = other
        self.numbers = itertools.count(1)
        self.secrets = {name: [(f"{1:032x}", f"value of {name}")] for name in ("analytics", "token", "x")}
        self.seen = {}

    def times(self, what):
        """The number of earlier calls with the same argument."""
        with self.lock:
            self.seen[what] = self.seen.get(what, 0) + 1
            return self.seen[what] - 1


class Handler(fake_http.Handler):
    def handle_any(self):
        body = self.request_body().decode()
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        azure = self.server.azure
        headers = {name.lower(): value for name, value in self.headers.items()}
        azure.log.write(json.dumps({"port": self.server.label, "method": self.command, "path": url.path, "query": query,
                                    "headers": headers, "body": body}) + "\n")
        if self.server.label == "other":
            return self.answer(200, {})
        parts = [urllib.parse.unquote(part) for part in url.path.strip("/").split("/")]
        if url.path.endswith("/.well-known/openid-configuration"):
            base = f"https://{headers['host']}/{parts[0]}"
            return self.answer(200, {"token_endpoint": f"{base}/oauth2/v2.0/token", "issuer": f"{base}/v2.0",
                                     "authorization_endpoint": f"{base}/oauth2/v2.0/authorize"})
        if url.path.endswith("/oauth2/v2.0/token"):
            return self.entra(parts[0], dict(urllib.parse.parse_qsl(body)))
        if url.path == "/metadata/identity/oauth2/token":
            return self.metadata(query, headers)
        if url.path == "/msi/token":
            return self.app_service(query, headers)
        if parts[0] == "secrets":
            return self.vault(parts[1:], query, headers, body)
        return self.answer(404, {})

    def answer(self, status, value, **headers):
        headers = {name.replace("_", "-"): content for name, content in headers.items()}
        if isinstance(value, bytes):
            self.respond(status, value, {"content-type": "text/html", **headers})
        else:
            self.respond_json(status, value, headers)

    def entra(self, tenant, form):
        azure = self.server.azure
        client = form["client_id"]
        def refuse(status, error, code, text):
            description = f"AADSTS{code}: {text} Trace ID: 1 Correlation ID: 2 Timestamp: 2026-11-21 00:00:00Z"
            self.answer(status, {"error": error, "error_description": description, "error_codes": [code],
                                 "error_uri": "https://login.microsoftonline.com/error"})
        if tenant == "nowhere":
            return refuse(400, "invalid_request", 90002, "Tenant 'nowhere' not found. Check to make sure.")
        if client == "html":
            return self.answer(200, b"<html>the proxy wants a login</html>")
        if client == "redirected":
            return self.answer(307, {}, location=f"http://127.0.0.1:{azure.other}/token")
        if client == "busy" and azure.times("entra busy") < 2:
            return self.answer(429, {"error": "temporarily_unavailable"}, retry_after="0")
        if client == "slow":
            time.sleep(0.3)
        if form["grant_type"] != "client_credentials" or not form["scope"].endswith("/.default"):
            return refuse(400, "invalid_request", 900144, "The request body must contain other parameters.")
        if "client_assertion" in form:
            if form["client_assertion"] != "token-of-the-cluster":
                return refuse(401, "invalid_client", 700213, "No matching federated identity record found for presented "
                              "assertion subject 'x'. Check your federated credential.")
        elif form.get("client_secret") != "secret-of-the-application":
            return refuse(401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent "
                          "in the request is the client secret value.")
        resource = form["scope"].removesuffix("/.default").rstrip("/")
        text = token(resource, tenant, client, next(azure.numbers))
        self.answer(200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": text})

    def metadata(self, query, headers):
        azure = self.server.azure
        client = query.get("client_id", "machine")
        if headers.get("metadata") != "true":
            return self.answer(400, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
        if client == "absent":
            return self.answer(400, {"error": "invalid_request", "error_description": "Identity not found"})
        if client == "updating" and azure.times("updating") == 0:
            return self.answer(410, {})
        if client == "busy" and azure.times("metadata busy") < 1:
            return self.answer(429, {"error": "too many"})
        # "early": by the wrong clock of the node, the token has expired.
        seconds = {"short": 8, "early": -3600}.get(client, 3600)
        text = token(query["resource"].rstrip("/"), "tenant-of-machine", client, next(azure.numbers), seconds)
        self.answer(200, {"access_token": text, "expires_in": str(seconds), "expires_on": str(int(time.time()) + seconds),
                          "resource": query["resource"], "token_type": "Bearer", "client_id": client})

    def app_service(self, query, headers):
        if headers.get("x-identity-header") != "header-of-app-service":
            return self.answer(401, {"statusCode": 401, "message": "unauthorized"})
        text = token(query["resource"].rstrip("/"), "tenant-of-app", query.get("client_id", "app"), next(self.server.azure.numbers))
        self.answer(200, {"access_token": text, "expires_on": str(int(time.time()) + 3600), "resource": query["resource"],
                          "token_type": "Bearer", "client_id": "app"})

    def refuse(self, status, code, text, inner=None, **headers):
        error = {"code": code, "message": text}
        if inner:
            error["innererror"] = {"code": inner}
        self.answer(status, {"error": error}, **headers)

    def vault(self, parts, query, headers, body):
        azure = self.server.azure
        name = parts[0] if parts else ""
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        resource = "https://evil.example.org" if name == "elsewhere" else VAULT
        challenge = f'Bearer authorization="https://login.microsoftonline.com/tenant", resource="{resource}"'
        if not bearer:
            if name == "unchallenged":
                return self.answer(200, b"{}")
            return self.refuse(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.", www_authenticate=challenge)
        shown = claims(bearer)
        if shown["aud"] != VAULT:
            return self.refuse(401, "Unauthorized", "AKV10022: Invalid audience.", www_authenticate=challenge)
        if name == "foreign":
            return self.refuse(401, "Unauthorized", "AKV10032: Invalid issuer. Expected one of a, found b.", www_authenticate=challenge)
        if name == "revoked":
            first = azure.seen.setdefault("revoked", shown["n"])
            if shown["n"] == first:
                return self.refuse(401, "Unauthorized", "AKV10046: the token has expired.", www_authenticate=challenge)
        inner = {"rbac": "ForbiddenByRbac", "policy": "ForbiddenByPolicy", "firewall": "ForbiddenByFirewall", "disabled": "SecretDisabled"}
        if name in inner:
            return self.refuse(403, "Forbidden", f"Caller is not authorized.\r\nCaller: appid={shown['appid']}", inner[name])
        if name == "throttled" or name == "busy" and azure.times("vault busy") < 1:
            return self.refuse(429, "Throttled", "The request was not processed.", retry_after="3600" if name == "throttled" else "0")
        if name == "redirected":
            return self.answer(302, {}, location=f"http://127.0.0.1:{azure.other}/secrets/redirected")
        if name == "html":
            return self.answer(200, b"<html>the proxy wants a login</html>")
        if name == "endless":
            return self.answer(200, {"value": "x" * (2 << 20)})
        base = f"{self.server.scheme}://{headers['host']}"
        if self.command == "PUT":
            with azure.lock:
                versions = azure.secrets.setdefault(name, [])
                versions.append((f"{len(versions) + 1:032x}", json.loads(body)["value"]))
        elif not parts:
            return self.listing(base, headers, query)
        # These secrets exist only after their faults, so they are not in the list.
        beyond = [("1", f"value of {name}")] if name in ("busy", "revoked") else []
        versions = azure.secrets.get(name, beyond)
        wanted = [v for v in versions if len(parts) < 2 or not parts[1] or v[0] == parts[1]]
        if not wanted:
            return self.refuse(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        version, value = wanted[-1]
        self.answer(200, {"value": value, "id": f"{base}/secrets/{name}/{version}",
                          "attributes": {"enabled": True, "created": 1, "updated": 1, "recoveryLevel": "Recoverable"}})

    def listing(self, base, headers, query):
        names = sorted(self.server.azure.secrets)
        skip = int(query.get("$skiptoken", 0))
        page = [{"id": f"{base}/secrets/{name}", "attributes": {"enabled": True}} for name in names[skip:skip + 2]]
        follow = f"{base}/secrets?api-version=7.4&$skiptoken={skip + 2}" if skip + 2 < len(names) else None
        if headers["host"].startswith("localhost"):
            # Under its other name, the vault links to another server.
            follow = f"http://127.0.0.1:{self.server.azure.other}/secrets?$skiptoken=2"
        self.answer(200, {"value": page, "nextLink": follow})


def serve(folder, tls, plain, other):
    azure = Azure(folder, int(other.rpartition(":")[2]))
    for label, port in (("plain", plain), ("other", other), ("tls", tls)):
        address, _, number = port.rpartition(":")
        server = fake_http.Server(Handler, number, address or "127.0.0.1", azure=azure, label=label, scheme="http")
        if label == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(folder, "server.pem"))
            server.socket, server.scheme = context.wrap_socket(server.socket, server_side=True), "https"
        # The port with TLS is the last one, because the test waits for it.
        threading.Thread(target=server.serve_forever).start()


def certify(folder):
    path = lambda name: os.path.join(folder, name)
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", path("ca.key"), "-out", path("ca.pem"), "-days", "2", "-subj", "/CN=Authority of a test")
    openssl("req", *key, "-keyout", path("server.key"), "-out", path("server.csr"), "-subj", "/CN=127.0.0.1")
    with open(path("names"), "w") as names:
        names.write("subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:*.vault.azure.net,DNS:login.microsoftonline.com\n")
    openssl("x509", "-req", "-in", path("server.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial",
            "-days", "2", "-extfile", path("names"), "-out", path("server.crt"))
    with open(path("server.pem"), "w") as whole:
        whole.write(open(path("server.key")).read() + open(path("server.crt")).read())


def credential():
    from azure.identity import DefaultAzureCredential
    return DefaultAzureCredential(disable_instance_discovery=True, connection_verify=os.environ["SSL_CERT_FILE"])


def client(vault):
    from azure.keyvault.secrets import SecretClient
    own = vault.startswith("https://127.0.0.1")
    return SecretClient(vault, credential(), verify_challenge_resource=not own, connection_verify=os.environ["SSL_CERT_FILE"])


def write(vault):
    secrets = client(vault)
    written = [[name, secrets.set_secret(name, value).properties.version] for name, value in json.load(sys.stdin)]
    print(json.dumps(written))


def read(vault):
    secrets = client(vault)
    print(json.dumps({found.name: secrets.get_secret(found.name).value for found in secrets.list_properties_of_secrets()}))


def whoami():
    print(json.dumps(claims(credential().get_token("https://management.azure.com/.default").token)))


if __name__ == "__main__":
    {"certify": certify, "serve": serve, "write": write, "read": read, "whoami": whoami}[sys.argv[1]](*sys.argv[2:])
