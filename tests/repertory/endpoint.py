"""An OpenAI-compatible endpoint on this machine that lists its models and takes one key."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@contextmanager
def endpoint(models: list[str], *, key: str = "", status: int = 200) -> Generator[str]:
    """Its address, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            refused = bool(key) and self.headers["Authorization"] != f"Bearer {key}"
            self.send_response(401 if refused else status)
            self.end_headers()
            self.wfile.write(json.dumps({"data": [{"id": model} for model in models]}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class has
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
