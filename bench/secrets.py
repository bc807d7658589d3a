"""Measures `nodeagent secrets get` against the official Python client, both against one workspace on loopback.

Whole processes are measured, from their start to their end, in turns. Prints a table in Markdown.
Run by scripts/bench-secrets, in the environment that scripts/clients makes.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

AGENT, HOST, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
ENV = {
    "PATH": os.environ["PATH"],
    "HOME": tempfile.mkdtemp(),
    "DATABRICKS_HOST": HOST,
    "DATABRICKS_TOKEN": "token-of-eve",  # may manage the scope `family`
}
OFFICIAL = """
import base64, sys
from databricks.sdk import WorkspaceClient
answer = WorkspaceClient().secrets.get_secret("family", "analytics-read-only")
sys.stdout.buffer.write(base64.b64decode(answer.value))
"""


def whole(command, expected=None):
    """Seconds that a command takes as a whole process; what it prints is checked."""
    began = time.perf_counter()
    done = subprocess.run(command, env=ENV, capture_output=True, check=True)
    took = time.perf_counter() - began
    assert expected is None or done.stdout == expected, done
    return took


def call(path, body):
    request = urllib.request.Request(
        HOST + path, json.dumps(body).encode(), {"Authorization": "Bearer " + ENV["DATABRICKS_TOKEN"]}
    )
    urllib.request.urlopen(request).read()


def profile(count):
    """A profile with this many secrets of the scope."""
    path = os.path.join(ENV["HOME"], f"of-{count}.toml")
    with open(path, "w") as file:
        file.write('schema = 1\nname = "bench"\n[secrets]\nsource = "databricks"\nscope = "family"\n')
        for number in range(count):
            file.write(f'[[secrets.items]]\nkey = "key-{number}"\nto = {{ file = "key-{number}" }}\n')
    return path


for number in range(200):
    call("/api/2.0/secrets/put", {"scope": "family", "key": f"key-{number}", "string_value": f"value {number}"})

expected = b"family: read only"
get = [AGENT, "secrets", "get", "analytics-read-only", "--scope", "family"]
official = [sys.executable, "-c", OFFICIAL]
plan = [[AGENT, "plan", "--profile", profile(count), "--json"] for count in (1, 200)]
ours, theirs, one, many = [], [], [], []
whole(get), whole(official)  # files are in the page cache for both
for _ in range(ROUNDS):
    ours.append(whole(get, expected))
    theirs.append(whole(official, expected))
    one.append(whole(plan[0]))
    many.append(whole(plan[1]))


def row(values):
    return f"{statistics.median(values) * 1000:.1f} ms ({min(values) * 1000:.1f} to {max(values) * 1000:.1f})"


a, b, c, d = map(statistics.median, (ours, theirs, one, many))


def verdict(met):
    return "met" if met else "missed"


print("| what | time | ratio | bar | verdict |")
print("| --- | --- | --- | --- | --- |")
print(f"| `nodeagent secrets get`, whole process | {row(ours)} | | at most 30 ms | {verdict(a <= 0.030)} |")
print(f"| the official Python client, whole process | {row(theirs)} | {b / a:.0f} × as long | at least 20 × | {verdict(b / a >= 20)} |")
print(f"| a plan with 1 secret | {row(one)} | | | |")
print(f"| a plan with 200 secrets of a scope | {row(many)} | {d / c:.1f} × as long | at most 10 × | {verdict(d / c <= 10)} |")
