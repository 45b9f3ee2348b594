"""A real HTTP server on this machine that can be told to misbehave."""

import contextlib
import http.server
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``server.files``; knows ranges, and the faults in ``server.faults``."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        span = self.headers.get("Range")
        self.server.asked.append((self.command, self.path, span))
        faults = self.server.faults.get(f"{self.command} {self.path}")
        fault, value = faults.pop(0) if faults else ("none", None)
        content = self.server.files.get(self.path)
        if content is None or fault == "code":
            self.send_error(value or 404)
            return
        start = self.send_head(content)
        if not body or start is None:
            return
        if fault == "meet":  # until as many requests are here at once
            value.wait(10)
        stop = start + value if fault in ("drop", "stall") else len(content)
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content[start:stop])
            if fault == "stall":
                self.wfile.flush()
                time.sleep(1)

    def send_head(self, content):
        """Return where the answer begins, None if the range cannot be served."""
        tag, size, start = self.server.tags.get(self.path), len(content), 0
        span = self.headers.get("Range")
        if span and self.path not in self.server.without_ranges:
            same = self.headers.get("If-Range", tag) == tag
            same = same or self.path in self.server.without_if_range
            start = int(span.removeprefix("bytes=").rstrip("-")) if same else 0
        if start >= size > 0:
            self.send_response(416)
            headers = {"Content-Range": f"bytes */{size}", "Content-Length": 0}
        else:
            self.send_response(206 if start else 200)
            headers = {"Content-Length": size - start}
            if start:
                headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if tag:
            headers["ETag"] = tag
        headers |= self.server.headers.get(self.path, {})
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        return start if start < size else None

    def log_message(self, *arguments):
        """Say nothing."""


@contextlib.contextmanager
def file_server():
    """Yield a server with ``url``, ``files``, ``tags``, ``faults`` and ``asked``.

    ``faults["GET /x"]`` is a list of what happens to the next requests: ("code", 503),
    ("drop", bytes) sends so many and ends, ("stall", bytes) sends them and falls
    silent, ("meet", barrier) waits for other requests, ("none", None) is an answer.
    ``headers["/x"]`` replaces headers of the answer.
    """
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.tags, server.faults = {}, {}, {}
        server.without_ranges, server.without_if_range = set(), set()
        server.headers, server.asked = {}, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
