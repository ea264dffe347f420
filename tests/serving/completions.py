"""A server on this machine that gives the chat completions which a test hands it, and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Reply:
    """One answer of the server."""

    body: str
    status: int = 200
    kind: str = JSON
    is_cut: bool = False
    """Whether the connection breaks before the body is complete."""
    is_last: bool = False
    """Whether the server is gone before it is given: whoever asks next finds nobody."""
    is_late: bool = False
    """Whether nothing comes before the block ends."""


@dataclass
class Server:
    """What the server will answer, the last reply again and again, and what it was asked."""

    url: str
    port: int
    replies: list[Reply]
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def said(content: str, *, model: str = "m", usage: tuple[int, int] = (11, 7)) -> Reply:
    """A completion."""
    message = {"role": "assistant", "content": content}
    return Reply(
        json.dumps(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": model,
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)},
            }
        )
    )


def streamed(*pieces: str, is_cut: bool = False) -> Reply:
    """A completion in pieces, with the usage of `said` at its end."""
    chunk: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices: list[dict[str, Any]] = [{"index": 0, "delta": {"content": piece}} for piece in pieces]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    chunks: list[dict[str, Any]] = [{**chunk, "choices": [choice]} for choice in choices]
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    chunks.append({**chunk, "choices": [], "usage": usage})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return Reply("".join(lines[:1] if is_cut else [*lines, "data: [DONE]\n\n"]), kind=EVENTS, is_cut=is_cut)


def refusal(status: int, message: str) -> Reply:
    """An error in the form of OpenAI's servers."""
    return Reply(json.dumps({"error": {"message": message, "type": "error", "code": status}}), status=status)


@contextmanager
def completions(*replies: Reply, port: int = 0) -> Generator[Server]:
    """The server of a model `m`, for as long as the block runs; at any port, or at one where it was before."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"data": [{"id": "m"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            served.headers.append({name.lower(): value for name, value in self.headers.items()})
            served.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            reply = served.next()
            if reply.is_last:
                server.shutdown()
                server.server_close()
            if reply.is_late:
                is_over.wait()
                return
            body = reply.body.encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(body) + reply.is_cut))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class has
            pass

    is_over = Event()
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    served = Server(f"http://127.0.0.1:{server.server_port}/v1", server.server_port, list(replies))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()
