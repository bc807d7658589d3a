"""The identity that the official client finds in an environment, and secrets that it writes. JSON in, JSON out.

Usage: official_databricks.py who < [{"NAME": "VALUE", …}, …]      prints the identity for each set of variables, or the error
       official_databricks.py write HOST TOKEN SCOPE < {"KEY": "BASE64", …}
"""

import base64
import json
import os
import sys

from databricks.sdk import WorkspaceClient


def who(variables):
    os.environ.clear()
    os.environ.update(variables)
    try:
        client = WorkspaceClient()
        me = client.current_user.me()
    except Exception as error:
        return {"error": str(error)}
    groups = sorted(group.display for group in me.groups or [])
    return {"auth-type": client.config.auth_type, "user-name": me.user_name, "groups": groups}


def write(host, token, scope, values):
    client = WorkspaceClient(host=host, token=token)
    if scope not in [known.name for known in client.secrets.list_scopes()]:
        client.secrets.create_scope(scope)
    for key, value in values.items():
        client.secrets.put_secret(scope, key, bytes_value=value)
    for key, value in values.items():
        read = base64.b64decode(client.secrets.get_secret(scope, key).value)
        assert read == base64.b64decode(value), key
    return len(values)


told = json.load(sys.stdin)
answer = [who(variables) for variables in told] if sys.argv[1] == "who" else write(*sys.argv[2:], told)
json.dump(answer, sys.stdout)
