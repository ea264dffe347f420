"""Durable teams on Ray: agents live on hosts, and whatever is killed, the team goes on and asks no model twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

import runtime
from runtime.durable import replayed
from runtime.events import AnyEvent, RunCompleted, StepCompleted
from runtime.journals.sql_journal import SqliteJournal
from runtime.on_ray.ray_local import stop_ray
from tests.runtime.drive_team import TALK
from tests.runtime.payments import LOOK_AGAIN_S, Ledger

ROOT = Path(runtime.__file__).parent.parent
pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

ONCE = {"one": 1, "held two": 1, "three": 1, "four DONE": 1}
"""How often each answer was asked for where nothing was killed."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a Ray head of its own, started by a process of its own."""
    folder = tmp_path_factory.mktemp("home")
    start = (
        "import pathlib, sys; from runtime.on_ray.ray_local import ensure_ray; ensure_ray(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", start, str(folder)], cwd=ROOT, check=True)
    yield folder
    stop_ray(folder)


def actors(home: Path) -> Mapping[int, str]:
    """The processes of the run's actors, by id, each with its kind."""
    head = psutil.Process(json.loads((home / "ray" / "head.json").read_text())["pid"])
    found: dict[int, str] = {}
    for process in head.children(recursive=True):
        try:
            title = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        kinds = [kind for kind in ("AgentHost", "SequencerActor") if title.startswith(f"ray::{kind}")]
        found |= {process.pid: kinds[0]} if kinds else {}
    return found


async def killed(pid: int) -> None:
    """Kills a process and waits until it is gone."""
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110  # nobody tells us
        await asyncio.sleep(LOOK_AGAIN_S)


async def program(home: Path, folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.runtime.drive_team", str(home), str(folder)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> list[tuple[str, str]]:
    """What the program's team has said."""
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return [(source, text) for source, text in json.loads(out.splitlines()[-1])]


async def events_of(folder: Path) -> list[AnyEvent]:
    """The run's events, which replay as they were."""
    journal = SqliteJournal(folder / "journal.db")
    events = await journal.events("run")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunCompleted)
    steps = [event.step for event in events if isinstance(event, StepCompleted)]
    assert len(steps) == len(set(steps)) == len(ONCE)
    again = await replayed("run", journal=journal)
    assert (again.is_whole, again.model_calls) == (True, len(ONCE))
    await journal.close()
    return events


def of_the_model(home: Path, asked_by: int) -> int:
    return asked_by


def of_the_sequencer(home: Path, _: int) -> int:
    sequencers = [pid for pid, kind in actors(home).items() if kind == "SequencerActor"]
    return max(sequencers, key=lambda pid: psutil.Process(pid).create_time())


async def test_a_team_on_ray_says_what_it_says_anywhere(home: Path, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.open_gate()
    running = await program(home, tmp_path)
    assert await ended(running) == TALK
    assert ledger.times() == ONCE
    assert running.pid not in {pid for _, _, pid in ledger.entries()}, "models are asked at hosts"
    await events_of(tmp_path)


@pytest.mark.parametrize(
    ("victim", "begun_again"), [(of_the_model, 1), (of_the_sequencer, 0)], ids=["a host", "the sequencer"]
)
async def test_a_team_goes_on_by_itself(
    home: Path, tmp_path: Path, victim: Callable[[Path, int], int], begun_again: int
) -> None:
    ledger = Ledger(tmp_path)
    running = await program(home, tmp_path)
    asked_by = await ledger.written("held two")
    await killed(victim(home, asked_by))
    ledger.open_gate()
    assert await ended(running) == TALK
    assert ledger.times() == {**ONCE, "held two": 1 + begun_again}
    await events_of(tmp_path)


async def test_a_program_that_was_killed_goes_on_where_it_was(home: Path, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    running = await program(home, tmp_path)
    await ledger.written("held two")
    before = actors(home)
    running.kill()
    await running.communicate()
    while before.keys() & actors(home).keys():  # noqa: ASYNC110  # nobody tells us
        await asyncio.sleep(LOOK_AGAIN_S)
    ledger.open_gate()
    assert await ended(await program(home, tmp_path)) == TALK
    assert ledger.times() == {**ONCE, "held two": 2}
    await events_of(tmp_path)


async def test_a_team_that_cannot_leave_this_process_is_recorded_on_ray_all_the_same(
    home: Path, tmp_path: Path
) -> None:
    code = (
        "import asyncio, sys, pathlib\n"
        "from autogen_agentchat.agents import UserProxyAgent\n"
        "from autogen_agentchat.conditions import FunctionalTermination\n"
        "from autogen_agentchat.teams import RoundRobinGroupChat\n"
        "from runtime.durable import Stage, durable\n"
        "from runtime.on_ray.ray_local import ensure_ray\n"
        "from tests.runtime.chats import says, said\n"
        "async def main(home, folder):\n"
        "    until = FunctionalTermination(lambda messages: messages[-1].source == 'b')\n"
        "    typing = UserProxyAgent('b', input_func=lambda prompt: 'two')\n"
        "    team = RoundRobinGroupChat([says('a', 'one'), typing], termination_condition=until)\n"
        "    stage = Stage('ray', ensure_ray(home).address, hosts=1)\n"
        "    async with await durable(team, run_id='run', journal=folder / 'journal.db', engine=stage) as team:\n"
        "        print(said(await team.run(task='go')))\n"
        "asyncio.run(main(*map(pathlib.Path, sys.argv[1:])))\n"
    )
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(home), str(tmp_path)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await done.communicate()
    assert done.returncode == 0, err.decode()
    assert out.decode().splitlines()[-1] == "[('user', 'go'), ('a', 'one'), ('b', 'two')]"
    assert "func is the function __main__.main.<locals>.<lambda>" in out.decode() + err.decode()
    journal = SqliteJournal(tmp_path / "journal.db")
    assert isinstance((await journal.events("run"))[-1], RunCompleted)
    await journal.close()
