"""A server that answers as a deployed model does, with one token."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Endpoint(ThreadingHTTPServer):
    """Lists one model and completes any chat with one token; every request is noted."""

    daemon_threads = True

    def __init__(self, model: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.model = model
        self.completes = True
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Answer(BaseHTTPRequestHandler):
    server: Endpoint  # pyright: ignore[reportIncompatibleVariableOverride]  # it is ours

    def do_GET(self) -> None:
        self._give(200, {"data": [{"id": self.server.model}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._give(200 if self.server.completes else 500, {"choices": [{"message": {"content": "1"}}]})

    def _give(self, status: int, value: object) -> None:
        self.server.asked.append(self.path)
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name for it
        """Says nothing."""


@contextlib.contextmanager
def answering(model: str) -> Generator[Endpoint]:
    """An endpoint that answers while the block runs."""
    with Endpoint(model) as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()
