"""The driver of a run on Ray, or the whole head, is killed: nothing of it is left over, and the run can be resumed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import runtime
from runtime.events import RunCompleted, StepCompleted
from runtime.journals.sql_journal import SqliteJournal
from runtime.on_ray.ray_local import stop_ray
from runtime.replay import replay
from tests.ray_processes import head_process
from tests.runtime.payments import LOOK_AGAIN_S, Ledger

ROOT = Path(runtime.__file__).parent.parent
pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a Ray head of its own, started by a process of its own: its token stays out of this one."""
    folder = tmp_path_factory.mktemp("home")
    start = (
        "import pathlib, sys; from runtime.on_ray.ray_local import ensure_ray; ensure_ray(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", start, str(folder)], cwd=ROOT, check=True)
    yield folder
    stop_ray(folder)


async def driver(home: Path, folder: Path, how: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.runtime.drive", str(home), str(folder), how),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(processes: list[psutil.Process]) -> None:
    """Waits until none of them runs any more."""
    while any(map(runs, processes)):  # noqa: ASYNC110  # nobody tells us
        await asyncio.sleep(LOOK_AGAIN_S)


async def actors_of(head: psutil.Process, count: int) -> list[psutil.Process]:
    """The processes of sequencer and hosts below the head, when there are this many."""
    while len(found := [child for child in head.children(recursive=True) if is_actor(child)]) < count:  # noqa: ASYNC110  # nobody tells us
        await asyncio.sleep(LOOK_AGAIN_S)
    return found


def is_actor(process: psutil.Process) -> bool:
    try:
        return re.match("ray::(SequencerActor|AgentHost)", " ".join(process.cmdline())) is not None
    except psutil.NoSuchProcess:
        return False


async def resume(home: Path, folder: Path) -> None:
    """Takes the run up in a new process and checks how it ends."""
    ledger = Ledger(folder)
    ledger.open_gate()
    await ends(await driver(home, folder, "resume"), folder)


async def ends(driving: asyncio.subprocess.Process, folder: Path) -> str:
    """Checks how a driver ends that has taken the run up; what it has said."""
    ledger = Ledger(folder)
    out, err = await driving.communicate()
    assert driving.returncode == 0, err.decode()
    assert json.loads(out.splitlines()[-1]) == ["first!", "held!"]
    assert ledger.times() == {"first": 1, "held": 2, "held done": 1}
    assert set(ledger.counts().values()) == {1}, "with their keys, every effect has happened once"
    journal = SqliteJournal(folder / "journal.db")
    events = await journal.events("run")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunCompleted)
    steps = [event.step for event in events if isinstance(event, StepCompleted)]
    assert len(steps) == len(set(steps)) == 2
    await replay(journal, "run")
    await journal.close()
    return err.decode()


async def test_a_killed_driver_leaves_no_process_and_its_run_is_resumed(home: Path, tmp_path: Path) -> None:
    driving = await driver(home, tmp_path, "begin")
    await Ledger(tmp_path).written("held")
    actors = await actors_of(head_process(home), 3)  # a sequencer and two hosts, of which one may still be starting
    driving.kill()
    await driving.communicate()
    await gone(actors)
    await resume(home, tmp_path)


async def test_a_program_outlives_the_whole_head_and_resumes_its_run_on_another(home: Path, tmp_path: Path) -> None:
    driving = await driver(home, tmp_path, "again")
    await Ledger(tmp_path).written("held")
    head = head_process(home)
    family = [head, *head.children(recursive=True)]
    for process in family:
        os.kill(process.pid, signal.SIGKILL)
    await gone(family)
    Ledger(tmp_path).open_gate()
    said = await ends(driving, tmp_path)
    assert "does not answer any more" in said
    assert "repertory resume" in said
