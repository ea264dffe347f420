"""The command line as a whole: help, wrong usage, errors and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repertory import failures
from repertory.commands import runs as runs_command
from runtime.errors import DivergenceError, RunError, UsageError
from tests.repertory.commands import Terminal

HEAVY = ("ray", "vllm", "torch", "lancedb", "autogen_core", "sentence_transformers", "transformers", "openai", "rich")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=50)


def test_help_is_shown_without_importing_anything_heavy() -> None:
    code = (
        "import sys\nfrom repertory.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    ended = python(code)
    assert ended.stdout.splitlines()[-1] == "heavy: []", ended.stdout + ended.stderr
    for command in ("run", "runs", "serve", "models", "validate", "init"):
        assert f"\n  {command}" in ended.stdout


@pytest.mark.parametrize(
    "command", [["run"], ["runs", "list"], ["serve", "up"], ["models", "pull"], ["validate"], ["init"]]
)
def test_every_command_explains_itself(command: list[str], terminal: Terminal) -> None:
    ended = terminal.type(*command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "Usage:" in ended.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu", "x.yaml"], "Did you mean"),
        (["run"], "Missing argument"),
        (["run", "x.yaml", "--engine", "rays"], "ray"),
        (["run", "x.yaml", "--hosts", "0"], "greater than or equal to 1"),
        (["run", "x.yaml", "--modle", "m"], "--model"),
        (["run", "x.yaml"], "x.yaml: found no such file"),
        (["validate", "."], "found a directory"),
        (["runs", "show", "abc"], "the journal holds no runs"),
    ],
)
def test_wrong_usage_is_one_message_and_code_2(arguments: list[str], words: str, terminal: Terminal) -> None:
    ended = terminal.type(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert not list(Path.cwd().iterdir())
    assert not terminal.home.exists()


def test_each_error_has_its_message_and_exit_code() -> None:
    assert failures.explained(UsageError("bad")) == ("bad", 2)
    assert failures.explained(RunError("failed")) == ("failed", 1)
    assert failures.explained(DivergenceError("other")) == ("other", 3)
    full = OSError(28, "No space left on device", "out/plan.md")
    assert failures.explained(full) == ("out/plan.md: the disk is full; free some space and try again", 1)
    in_use = OSError(98, "Address already in use")
    assert failures.explained(in_use) == ("the port is in use; choose another or stop what uses it", 1)
    message, code = failures.explained(KeyError("x"))
    assert code == 1
    assert "fault of Repertory" in message


def test_an_unexpected_error_shows_its_traceback_only_when_asked(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: str) -> None:
        raise KeyError("x")

    monkeypatch.setattr(runs_command, "_read", broken)
    quiet = terminal.type("runs", "show")
    assert quiet.code == 1
    assert "Traceback" not in quiet.err
    monkeypatch.setenv("REPERTORY_DEBUG", "1")
    assert "Traceback" in terminal.type("runs", "show").err


def test_ctrl_c_ends_with_130_and_a_message(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stopped(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs_command, "_read", stopped)
    ended = terminal.type("runs", "show")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.startswith("repertory: stopped;")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "repertory", "models", "list"]
    environment = {**os.environ, "REPERTORY_HOME": str(tmp_path)}
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    os.close(writing)
    assert "Traceback" not in ended.stderr
