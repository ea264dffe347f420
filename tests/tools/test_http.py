"""The HTTP tools against a real server on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from autogen_core import CancellationToken

from runtime.errors import UsageError
from tools.execute import Surroundings
from tools.http import HttpAccess
from tools.outcome import ToolOutcome

SECRET = "Bearer sk-very-secret"
seen: list[tuple[str, str | None, str | None]] = []


class Answers(BaseHTTPRequestHandler):
    """Answers by path; /503 is a status, /echo shows what was sent."""

    def do_GET(self) -> None:
        seen.append((self.path, self.headers["Authorization"], None))
        self._answer({"path": self.path, "authorization": self.headers["Authorization"]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen.append((self.path, self.headers["Authorization"], self.headers["Idempotency-Key"]))
        self._answer(body)

    def _answer(self, value: Any) -> None:
        word = self.path.strip("/").split("?")[0]
        status = int(word) if word.isdigit() else 200
        body = b"plain words" if word == "text" else b"x" * 2000 if word == "large" else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if word == "text" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", "http://elsewhere.invalid/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def never(seconds: float) -> None:
    """Waits for nothing."""


async def ask(origin: str, which: int, **arguments: Any) -> ToolOutcome:
    access = HttpAccess(hosts=[origin], secret_headers={"Authorization": SECRET}, max_bytes=1000)
    single = access.tools()[which].within(Surroundings(sleep=never))
    return ToolOutcome.model_validate(await single.run_json(arguments, CancellationToken(), "call-7"))


async def test_json_is_fetched_with_the_secret_that_no_result_shows(origin: str) -> None:
    got = await ask(origin, 0, url=f"{origin}/echo", query={"q": "故宫"})
    assert got.value == {"status": 200, "body": {"path": "/echo?q=%E6%95%85%E5%AE%AB", "authorization": "***"}}
    assert seen[-1][1] == SECRET and "sk-very-secret" not in got.model_dump_json()
    assert "sk-very-secret" not in repr(HttpAccess(hosts=[], secret_headers={"Authorization": SECRET}))


async def test_text_is_text(origin: str) -> None:
    assert (await ask(origin, 0, url=f"{origin}/text")).value == {"status": 200, "body": "plain words"}


async def test_json_is_posted_with_the_calls_id_as_its_key(origin: str) -> None:
    got = await ask(origin, 1, url=f"{origin}/orders", body={"name": "票", "n": 2})
    assert got.value == {"status": 200, "body": {"name": "票", "n": 2}}
    assert seen[-1] == ("/orders", SECRET, "call-7")


@pytest.mark.parametrize(
    ("which", "path", "status", "code", "attempts"),
    [
        (0, "404", "failed", "not_found", 1),
        (0, "403", "failed", "failed", 1),
        (0, "302", "failed", "failed", 1),
        (0, "422", "retry", "invalid_arguments", 1),
        (0, "503", "failed", "unavailable", 4),
        (0, "large", "failed", "out_of_range", 1),
        (1, "429", "failed", "unavailable", 4),
        (1, "503", "failed", "failed", 1),
    ],
)
async def test_each_status_has_its_outcome(
    origin: str, which: int, path: str, status: str, code: str, attempts: int
) -> None:
    more: dict[str, Any] = {"body": {}} if which else {}
    got = await ask(origin, which, url=f"{origin}/{path}", **more)
    assert got.error is not None and (got.status, got.error.code, got.attempts) == (status, code, attempts)


@pytest.mark.parametrize(
    "url", ["https://example.com/", "file:///etc/passwd", "http://user:pw@127.0.0.1/", "nowhere", "http://["]
)
async def test_other_hosts_are_never_asked(origin: str, url: str) -> None:
    before = len(seen)
    got = await ask(origin, 0, url=url)
    assert got.status == "retry" and got.error is not None and "url" in got.error.message and len(seen) == before


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    single = HttpAccess(hosts=["http://127.0.0.1:9"]).tools()[1].within(Surroundings(sleep=never))
    got = await single.run_json({"url": "http://127.0.0.1:9/", "body": {}}, CancellationToken())
    assert (got["error"]["code"], got["attempts"]) == ("unavailable", 4)


def test_effects_are_those_of_the_methods() -> None:
    assert [each.effect for each in HttpAccess(hosts=["a.org"]).tools()] == ["read", "irreversible"]
    assert HttpAccess(hosts=["a.org"], post_effect="idempotent").tools()[1].effect == "idempotent"


@pytest.mark.parametrize("host", ["ftp://a.org", "https://a.org/path", "http://me:pw@a.org", ""])
def test_a_wrong_host_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="expected a host such as"):
        HttpAccess(hosts=[host]).tools()
