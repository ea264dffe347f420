"""`repertory run` as it is meant: agents as Ray actors, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.on_ray.ray_local import stop_ray
from tests.repertory.small import write_scenario

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


def test_a_run_on_ray_ends_like_one_in_this_process(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "REPERTORY_HOME": str(home)}
    command = [sys.executable, "-m", "repertory", "run", str(write_scenario(tmp_path)), "--hosts", "2", "--json"]

    def perform(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    try:
        on_ray = perform()
        assert on_ray.returncode == 0, on_ray.stderr
        assert json.loads(on_ray.stdout)["plan"] == "a night in 北京"
        failed = perform("--set", "request=fail")
        assert (failed.returncode, json.loads(failed.stdout)["error"]) == (1, "the booking office is closed")
        assert "Traceback" not in failed.stderr
    finally:
        stop_ray(home)
