"""`repertory run` as it is meant: agents as Ray actors, in processes of their own; the first run starts the head."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat

from runtime.on_ray.ray_local import stop_ray
from tests.ray_processes import ray_processes
from tests.repertory.small import write_scenario
from tests.runtime.chats import says

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

ACTORS = ("ray::AgentHost", "ray::SequencerActor")
GONE_LIMIT_S = 60.0


@dataclass(frozen=True)
class Shell:
    """Types commands, each a process of its own, in a folder."""

    home: Path
    folder: Path

    def type(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """The command, ended."""
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "REPERTORY_HOME": str(self.home)}
        command = [sys.executable, "-m", "repertory", *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """Where these tests keep their Ray head."""
    home = tmp_path_factory.mktemp("home")
    yield home
    stop_ray(home)


@pytest.fixture
def shell(home: Path, tmp_path: Path) -> Shell:
    """A shell in a folder of the test's own."""
    return Shell(home, tmp_path)


def test_a_run_on_ray_ends_like_one_in_this_process(shell: Shell) -> None:
    run = ("run", write_scenario(shell.folder), "--hosts", "2", "--json")
    on_ray = shell.type(*run)
    assert on_ray.returncode == 0, on_ray.stderr
    assert json.loads(on_ray.stdout)["plan"] == "a night in 北京"
    failed = shell.type(*run, "--set", "request=fail")
    assert (failed.returncode, json.loads(failed.stdout)["error"]) == (1, "the booking office is closed")
    assert "Traceback" not in failed.stderr


def test_relative_paths_of_a_tool_begin_where_the_command_was_typed(shell: Shell) -> None:
    file = write_scenario(shell.folder)
    file.write_text(file.read_text().replace("small:price", "small:place"))
    for way in ("local", "ray"):
        done = shell.type("run", file, "--engine", way, "--json")
        assert json.loads(done.stdout)["item"]["cost_cny"] == str(shell.folder.resolve()), done.stderr


def test_a_run_waits_without_a_process_and_is_approved_from_another_one(shell: Shell) -> None:
    file = write_scenario(shell.folder, "count", "sleep: {deliveries: 1}\n")
    text = file.read_text().replace("effect: read}]", "effect: read, approval: always}]")
    file.write_text(text.replace("  person:", '  counter: {kind: "tests.repertory.small:Counter"}\n  person:'))
    waiting = shell.type("run", file, "--hosts", "2")
    assert waiting.returncode == 4, waiting.stderr
    deadline = time.monotonic() + GONE_LIMIT_S
    while left := ray_processes(shell.home, *ACTORS):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.1)
    events = [json.loads(line) for line in shell.type("runs", "events", "last", "--json").stdout.splitlines()]
    assert [event["agent"]["type"] for event in events if event["event"] == "agent_slept"] == ["counter"]
    approved = shell.type("approve", "last", "--json")
    assert approved.returncode == 0, approved.stderr
    assert json.loads(approved.stdout)["counts"] == ["1", "2"], "who slept has forgotten nothing"
    assert shell.type("replay", "last").returncode == 0


def test_a_team_file_of_autogen_is_performed_on_ray_and_replays_without_it(shell: Shell) -> None:
    team = RoundRobinGroupChat([says("a", "one"), says("b", "two")], termination_condition=MaxMessageTermination(3))
    (shell.folder / "team.json").write_text(team.dump_component().model_dump_json(), encoding="utf-8")
    ran = shell.type("run", "team.json", "--task", "count", "--hosts", "2", "--json")
    assert ran.returncode == 0, ran.stderr
    assert [message["content"] for message in json.loads(ran.stdout)["messages"]] == ["count", "one", "two"]
    replayed = shell.type("replay", "last")
    assert replayed.returncode == 0, replayed.stderr
    assert "identical" in replayed.stdout
