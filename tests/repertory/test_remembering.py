"""The next run of the same traveller uses what was remembered, through the real memory; another's does not."""

from __future__ import annotations

import json
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import JsonValue

from agents.messages import JsonObject
from tests.agents.team import first
from tests.repertory.commands import Terminal
from tests.scenarios.test_travel_domain import PLAN, READ, decides
from tests.serving.completions import said

TRAVEL = Path(__file__).parents[2] / "scenarios" / "travel"
AGAIN: JsonObject = {
    **READ,
    "days": 2,
    "budget_cny": None,
    "start_date": "2026年12月26日",
    "must_visit": ["颐和园"],
    "hotel_district": None,
    "wishes": ["看动物"],
}
prompts: list[str] = []

pytestmark = pytest.mark.usefixtures("live_calls")


def answer(prompt: str, schema: JsonObject) -> JsonValue:
    """Reads requests as they are written, stays in a remembered district or near 颐和园, and else takes the first."""
    if "child_ages" in decides(schema):
        return AGAIN if "颐和园" in prompt.rpartition("北京")[2] else READ
    if "subtasks" in decides(schema) and "还缺" not in prompt:
        text = json.dumps(PLAN, ensure_ascii=False)
        if "必去：颐和园" in prompt:
            text = text.replace("故宫博物院", "颐和园").replace("国家自然博物馆", "圆明园遗址公园")
        planned: JsonValue = json.loads(text)
        return planned
    decided = first(schema)
    arguments = decided.get("arguments") if isinstance(decided, dict) else None
    if (
        isinstance(arguments, dict)
        and "family_room" in arguments
        and "海淀区" in json.dumps(schema, ensure_ascii=False)
    ):
        arguments["district"] = "东城区" if "偏好：住东城区" in prompt else "海淀区"
    return decided


class Model(BaseHTTPRequestHandler):
    """An endpoint that decides by rules, and keeps the prompts."""

    def do_GET(self) -> None:
        self._send(json.dumps({"data": [{"id": "rules"}]}))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompts.append("\n".join(message["content"] for message in asked["messages"]))
        schema = asked["response_format"]["json_schema"]["schema"]
        self._send(said(json.dumps(answer(prompts[-1], schema), ensure_ascii=False)).body)

    def _send(self, body: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""


@pytest.fixture
def rules() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_the_next_run_of_the_same_traveller_uses_what_was_remembered(terminal: Terminal, rules: str) -> None:
    def perform(name: str, *options: str) -> tuple[dict[str, Any], str]:
        prompts.clear()
        chosen = ["--engine", "local", "--model", "rules", "--endpoint", rules, "--set", "memory.embedder=hashing"]
        ended = terminal.type("run", TRAVEL / f"{name}.yaml", *chosen, "--json", *options)
        assert ended.code == 0, ended.err
        return json.loads(ended.out), "\n".join(prompts)

    perform("beijing_family")
    known, told = perform("beijing_return")
    stranger, untold = perform("beijing_return", "--set", "traveller=wang_family")
    for note in ("偏好：家庭房", "偏好：住东城区", "上次：北京3天"):
        assert note in told
        assert note not in untold
    assert known["plan"]["hotel"]["district"] == "东城区"
    assert stranger["plan"]["hotel"]["district"] == "海淀区"
