"""A run on Ray that waits for approval: its agents sleep, its processes end, and another process goes on with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.on_ray.ray_local import stop_ray
from tests.ray_processes import ray_processes
from tests.repertory.small import write_scenario

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

ACTORS = ("ray::AgentHost", "ray::SequencerActor")
GONE_LIMIT_S = 60.0


def test_a_run_waits_without_a_process_and_is_approved_from_another_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "REPERTORY_HOME": str(home)}

    def repertory(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "repertory", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    file = write_scenario(tmp_path, "count", "sleep: {deliveries: 1}\n")
    text = file.read_text().replace("effect: read}]", "effect: read, approval: always}]")
    file.write_text(text.replace("  person:", '  counter: {kind: "tests.repertory.small:Counter"}\n  person:'))
    try:
        waiting = repertory("run", str(file), "--hosts", "2")
        assert waiting.returncode == 4, waiting.stderr
        deadline = time.monotonic() + GONE_LIMIT_S
        while left := ray_processes(home, *ACTORS):
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.1)
        events = [json.loads(line) for line in repertory("runs", "events", "last", "--json").stdout.splitlines()]
        assert [event["agent"]["type"] for event in events if event["event"] == "agent_slept"] == ["counter"]
        approved = repertory("approve", "last", "--json")
        assert approved.returncode == 0, approved.stderr
        assert json.loads(approved.stdout)["counts"] == ["1", "2"], "who slept has forgotten nothing"
        assert repertory("replay", "last").returncode == 0
    finally:
        stop_ray(home)
