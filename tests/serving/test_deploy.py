from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from runtime.errors import UsageError
from serving.blueprint import ServeRequest
from serving.deploy import Deployment, serve_down, serve_status, serve_up
from tests.serving.endpoint import Endpoint, answering
from tests.serving.folders import write_folder


@pytest.fixture(autouse=True)
def no_other_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def endpoint() -> Generator[Endpoint]:
    with answering("small") as endpoint:
        yield endpoint


def _remember(home: Path, port: int, model: str = "small") -> Deployment:
    """What an earlier command left behind when it deployed a model."""
    url = f"http://127.0.0.1:{port}/{model}/v1"
    deployment = Deployment(url, model, "cpu", 2, 1, port, "127.0.0.1:1")
    (home / "ray" / "serving").mkdir(parents=True, exist_ok=True)
    (home / "ray" / "serving" / f"{model}.json").write_text(json.dumps(asdict(deployment)), encoding="utf-8")
    return deployment


def test_a_deployment_that_answers_is_found_again_with_two_requests(tmp_path: Path, endpoint: Endpoint) -> None:
    deployed = _remember(tmp_path, endpoint.port)
    assert serve_up(ServeRequest("small"), tmp_path) == deployed
    assert serve_up(ServeRequest("small", tensor_parallel_size=2, port=endpoint.port), tmp_path) == deployed
    assert endpoint.asked == 2 * ["/small/v1/models", "/small/v1/chat/completions"]


def test_status_tells_what_answers_from_what_does_not(tmp_path: Path, endpoint: Endpoint) -> None:
    there = _remember(tmp_path, endpoint.port)
    gone = _remember(tmp_path, 9, "away")
    assert {each.deployment: each.answers for each in serve_status(tmp_path)} == {there: True, gone: False}


def test_a_deployment_that_lists_its_model_but_cannot_complete_does_not_answer(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    endpoint.completes = False
    _remember(tmp_path, endpoint.port)
    assert [each.answers for each in serve_status(tmp_path)] == [False]


def test_another_program_on_the_port_is_not_taken_for_the_deployment(tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.model = "another"
    _remember(tmp_path, endpoint.port)
    assert [each.answers for each in serve_status(tmp_path)] == [False]


HEAD = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""
"""A process of which only this is wanted: that it has a port, and ends when it is told to."""


def test_down_says_that_it_has_stopped_ray(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HEAD], stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout is not None
        address = f"127.0.0.1:{int(head.stdout.readline())}"
        state = {"address": address, "pid": head.pid, "created": psutil.Process(head.pid).create_time()}
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "head.json").write_text(json.dumps({**state, "temp_dir": str(tmp_path)}), encoding="utf-8")
        assert serve_down(tmp_path) == ["Ray"]
        assert not psutil.pid_exists(head.pid)
        assert serve_down(tmp_path) == []


def test_down_forgets_what_no_longer_runs(tmp_path: Path) -> None:
    _remember(tmp_path, 9, "one")
    _remember(tmp_path, 9, "two")
    assert serve_down(tmp_path, "one") == ["one"]
    assert serve_down(tmp_path) == ["two"]
    assert serve_down(tmp_path) == []
    assert serve_status(tmp_path) == []


def test_a_model_that_does_not_fit_into_memory_is_refused_before_anything_starts(tmp_path: Path) -> None:
    huge = write_folder(tmp_path / "huge", weights_bytes=10**12)
    with pytest.raises(UsageError, match=r"huge needs about \d+\.\d GB of memory to be served, found"):
        serve_up(ServeRequest(str(huge)), tmp_path)
    assert not (tmp_path / "ray" / "head.json").exists()


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "small")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--port: found {port}, which another program uses; choose another"):
            serve_up(ServeRequest(str(folder), tensor_parallel_size=1, port=port), tmp_path)
    assert not (tmp_path / "ray" / "head.json").exists()


def test_an_unknown_model_and_a_missing_folder_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown model 'nobody'"):
        serve_up(ServeRequest("nobody"), tmp_path)
    with pytest.raises(UsageError, match="cannot read the model's configuration"):
        serve_up(ServeRequest(str(tmp_path / "nowhere")), tmp_path)


@pytest.mark.model
def test_two_workers_answer_in_json_of_the_schema_without_free_whitespace(deployment: Deployment) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["北京", "上海"]}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    request = {
        "model": deployment.model,
        "messages": [{"role": "user", "content": "我想去北京玩三天。Extract the city and the number of days as JSON."}],
        "max_tokens": 60,
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "trip", "schema": schema, "strict": True}},
    }
    answer = httpx.post(f"{deployment.url}/chat/completions", json=request, timeout=300).json()
    text = answer["choices"][0]["message"]["content"]
    assert json.loads(text)["city"] == "北京"
    assert text == json.dumps(json.loads(text), ensure_ascii=False)
    assert "tp2" in answer["system_fingerprint"]


@pytest.mark.model
def test_a_long_prompt_with_a_seed_does_not_end_the_engine(deployment: Deployment) -> None:
    request = {
        "model": deployment.model,
        "messages": [{"role": "user", "content": "1 2 3 4 5 6 7 8 " * 50}],
        "max_tokens": 2,
        "temperature": 0.7,
        "seed": 7,
    }
    answers = [httpx.post(f"{deployment.url}/chat/completions", json=request, timeout=300) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    texts = {answer.json()["choices"][0]["message"]["content"] for answer in answers}
    assert len(texts) == 1


@pytest.mark.model
def test_a_running_deployment_is_found_again_within_seconds(deployment: Deployment, model_home: Path) -> None:
    began = time.monotonic()
    assert serve_up(ServeRequest(deployment.model), model_home) == deployment
    assert time.monotonic() - began < 15
    assert deployment in [each.deployment for each in serve_status(model_home)]
