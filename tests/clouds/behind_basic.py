"""Files and git repositories of a folder, for those who log in (Basic) as one of the users in a file of `user:password`
lines. Repositories are below /git/. Usage: behind_basic.py PORT FOLDER USERS"""

import base64
import http.server
import os
import socketserver
import subprocess
import sys

port, folder, users = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with open(users) as lines:
    allowed = {"Basic " + base64.b64encode(line.strip().encode()).decode() for line in lines}


class Handler(http.server.SimpleHTTPRequestHandler):
    # The library's own ways cost 40 ms an answer.
    wbufsize = 65536
    disable_nagle_algorithm = True

    def __init__(self, *args):
        super().__init__(*args, directory=folder)

    def log_message(self, *args):
        pass

    def logged_in(self):
        if self.headers.get("Authorization") in allowed:
            return True
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="firm"')
        self.send_header("Content-Length", "0")
        self.end_headers()
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
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
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
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


Server(("127.0.0.1", port), Handler).serve_forever()
