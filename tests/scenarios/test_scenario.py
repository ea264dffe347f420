"""The scenario's schema, and that what is published of it is what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from scenarios.load import load_scenario
from scenarios.scenario import SCHEMA_FILE, Scenario, Tool, json_schema
from tools.outcome import GENERAL_CODES

MINIMAL = {"name": "trip", "domain": "some.module:Domain", "request": "two days in Beijing"}
SHIPPED = sorted((Path(__file__).parents[2] / "scenarios").rglob("*.yaml"))


def test_the_published_schema_is_the_one_that_the_model_generates() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_every_shipped_scenario_is_right_and_names_the_schema_in_its_first_line(file: Path) -> None:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.partition("$schema=")[2]).resolve() == SCHEMA_FILE
    assert load_scenario(file).scenario.name == file.stem


def test_a_scenario_needs_only_name_domain_and_request() -> None:
    scenario = Scenario.model_validate(MINIMAL)
    assert list(scenario.agents) == ["planner", "executor", "critic", "retriever", "person"]
    assert scenario.agents["executor"].count == 2
    assert scenario.agents["person"].placement.host == "local"


def test_a_scenario_comes_back_equal_from_its_json() -> None:
    scenario = Scenario.model_validate(
        {**MINIMAL, "tools": ["lookup", "mine:price", {"name": "x", "fallback": "lookup"}]}
    )
    assert Scenario.model_validate(json.loads(json.dumps(scenario.model_dump(mode="json")))) == scenario


def test_a_text_stands_for_a_tool_by_name_or_by_import() -> None:
    assert Tool.model_validate("lookup") == Tool(name="lookup")
    assert Tool.model_validate("my.tools:price").import_ == "my.tools:price"
    assert Tool.model_validate("my.tools:price").label == "price"


def test_unknown_fields_and_silent_conversions_are_refused() -> None:
    for wrong in ({"colour": "red"}, {"limits": {"rounds": "3"}}, {"limits": {"rounds": True}}, {"name": 7}):
        with pytest.raises(ValidationError):
            Scenario.model_validate({**MINIMAL, **wrong})


def test_faults_know_the_error_codes_that_every_tool_has() -> None:
    from scenarios.scenario import ERROR_CODES

    assert set(ERROR_CODES) == set(GENERAL_CODES)
