"""Tools that a scenario names by address or MCP server, asked by a real run on the local engine."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from repertory.records import opened
from tests.repertory import mcp_prices
from tests.repertory.commands import Ended, Terminal
from tests.repertory.small import write_scenario

pytestmark = pytest.mark.slow

BLOBS = ("spec", "routes", "payload", "request", "result", "response")
"""Fields of events that name bytes."""
KEY = "sk-very-secret"
SERVER = [sys.executable, str(Path(mcp_prices.__file__))]
asked: list[tuple[str, str, str | None, str | None]] = []


class Prices(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, body: str | None) -> None:
        asked.append(
            (f"{self.command} {self.path}", body or "", self.headers["X-Key"], self.headers["Idempotency-Key"])
        )
        answer = json.dumps({"price": 480, "key": self.headers["X-Key"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Prices)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def scenario(tool: dict[str, Any], more: dict[str, Any] | None = None) -> Path:
    """The small scenario with this tool in place of its own."""
    file = write_scenario(Path())
    plain = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**plain, "tools": [tool], **(more or {})}, allow_unicode=True), encoding="utf-8")
    return file


def http(url: str, **more: Any) -> dict[str, Any]:
    call = {"url": url, "description": "What a night costs", "parameters": {"city": {"type": "string"}}, **more}
    return {"name": "night_price", "http": call}


def perform(terminal: Terminal, tool: dict[str, Any], *options: str) -> Ended:
    return terminal.type("run", scenario(tool), "--engine", "local", "--json", *options)


def value(ended: Ended) -> Any:
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["item"]["cost_cny"]


def test_a_tool_is_an_address_whose_path_takes_a_parameter(terminal: Terminal, origin: str) -> None:
    found = value(perform(terminal, http(f"{origin}/cities/{{city}}/price", constants={"currency": "CNY"})))
    assert found["body"]["price"] == 480
    assert asked[-1][0] == "GET /cities/%E5%8C%97%E4%BA%AC/price?currency=CNY"


def test_a_post_sends_json_with_the_key_of_its_step(terminal: Terminal, origin: str) -> None:
    value(perform(terminal, {**http(f"{origin}/book", method="POST"), "effect": "idempotent", "retries": 0}))
    request, body, _, key = asked[-1]
    assert (request, json.loads(body)) == ("POST /book", {"city": "北京"})
    started = [event for event in _events(terminal) if event["event"] == "step_started"]
    assert [event["effect"] for event in started] == ["idempotent"]
    run = json.loads(terminal.type("runs", "list", "--json").out)[0]["run"]
    assert key == f"{run}-{started[0]['step']}", "two runs of one scenario have steps of the same ids"


def _events(terminal: Terminal) -> list[dict[str, Any]]:
    return [json.loads(line) for line in terminal.type("runs", "events", "last", "--json").out.splitlines()]


def test_a_secret_header_reaches_the_server_and_no_record(
    terminal: Terminal, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICES_KEY", KEY)
    ended = perform(terminal, http(f"{origin}/price", headers={"X-Key": "PRICES_KEY"}))
    assert value(ended)["body"]["key"] == "***"
    assert asked[-1][2] == KEY
    assert KEY not in ended.out + ended.err + terminal.type("runs", "events", "last", "--json").out
    kept = asyncio.run(_kept(terminal.home / "journal.db"))
    assert b"PRICES_KEY" in kept
    assert KEY.encode() not in kept


async def _kept(journal: Path) -> bytes:
    """Everything that a journal holds of its only run."""
    async with opened(journal) as open_journal:
        events = await open_journal.events((await open_journal.runs())[0].run)
        named = {getattr(event, field, None) for event in events for field in BLOBS}
        blobs = [await open_journal.blob(name) for name in sorted(filter(None, named))]
    return b"".join([*blobs, *(repr(event).encode() for event in events)])


def test_a_secret_that_is_not_there_is_told_before_anything_is_done(terminal: Terminal, origin: str) -> None:
    before = len(asked)
    ended = perform(terminal, http(f"{origin}/price", headers={"X-Key": "PRICES_KEY"}))
    assert (ended.code, ended.out, len(asked)) == (2, "", before)
    assert (
        "tools[0].http.headers.X-Key: found the name PRICES_KEY, expected an environment variable that is" in ended.err
    )
    assert not terminal.home.exists()


def test_the_tools_of_an_mcp_server_are_those_that_the_run_has_on_record(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    server = {"command": SERVER, "tools": ["whoami"], "prefix": "shop_", "env": {"PRICES_KEY": "MY_KEY"}}
    fault = {"tool": "shop_whoami", "when": {"city": "上海"}, "error": "sold_out"}
    file = scenario({"mcp": server, "effect": "read"}, {"faults": [fault]})
    assert terminal.type("validate", file).code == 0
    ended = terminal.type("run", file, "--engine", "local", "--json")
    assert value(ended) == {"result": f"北京: a key of {len(KEY)} letters"}
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MY_KEY")
    replayed = terminal.type("replay", "last", "--json")
    assert replayed.code == 0, replayed.err


def test_an_mcp_server_may_have_an_address(terminal: Terminal) -> None:
    with mcp_prices.over_http() as url:
        ended = perform(terminal, {"mcp": {"url": url, "tools": ["night_price"]}})
    assert value(ended) == {"result": 200}


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (
            {"command": ["no-such-program"], "tools": ["a"]},
            "tools[0].mcp: found no server (MCP server 'no-such-program'",
        ),
        ({"url": "http://127.0.0.1:9/mcp", "tools": ["a"]}, "MCP server 'http://127.0.0.1:9/mcp' cannot be reached"),
        (
            {"command": SERVER, "tools": ["nigth_price"]},
            "tools[0].mcp.tools[0]: found the text 'nigth_price', expected a tool of the server (night_price, whoami); "
            "did you mean night_price?",
        ),
    ],
)
def test_a_server_or_tool_that_is_not_there_is_told_with_its_place(
    server: dict[str, Any], words: str, terminal: Terminal
) -> None:
    ended = perform(terminal, {"mcp": server})
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("repertory: small.yaml:")
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert not terminal.home.exists()


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ({"name": "x", "http": {"url": "http://a/b"}}, "tools[0].http.description: found nothing"),
        (
            {"http": {"url": "http://a", "description": "d"}},
            "tools[0]: found an HTTP tool without a name, expected name",
        ),
        (http("ftp://a"), "tools[0].http.url: found the text 'ftp://a', expected an address"),
        (http("http://me:pw@a/b"), "tools[0].http.url: found an address with more than a place, expected one without"),
        (http("http://a/b?key=1"), "secrets go into headers, by the name of a variable"),
        (http("http://{city}.com/"), "tools[0]: url: found 'http://{city}.com/', expected a fixed host"),
        (http("http://a/{town}"), "tools[0]: url: found {town}, expected a required parameter (city)"),
        (http("http://a", metod="GET"), "tools[0].http.metod: found an unknown field"),
        (http("http://a", method="FETCH"), "tools[0].http.method: found the text 'FETCH', expected GET, POST"),
        (http("http://a", headers={"X-Key": "sk-1 2"}), "expected the name of an environment variable"),
        ({**http("http://a"), "import": "a:b"}, "tools[0]: found import and http, expected one of them"),
        ({"mcp": {"tools": ["a"]}}, "tools[0].mcp: found neither command nor url, expected one of them"),
        (
            {"mcp": {"command": "sh -c x", "tools": ["a"]}},
            "tools[0].mcp.command: found the text 'sh -c x', expected a list",
        ),
        ({"mcp": {"command": ["x"], "tools": []}}, "tools[0].mcp.tools: found a list, expected at least 1 entries"),
        (
            {"mcp": {"command": ["x"], "tools": ["a", "a"]}},
            "tools[0].mcp.tools[1]: found the text 'a', expected each tool once",
        ),
        (
            {"name": "x", "mcp": {"command": ["x"], "tools": ["a"]}},
            "tools[0].name: found the text 'x', expected mcp.prefix",
        ),
        ({"mcp": {"command": ["x"], "tools": ["a"], "headers": {"X": "Y"}}}, "found headers without url"),
    ],
)
def test_a_wrong_entry_is_told_with_line_and_field(tool: dict[str, Any], words: str, terminal: Terminal) -> None:
    ended = terminal.type("validate", scenario(tool))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("repertory: small.yaml:")
    assert words in ended.err
    assert "sk-1" not in ended.err or "expected the name" in ended.err
