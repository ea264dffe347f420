"""`repertory runs export` and `import`, as people type them."""

from __future__ import annotations

import json

import pytest

from tests.repertory.commands import Terminal
from tests.repertory.small import write_scenario


def test_a_run_goes_to_another_machine_and_replays_there(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_scenario(terminal.home.parent)
    assert terminal.type("run", file, "--engine", "local", "--json").code == 0
    out = terminal.home.parent / "out" / "trip.run"
    told = json.loads(terminal.type("runs", "export", "last", out, "--json").out)
    assert told["bytes"] == out.stat().st_size
    monkeypatch.setenv("REPERTORY_HOME", str(terminal.home.parent / "elsewhere"))
    assert terminal.type("runs", "import", out).out.startswith(f"run {told['run']}: {told['events']} events imported")
    assert "the same to the byte" in terminal.type("runs", "import", out).out
    replayed = json.loads(terminal.type("replay", "last", "--json").out)
    assert (replayed["run"], replayed["events"]) == (told["run"], told["events"])


def test_an_export_replaces_nothing_unless_told_to(terminal: Terminal) -> None:
    assert terminal.type("run", write_scenario(terminal.home.parent), "--engine", "local", "--json").code == 0
    terminal.home.joinpath("kept").write_text("mine")
    refused = terminal.type("runs", "export", "last", terminal.home / "kept")
    assert (refused.code, terminal.home.joinpath("kept").read_text()) == (2, "mine")
    assert "--force replaces it" in refused.err
    assert terminal.type("runs", "export", "last", terminal.home / "kept", "--force").code == 0
    assert terminal.home.joinpath("kept").read_bytes().startswith(b"repertory-run 1 ")
    assert terminal.type("runs", "export", "nothing", terminal.home / "new").code == 2
    assert not terminal.home.joinpath("new").exists()


def test_a_file_that_is_no_export_is_refused(terminal: Terminal) -> None:
    for content in (b"", b"{}", b"repertory-run x"):
        file = terminal.home.parent / "odd"
        file.write_bytes(content)
        refused = terminal.type("runs", "import", file)
        assert (refused.code, refused.out) == (2, "")
    assert "No such file" in terminal.type("runs", "import", terminal.home / "nowhere").err
