"""Prints the values in the files on the command line, each in many encodings, one encoding per line."""

import base64
import html
import json
import re
import shlex
import sys
import urllib.parse

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        value = file.read()
    text = value.decode("utf-8", "replace")
    basic = b"reader:" + value
    forms = [
        value,
        repr(value),
        repr(text),
        base64.b64encode(value),
        base64.b64encode(basic),
        base64.b64encode(b"u:" + value + b"@host"),
        base64.urlsafe_b64encode(value),
        base64.urlsafe_b64encode(b"x" + value).rstrip(b"="),
        base64.encodebytes(value),
        value.hex(),
        value.hex().upper(),
        urllib.parse.quote(value),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote_plus(value)),
        urllib.parse.urlencode({"password": value}),
        json.dumps({"value": text}),
        json.dumps({"value": text}, ensure_ascii=False),
        shlex.quote(text),
        html.escape(text),
        text,
    ]
    for form in forms:
        sys.stdout.buffer.write((form if isinstance(form, bytes) else form.encode()) + b"\n")
