"""Serves the files and git repositories of a folder to users that authenticate with Basic. Repositories are below /git/.

    behind_basic.py PORT FOLDER USERS      USERS is a file of `user:password` lines
"""

import base64
import http.server
import os
import subprocess
import sys

import fake_http

port, folder, users = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with open(users) as lines:
    allowed = {"Basic " + base64.b64encode(line.strip().encode()).decode() for line in lines}


class Handler(fake_http.Settings, http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=folder)

    def logged_in(self):
        if self.headers.get("Authorization") in allowed:
            return True
        # The body of a refused request would be taken for the next request.
        self.request_body()
        self.respond(401, headers={"www-authenticate": 'Basic realm="firm"'})
        return False

    def do_GET(self):
        if self.logged_in():
            self.git() if self.path.startswith("/git/") else super().do_GET()

    def do_HEAD(self):
        if self.logged_in():
            super().do_HEAD()

    def do_POST(self):
        if self.logged_in():
            self.git()

    def git(self):
        path, _, query = self.path.partition("?")
        body = self.request_body()
        env = dict(
            os.environ,
            GIT_PROJECT_ROOT=folder,
            GIT_HTTP_EXPORT_ALL="1",
            PATH_INFO=path,
            QUERY_STRING=query,
            REQUEST_METHOD=self.command,
            CONTENT_TYPE=self.headers.get("Content-Type", ""),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
            GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
            REMOTE_USER="reader",
        )
        out = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.respond(int(headers.pop("Status", "200").split()[0]), content, headers)


fake_http.Server(Handler, port).serve_forever()
