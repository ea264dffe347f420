"""The model's replica is killed in the middle of a run's call: Ray Serve starts it again, the run goes on by itself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from runtime.events import StepCompleted, StepStarted
from runtime.journals.sql_journal import SqliteJournal
from serving.deploy import Deployment
from tests.ray_processes import ray_processes
from tests.repertory.small import write_scenario

pytestmark = [pytest.mark.model, pytest.mark.timeout(1800)]

BUSY_S = 2.0
"""How much processor time the engine must have used since the call began, to be taken for at work on it."""
LOOK_AGAIN_S = 0.2
LIMIT_S = 300.0


async def model_steps(path: Path) -> list[StepStarted | StepCompleted]:
    """The run's model calls so far."""
    journal = SqliteJournal(path)
    try:
        runs = await journal.runs()
        events = await journal.events(runs[0].run) if runs else []
    finally:
        await journal.close()
    return [event for event in events if isinstance(event, StepStarted | StepCompleted)]


def used_s(processes: list[psutil.Process]) -> float:
    """The processor time of all of them."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def kill_replica_at_work(home: Path, deployment: Deployment, journal: Path) -> list[psutil.Process]:
    """Kills the server's process once its engine is at the run's call; returns the engine's processes."""
    [replica] = ray_processes(home, f"ray::ServeReplica:{deployment.model}:LLMServer")
    engine = replica.children(recursive=True)
    deadline, began = time.monotonic() + LIMIT_S, None
    while began is None or used_s(engine) < began + BUSY_S:
        assert time.monotonic() < deadline, "the model is never asked"
        if began is None and journal.exists() and asyncio.run(model_steps(journal)):
            began = used_s(engine)
        time.sleep(LOOK_AGAIN_S)
    replica.kill()
    return engine


def test_a_run_goes_on_when_the_models_replica_is_killed_and_started_again(
    model_home: Path, deployment: Deployment, tmp_path: Path
) -> None:
    file = write_scenario(tmp_path)
    text = file.read_text().replace("tests.repertory.small:Solo", "tests.repertory.small:Teller")
    file.write_text(text.replace('{name: "scripted:answers.json"}', f"{{name: {deployment.model}, timeout_s: 900}}"))
    journal = tmp_path / "journal.db"
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "REPERTORY_HOME": str(model_home),
        "REPERTORY_JOURNAL": str(journal),
    }
    environment.pop("REPERTORY_NO_LIVE_CALLS", None)
    command = [sys.executable, "-m", "repertory", "--verbose", "run", str(file), "--engine", "local", "--json"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    engine: list[psutil.Process] = []
    try:
        engine = kill_replica_at_work(model_home, deployment, journal)
        out, err = running.communicate(timeout=1200)
    finally:
        running.kill()
        running.wait()
        for process in engine:  # what a killed server leaves behind would hold its memory
            with suppress(psutil.Error):
                process.kill()
    assert running.returncode == 0, err
    assert "model_asked_again" in err, "the call was under way when the replica died"
    assert "two" in json.loads(out)["plan"].lower()
    [started, completed] = asyncio.run(model_steps(journal))
    assert isinstance(started, StepStarted) and isinstance(completed, StepCompleted)
    assert completed.failure is None
