"""Checks the workspace on loopback with the official client: every call with every login, values and classes of errors.

Prints one line for each check, `ok LOGIN: WHAT` or `FAILED LOGIN: WHAT: WHY`. Usage: contract.py http://127.0.0.1:PORT
"""

import base64
import json
import sys
import urllib.request

from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.core import Config
from databricks.sdk.environments import AzureEnvironment, Cloud, DatabricksEnvironment
from databricks.sdk.service import workspace as ws

HOST = sys.argv[1]
APPLICATION = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
TENANT = "eeeeeeee-0000-4000-8000-000000000001"
FAMILY = "11111111-0000-4000-8000-00000000fa01"
ADMIN = "55555555-0000-4000-8000-00000000ad01"
VOLUME = "/Volumes/lawfirms/platform/filestore"
SHARED = "/Workspace/Shared/filestore"


def admin(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(HOST + path, data, {"content-type": "application/json"}, method=method)
    return json.load(urllib.request.urlopen(request))


def azure(client_id, secret):
    # The second address is the name of a resource and gets no requests.
    local = AzureEnvironment("L", "https://management.core.windows.net/", HOST + "/arm/", HOST + "/")
    environment = DatabricksEnvironment(Cloud.AZURE, ".azuredatabricks.net", APPLICATION, local)
    return WorkspaceClient(config=Config(
        host=HOST, databricks_environment=environment, azure_client_id=client_id, azure_client_secret=secret,
        auth_type="azure-client-secret",
    ))


LOGINS = {
    "pat": lambda unit, client: WorkspaceClient(host=HOST, token=f"token-of-{unit}"),
    "oauth-m2m": lambda unit, client: WorkspaceClient(
        host=HOST, client_id=client, client_secret=f"client-secret-of-{unit}"),
    "azure-client-secret": lambda unit, client: azure(client, f"azure-secret-of-{unit}"),
}


class Checks:
    def __init__(self, login):
        self.login = login

    def that(self, what, work, expected):
        try:
            found = work()
            why = None if found == expected else f"{found!r} is not {expected!r}"
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        self.say(what, why)

    def refused(self, what, work, kind, words):
        try:
            why = f"{work()!r} was answered"
        except Exception as error:
            fits = type(error) is kind and words in str(error)
            why = None if fits else f"{type(error).__name__}: {error}"
        self.say(what, why)

    def say(self, what, why):
        line = f"ok {self.login}: {what}" if why is None else f"FAILED {self.login}: {what}: {why}"
        print(line.replace("\n", " "), flush=True)


def reading(check, me):
    check.that("auth type", lambda: me.config.auth_type, check.login)
    check.that("Me: name", lambda: me.current_user.me().user_name, FAMILY)
    check.that("Me: groups", lambda: [(g.display, g.type) for g in me.current_user.me().groups],
               [("LawFirms-Prod-Databricks-Family-Analyst", "direct"), ("LawFirms-Prod-Databricks-Everyone", "indirect")])
    check.that("workspace id by header", me.get_workspace_id, 1234567890123456)
    check.that("groups, paged", lambda: len({g.display_name for g in me.groups.list(count=3)}), 11)
    check.that("groups, by filter", lambda: [g.display_name for g in me.groups.list(filter='displayName eq "admins"')],
               ["admins"])
    check.that("secret", lambda: base64.b64decode(me.secrets.get_secret("family", "analytics-read-only").value),
               b"family: read only")
    check.that("secret, bytes", lambda: base64.b64decode(me.secrets.get_secret("family", "certificate").value),
               b"\x00\x01\x02\x03\xff\xfe")
    check.that("secret, name in other case", lambda: me.secrets.get_secret("family", "GIT-token").key, "git-token")
    check.that("keys", lambda: [s.key for s in me.secrets.list_secrets("family")],
               ["analytics-read-only", "analytics-read-write", "certificate", "git-token", "index-password"])
    check.that("scopes and backends", lambda: [(s.name, s.backend_type.value) for s in me.secrets.list_scopes()], [
        ("admin", "DATABRICKS"), ("consumer", "DATABRICKS"), ("criminal", "DATABRICKS"), ("family", "DATABRICKS"),
        ("people", "AZURE_KEYVAULT")])
    check.that("scope's vault",
               lambda: [s.keyvault_metadata.dns_name for s in me.secrets.list_scopes() if s.keyvault_metadata],
               ["https://lawfirms-people.vault.azure.net/"])
    check.refused("another's secret", lambda: me.secrets.get_secret("criminal", "git-token"), errors.PermissionDenied,
                  f"{FAMILY} does not have READ permission on scope criminal")
    check.refused("another's keys", lambda: list(me.secrets.list_secrets("criminal")), errors.PermissionDenied, "READ")
    check.refused("no such scope", lambda: me.secrets.get_secret("nowhere", "x"), errors.ResourceDoesNotExist,
                  "Scope nowhere does not exist!")
    check.refused("no such key", lambda: me.secrets.get_secret("family", "x"), errors.ResourceDoesNotExist,
                  "Secret does not exist with scope: family and key: x")
    check.refused("ACLs without MANAGE", lambda: list(me.secrets.list_acls("family")), errors.PermissionDenied, "MANAGE")
    check.refused("put without WRITE", lambda: me.secrets.put_secret("family", "x", string_value="v"),
                  errors.PermissionDenied, "WRITE")


def files(check, me):
    large = "/FileStore/Admin/lib/python/large.bin"
    bash = b"PS1='lawfirms \\w \\$ '\n"
    check.that("DBFS status", lambda: me.dbfs.get_status(large).file_size, 3500000)
    check.that("DBFS status of a folder", lambda: me.dbfs.get_status("/FileStore").is_dir, True)
    check.that("DBFS list", lambda: [f.path for f in me.dbfs.list("/FileStore/Family")],
               ["/FileStore/Family/init_scripts", "/FileStore/Family/lib"])
    check.that("DBFS whole, by pages", lambda: len(me.dbfs.download(large).read()), 3500000)
    check.that("DBFS page in the middle",
               lambda: base64.b64decode(me.dbfs.read(large, offset=1048576, length=64).data)
               == me.dbfs.download(large).read()[1048576:1048640], True)
    check.that("DBFS behind the end", lambda: me.dbfs.read(large, offset=3500000).bytes_read, 0)
    check.refused("DBFS page too large", lambda: me.dbfs.read(large, length=1048577), errors.BadRequest, "maximum read")
    check.refused("DBFS negative offset", lambda: me.dbfs.read(large, offset=-1), errors.InvalidParameterValue, "negative")
    check.refused("DBFS read of a folder", lambda: me.dbfs.read("/FileStore"), errors.InvalidParameterValue, "directory")
    check.refused("DBFS no such file", lambda: me.dbfs.get_status("/nowhere"), errors.ResourceDoesNotExist, "/nowhere")
    check.refused("Volumes through DBFS", lambda: me.dbfs.get_status("/Volumes/x"), errors.PermissionDenied,
                  "No operations allowed on this path.")
    check.that("Volume file", lambda: me.files.download(f"{VOLUME}/Admin/init_scripts/bashPrompt.sh").contents.read(), bash)
    check.that("Volume file's metadata",
               lambda: me.files.get_metadata(f"{VOLUME}/Admin/lib/python/large.bin").content_length, 20000000)
    check.that("Volume large file", lambda: len(me.files.download(f"{VOLUME}/Admin/lib/python/large.bin").contents.read()),
               20000000)
    check.that("Volume folder", lambda: [(f.name, f.is_directory) for f in me.files.list_directory_contents(f"{VOLUME}/Family")],
               [("init_scripts", True), ("lib", True)])
    check.that("Volume folder, paged", lambda: len(list(me.files.list_directory_contents(VOLUME, page_size=2))), 5)
    check.refused("Volume no such file", lambda: me.files.download(f"{VOLUME}/Admin/x"), errors.NotFound, "not found")
    check.refused("Volume closed tree", lambda: me.files.download(f"{VOLUME}/Criminal/init_scripts/criminal.toml"),
                  errors.PermissionDenied, "READ VOLUME")
    check.that("workspace export, as it is",
               lambda: me.workspace.download(f"{SHARED}/Admin/init_scripts/bashPrompt.sh", format=ws.ExportFormat.AUTO).read(), bash)
    check.that("workspace export, base64",
               lambda: base64.b64decode(me.workspace.export(f"{SHARED}/Admin/init_scripts/bashPrompt.sh").content), bash)
    check.that("workspace list", lambda: [(o.path, o.object_type.value) for o in me.workspace.list(f"{SHARED}/Family")],
               [("/Shared/filestore/Family/init_scripts", "DIRECTORY"), ("/Shared/filestore/Family/lib", "DIRECTORY")])
    check.that("workspace status", lambda: me.workspace.get_status(f"{SHARED}/Family/lib/vimrc").size, 11)
    check.refused("workspace no such file", lambda: me.workspace.export(f"{SHARED}/x"), errors.ResourceDoesNotExist, "doesn't exist")
    check.refused("workspace closed tree", lambda: me.workspace.export(f"{SHARED}/Criminal/init_scripts/criminal.toml"),
                  errors.PermissionDenied, "View permissions")


def writing(check, boss):
    name = f"made-by-{check.login}"
    check.that("scope create", lambda: boss.secrets.create_scope(name), None)
    check.refused("scope create again", lambda: boss.secrets.create_scope(name), errors.ResourceAlreadyExists, "already exists")
    check.refused("scope's name", lambda: boss.secrets.create_scope("a b"), errors.InvalidParameterValue, "alphanumeric")
    check.that("put text", lambda: boss.secrets.put_secret(name, "text", string_value="grüße\n"), None)
    check.that("text back", lambda: base64.b64decode(boss.secrets.get_secret(name, "text").value).decode(), "grüße\n")
    raw = bytes(range(256)) * 512
    check.that("put 128 KB of bytes",
               lambda: boss.secrets.put_secret(name, "raw", bytes_value=base64.b64encode(raw).decode()), None)
    check.that("bytes back", lambda: base64.b64decode(boss.secrets.get_secret(name, "raw").value) == raw, True)
    check.refused("put more than 128 KB", lambda: boss.secrets.put_secret(name, "x", string_value="x" * 131073),
                  errors.InvalidParameterValue, "larger")
    check.refused("put a bad name", lambda: boss.secrets.put_secret(name, "a/b", string_value="v"),
                  errors.InvalidParameterValue, "alphanumeric")
    check.refused("put nothing", lambda: boss.secrets.put_secret(name, "x"), errors.BadRequest, "Exactly one")
    check.that("secret delete", lambda: boss.secrets.delete_secret(name, "text"), None)
    check.refused("secret delete again", lambda: boss.secrets.delete_secret(name, "text"), errors.ResourceDoesNotExist, "text")
    check.that("ACL put", lambda: boss.secrets.put_acl(name, "users", ws.AclPermission.READ), None)
    check.that("ACL get", lambda: boss.secrets.get_acl(name, "users").permission, ws.AclPermission.READ)
    check.that("ACL list", lambda: [(a.principal, a.permission.value) for a in boss.secrets.list_acls(name)],
               [(ADMIN, "MANAGE"), ("users", "READ")])
    check.that("ACL lets others in",
               lambda: len(list(LOGINS[check.login]("family", FAMILY).secrets.list_secrets(name))), 1)
    check.that("ACL delete", lambda: boss.secrets.delete_acl(name, "users"), None)
    check.refused("ACL is gone", lambda: boss.secrets.get_acl(name, "users"), errors.ResourceDoesNotExist, "No ACL")
    check.that("scope delete", lambda: boss.secrets.delete_scope(name), None)
    check.that("a vault's secret", lambda: base64.b64decode(boss.secrets.get_secret("people", "git-token").value), b"people: git")
    check.refused("put to a vault", lambda: boss.secrets.put_secret("people", "x", string_value="v"), errors.BadRequest, "KeyVault")
    check.refused("a name no vault has", lambda: boss.secrets.get_secret("people", "a_b"), errors.InvalidParameterValue, "invalid name")
    for reason, words in [("policy", "does not have secrets get permission"), ("firewall", "not a trusted service")]:
        admin("POST", "/_vault", {"scope": "people", "refuses": reason})
        check.refused(f"vault refuses by {reason}", lambda: boss.secrets.get_secret("people", "git-token"),
                      errors.PermissionDenied, words)
    admin("POST", "/_vault", {"scope": "people", "refuses": None})


def faults(check, me):
    def meets(kind, **more):
        admin("POST", "/_faults", {"path": "/api/2.0/secrets/list", "kind": kind, **more})

    keys = lambda: len(list(me.secrets.list_secrets("family")))
    meets("limited", retry_after="1")
    check.that("429 with Retry-After is waited for", keys, 5)
    meets("overloaded")
    check.that("503 without Retry-After is waited for", keys, 5)
    meets("integer-code")
    check.refused("an integer error code", keys, errors.PermissionDenied, "Invalid access token.")
    meets("html", status=500)
    check.refused("an error page", keys, errors.InternalError, "upstream: no route")
    meets("text")
    check.refused("an error as text", keys, errors.InternalError, "the service ended unexpectedly")
    meets("error", status=400, error_code="BAD_REQUEST", message="not outside a notebook")
    check.refused("a coded error", keys, errors.BadRequest, "not outside a notebook")



for login, connect in LOGINS.items():
    check = Checks(login)
    me = connect("family", FAMILY)
    reading(check, me)
    files(check, me)
    writing(check, connect("admin", ADMIN))
    faults(check, me)
    names = {entry["headers"].get("authorization") for entry in admin("DELETE", "/_log")}
    resource = {"pat": "pat", "oauth-m2m": "workspace", "azure-client-secret": APPLICATION}[login]
    check.that("the log knows who asked, and no token", lambda: f"Bearer {resource} of {FAMILY}" in names, True)

Checks("pat").refused("a wrong credential", lambda: WorkspaceClient(host=HOST, token="x").current_user.me(),
                      errors.PermissionDenied, "Invalid access token.")
Checks("oauth-m2m").refused(
    "a wrong credential", lambda: WorkspaceClient(host=HOST, client_id=FAMILY, client_secret="x").current_user.me(),
    ValueError, "Client authentication failed")
Checks("azure-client-secret").refused("a wrong credential", lambda: azure(FAMILY, "x").current_user.me(), ValueError, "7000215")
