"""The family's trip as `make run` plans it: on Ray actors, with a real model behind vLLM, and replayed afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.deploy import Deployment

pytestmark = pytest.mark.model

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "scenarios" / "travel" / "beijing_family.yaml"


def repertory(home: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "REPERTORY_HOME": str(home)}
    environment.pop("REPERTORY_NO_LIVE_CALLS", None)
    command = [sys.executable, "-m", "repertory", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_real_model_plans_the_trip_on_ray_and_the_run_replays(
    model_home: Path, deployment: Deployment, tmp_path: Path
) -> None:
    done = repertory(
        model_home, tmp_path, "run", str(SCENARIO), "--model", deployment.model, "--fresh", "--out", "trip", "--json"
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert json.loads((tmp_path / "trip" / "result.json").read_text("utf-8")) == result
    assert result["task"]["destination"] == "北京"
    assert result["task"]["party"] == {"adults": 2, "children": [5]}
    assert [day["date"] for day in result["plan"]["days"]] == ["2026-12-05", "2026-12-06", "2026-12-07"]
    assert result["usage"]["model_calls"] >= 5
    assert result["usage"]["tool_calls"] >= 5
    assert {check["name"] for check in result["checks"]} >= {
        "within_budget",
        "must_visits_present",
        "evidence_complete",
    }
    paid = [item for day in result["plan"]["days"] for item in day["items"] if item["cost_cny"]]
    assert paid
    assert all(item["evidence"] for item in paid)
    assert "北京" in (tmp_path / "trip" / "plan.md").read_text("utf-8")
    replayed = repertory(model_home, tmp_path, "replay", result["run"], "--json")
    assert replayed.returncode == 0, replayed.stderr
    assert json.loads(replayed.stdout)["model_calls"] == result["usage"]["model_calls"]
