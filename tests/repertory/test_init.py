"""`repertory init` and `repertory validate`."""

from __future__ import annotations

import json
from pathlib import Path

from scenarios.scenario import SCHEMA_FILE
from tests.repertory.commands import Terminal


def test_a_new_scenario_is_right_and_names_its_schema(terminal: Terminal) -> None:
    assert terminal.type("init", "my trip.yaml").code == 0
    text = Path("my trip.yaml").read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")
    checked = terminal.type("validate", "my trip.yaml", "--json")
    assert (checked.code, checked.err) == (0, "")
    assert json.loads(checked.out)["name"] == "my_trip"


def test_a_file_that_is_there_is_kept_unless_forced(terminal: Terminal) -> None:
    Path("scenario.yaml").write_text("mine")
    refused = terminal.type("init")
    assert (refused.code, Path("scenario.yaml").read_text()) == (2, "mine")
    assert "--force replaces it" in refused.err
    assert terminal.type("init", "--force").code == 0
    assert terminal.type("validate", "scenario.yaml").out == "scenario.yaml: right (scenario: 5 agents, 8 tools)\n"


def test_an_odd_file_name_makes_a_right_name(terminal: Terminal) -> None:
    assert terminal.type("init", "2026-北京.yaml").code == 0
    assert json.loads(terminal.type("validate", "2026-北京.yaml", "--json").out)["name"] == "scenario_2026"


def test_a_tool_of_ones_own_is_two_lines_of_python(terminal: Terminal) -> None:
    terminal.type("init", "trip.yaml")
    Path("trip_tools.py").write_text('def weather(city: str) -> str:\n    return "sunny"\n')
    text = Path("trip.yaml").read_text(encoding="utf-8")
    Path("trip.yaml").write_text(text.replace("  - budget_sum\n", "  - budget_sum\n  - trip_tools:weather\n"))
    assert terminal.type("validate", "trip.yaml").out == "trip.yaml: right (trip: 5 agents, 9 tools)\n"


def test_a_misspelt_tool_is_told_with_its_line(terminal: Terminal) -> None:
    terminal.type("init", "trip.yaml")
    text = Path("trip.yaml").read_text(encoding="utf-8").replace("- hotel_search", "- hotel_serch")
    Path("trip.yaml").write_text(text)
    ended = terminal.type("validate", "trip.yaml")
    line = text.splitlines().index("  - hotel_serch") + 1
    assert ended.code == 2
    assert f"trip.yaml:{line}: tools[3]: " in ended.err
    assert "hotel_search" in ended.err


def test_the_models_are_listed(terminal: Terminal) -> None:
    listed = json.loads(terminal.type("models", "list", "--json").out)
    assert [model["default"] for model in listed].count(True) == 1
    assert not any(model["here"] for model in listed)
    assert "is the default" in terminal.type("models", "list").out
