"""What the servers of these tests have in common: connections that are kept, answers at once, no log."""

import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The library's own ways cost 40 ms an answer.
    wbufsize = 65536
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def sent(self):
        """The body of the request."""
        return self.rfile.read(int(self.headers.get("content-length", 0)))
