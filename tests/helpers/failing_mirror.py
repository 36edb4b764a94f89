"""A mirror on this machine that fails on purpose."""

import http.server
import re
import threading
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """The mirror.

    `files` holds what is served, by path; `plan`, by path, what to do with one request after another: an answer's name,
    the last one for ever.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.plan, self.requests = {}, {}, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, *_):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append((self.path, wanted))
        plan = server.plan.get(self.path, ["good"])
        answer = plan.pop(0) if len(plan) > 1 else plan[0]
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        if isinstance(answer, int):
            self.send_error(answer)
            return
        if answer.startswith("redirect:"):
            self.send_response(302)
            self.send_header("Location", answer.removeprefix("redirect:"))
            self.end_headers()
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and answer != "no range" else 0
        if start > len(content):
            self.send_error(416)
            return
        body = content[start:]
        if answer == "wrong":
            body = bytes(len(body))
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if answer == "wrong range" else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if answer != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer == "drop" else body)
        self.close_connection = True


@contextmanager
def running():
    """Serve inside the block."""
    with Server() as mirror:
        thread = threading.Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield mirror
        finally:
            mirror.shutdown()
            thread.join()
