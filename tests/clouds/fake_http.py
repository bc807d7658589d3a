"""The HTTP server of all Python test servers: persistent connections, no delay, no log."""

import http.server
import json


class Settings:
    """For a handler of the standard library. Its own settings add 40 ms to each response."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def request_body(self):
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def respond(self, status, content=b"", headers=None):
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def respond_json(self, status, value, headers=None):
        self.respond(status, json.dumps(value).encode(), {"content-type": "application/json", **(headers or {})})


class Handler(Settings, http.server.BaseHTTPRequestHandler):
    """Sends every method to `handle_any`."""

    def handle_any(self):
        raise NotImplementedError

    def do_GET(self):
        self.handle_any()

    do_HEAD = do_PUT = do_DELETE = do_POST = do_GET


class Server(http.server.ThreadingHTTPServer):
    """Serves one handler on a port of loopback. The handler finds the other arguments as attributes of `self.server`."""

    def __init__(self, handler, port, address="127.0.0.1", **attributes):
        super().__init__((address, int(port)), handler)
        self.__dict__.update(attributes)
