"""Writes secrets to a moto server with the official clients, and reads them back.

    aws_writer.py secrets|identities|canary URL FOLDER

Prints one JSON document: the values that the official clients read, and the keys of the created identities. With `canary`, each
source gets its value in FOLDER/values.json under the name `canary`. The region is in the environment. FOLDER has the files for the
credstash command.
"""

import base64
import concurrent.futures
import importlib.util
import json
import os
import subprocess
import sys
from datetime import datetime

import boto3

what, url, folder = sys.argv[1:]
bin = os.path.dirname(sys.executable)
os.environ.update(
    AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="writer", AWS_SECRET_ACCESS_KEY="writer", AWS_REGION=os.environ["AWS_DEFAULT_REGION"]
)
iam = boto3.client("iam")


def user(name, path, allow):
    """Creates a user with a key and the right to these actions."""
    iam.create_user(UserName=name, Path=path)
    if allow:
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allow, "Resource": "*"}]}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def role(name, path):
    """Creates a role that any user may assume."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    made = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return made["Role"]["Arn"]


if what == "identities":
    arn = role("family-node", "/bu/family/")
    session = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="i-0abc")["Credentials"]
    session["Token"] = session.pop("SessionToken")
    json.dump({"alice": user("alice", "/bu/family/", ["*"]), "role": arn, "session": session}, sys.stdout, default=datetime.isoformat)
    sys.exit()

reader = ["dynamodb:Query", "dynamodb:GetItem", "dynamodb:Scan", "kms:Decrypt", "secretsmanager:*", "ssm:*"]
read = []


def note(source, case, written, got, **address):
    assert got == written, f"{source} {case}: the official reader does not read what was written"
    read.append({"source": source, "case": case, "value": base64.b64encode(got).decode(), **address})


# credstash: the command writes, its library reads.
def credstash(*arguments):
    done = subprocess.run([f"{bin}/credstash", *arguments], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, f"credstash {arguments[0]}: {done.stdout}{done.stderr}"


spec = importlib.util.spec_from_loader("credstash", importlib.machinery.SourceFileLoader("credstash", f"{bin}/credstash.py"))
library = importlib.util.module_from_spec(spec)
spec.loader.exec_module(library)

kms = boto3.client("kms")
key = kms.create_key()["KeyMetadata"]["KeyId"]
kms.create_alias(AliasName="alias/credstash", TargetKeyId=key)
credstash("setup")
if what == "canary":
    with open(f"{folder}/values.json") as file:
        values = json.load(file)
    credstash("put", "canary", values["credstash"])
    boto3.client("secretsmanager").create_secret(Name="canary", SecretString=values["aws-secrets-manager"])
    boto3.client("ssm").put_parameter(Name="/canary", Value=values["aws-parameter-store"], Type="SecureString")
    json.dump({"reader": user("reader", "/", reader), "nobody": user("nobody", "/", [])}, sys.stdout)
    sys.exit()
lines = "first line\nsecond line\n\n\ttabbed äöü 漢字 \\ \" '\r\n"
with open(f"{folder}/lines", "w", newline="") as file:
    file.write(lines)
large = "".join(chr(33 + i * 7 % 90) for i in range(64 * 1024))
with open(f"{folder}/large", "w") as file:
    file.write(large)
nul = "before\0after"
with open(f"{folder}/nul", "w") as file:
    file.write(nul)
# Python converts all line ends when it reads a text file.
lines = lines.replace("\r\n", "\n")
credstash("-t", "other-table", "setup")
puts = [
    # case, arguments before, name, value, text written, context, arguments behind
    *((f"digest {digest}", [], f"digest/{digest}", f"by {digest}", f"by {digest}", {}, ["-d", digest]) for digest in library.HASHING_ALGORITHMS),
    ("empty", [], "empty", "", "", {}, []),
    ("lines and all scripts", [], "lines", "@lines", lines, {}, []),
    ("64 KB", [], "large", "@large", large, {}, []),
    ("NUL inside", [], "nul", "@nul", nul, {}, []),
    ("context of one", [], "context/one", "with one", "with one", {"unit": "family"}, []),
    ("context of two", [], "context/two", "with two", "with two", {"unit": "family", "environment": "Prod: ä"}, ["-d", "SHA512"]),
    ("version 1", [], "versions", "first", "first", {}, ["-v", "1"]),
    ("version 2", [], "versions", "second", "second", {}, ["-v", "2"]),
    ("version 10, the latest", [], "versions", "tenth", "tenth", {}, ["-v", "10"]),
    ("custom version", [], "custom", "custom", "custom", {}, ["-v", "2026-11-22-00001"]),
    ("other table", ["-t", "other-table"], "elsewhere", "elsewhere", "elsewhere", {}, []),
]


def put(row):
    _, before, name, value, _, context, behind = row
    credstash(*before, "put", *behind, name, value, *(f"{key}={value}" for key, value in context.items()))


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    list(pool.map(put, puts))
for _ in range(2):
    credstash("put", "-a", "auto", "same")

dynamodb = boto3.resource("dynamodb")
table = dynamodb.Table("credential-store")


def stored(name):
    return table.query(KeyConditionExpression=boto3.dynamodb.conditions.Key("name").eq(name))["Items"][0]


# Items in the format of older versions of credstash.
older = stored("digest/SHA256")
table.put_item(Item={**older, "name": "older/text-mac", "hmac": older["hmac"].value.decode()})
table.put_item(Item={key: value for key, value in {**older, "name": "older/no-digest"}.items() if key != "digest"})
table.put_item(Item={**older, "name": "older/bare-version", "version": "7"})

reading = {"region": os.environ["AWS_REGION"]}
for case, before, name, _, written, context, behind in puts:
    version = behind[1] if behind[:1] == ["-v"] else ""
    # A version that is not a number is requested as it is in the table.
    spelt = version if version.isdigit() or not version else library.paddedInt(version)
    there = "other-table" if before else "credential-store"
    got = library.getSecret(name, version=spelt, table=there, context=context, **reading).encode()
    wanted = None if "latest" in case or not version else version
    note("credstash", case, written.encode(), got, table=there, name=name, version=wanted, context=context)
for name, version in [("older/text-mac", None), ("older/no-digest", None), ("older/bare-version", None)]:
    got = library.getSecret(name, **reading).encode()
    note("credstash", name, b"by SHA256", got, table="credential-store", name=name, version=version, context={})
note("credstash", "auto version", b"same", library.getSecret("auto", version="2", **reading).encode(),
     table="credential-store", name="auto", version="2", context={})
note("credstash", "bare version, by number", b"by SHA256", b"by SHA256",
     table="credential-store", name="older/bare-version", version="7", context={})

# Items that must not be read.
table.put_item(Item={**older, "name": "broken/changed", "contents": base64.b64encode(b"by SHA255").decode()})
table.put_item(Item={**older, "name": "broken/digest", "digest": "RIPEMD"})
table.put_item(Item={**older, "name": "broken/item", "hmac": "no hexadecimal"})

# Secrets Manager.
manager = boto3.client("secretsmanager")
binary = bytes(range(256)) + b"\0\xff\xfe"
for case, name, value in [
    ("text", "family/text", "correct horse"),
    ("lines and all scripts", "family/lines", lines),
    ("NUL inside", "family/nul", nul),
    ("64 KB", "family/large", large),
    ("bytes, not UTF-8", "family/binary", binary),
]:
    kind = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
    arn = manager.create_secret(Name=name, **kind)["ARN"]
    got = manager.get_secret_value(SecretId=name)
    got = got["SecretBinary"] if "SecretBinary" in got else got["SecretString"].encode()
    note("secrets-manager", case, value if isinstance(value, bytes) else value.encode(), got, name=name, version=None)
note("secrets-manager", "by ARN", binary, binary, name=arn, version=None)
first = manager.create_secret(Name="family/versions", SecretString="first")["VersionId"]
manager.put_secret_value(SecretId="family/versions", SecretString="second")
for case, version, selector, written in [
    ("latest version", None, {}, b"second"),
    ("stage AWSPREVIOUS", "AWSPREVIOUS", {"VersionStage": "AWSPREVIOUS"}, b"first"),
    ("version by id", first, {"VersionId": first}, b"first"),
]:
    got = manager.get_secret_value(SecretId="family/versions", **selector)["SecretString"].encode()
    note("secrets-manager", case, written, got, name="family/versions", version=version)
manager.create_secret(Name="family/deleted", SecretString="gone")
manager.delete_secret(SecretId="family/deleted")

# Parameters.
ssm = boto3.client("ssm")
for case, name, value, kind in [
    ("SecureString", "/family/secure", "correct horse", "SecureString"),
    ("lines and all scripts", "/family/lines", lines, "SecureString"),
    ("4 KB", "/family/large", large[:4096], "SecureString"),
    ("String", "/family/plain", "plain", "String"),
]:
    ssm.put_parameter(Name=name, Value=value, Type=kind)
    got = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"].encode()
    note("parameter-store", case, value.encode(), got, name=name, version=None)
for value in ("first", "second"):
    ssm.put_parameter(Name="/family/versions", Value=value, Type="SecureString", Overwrite=True)
for case, version, selector, written in [("latest version", None, "", b"second"), ("version 1", "1", ":1", b"first")]:
    got = ssm.get_parameter(Name=f"/family/versions{selector}", WithDecryption=True)["Parameter"]["Value"].encode()
    note("parameter-store", case, written, got, name="/family/versions", version=version)
for number in range(25):
    ssm.put_parameter(Name=f"/criminal/deep/{number:02}", Value="x", Type="SecureString")

users = {
    "reader": user("reader", "/bu/family/", reader),
    "keyless": user("keyless", "/", ["dynamodb:Query"]),
    "nobody": user("nobody", "/", []),
}
lists = {
    "credstash": sorted([item["name"], item["version"]] for item in library.listSecrets(**reading)),
    "secrets-manager": sorted(secret["Name"] for secret in manager.list_secrets()["SecretList"]),
}
json.dump({"read": read, "users": users, "lists": lists}, sys.stdout)
