"""Foreign JSON schemas as argument models: typed where they are plain, shown as they are."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from tools.arguments import prepared
from tools.json_schema import arguments_model
from tools.outcome import Repair
from tools.spec import ToolSpec

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1},
        "nights": {"type": "integer"},
        "ages": {"type": "array", "items": {"type": "integer"}},
        "style": {"enum": ["quick", "slow"]},
        "budget": {"type": ["number", "null"]},
        "where": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "copy": {"type": "boolean", "default": False},
        "deep": {"$ref": "#/$defs/Deep"},
    },
    "required": ["city", "nights"],
    "$defs": {"Deep": {"type": "object"}},
}


def spec(schema: dict[str, Any]) -> ToolSpec:
    return ToolSpec(
        name="stay", description="", args_type=arguments_model("stay", schema), result=TypeAdapter(Any), effect="read"
    )


def test_the_schema_is_shown_as_it_came() -> None:
    shown = spec(SCHEMA).args_type.model_json_schema()
    assert shown["properties"]["city"] == {"type": "string", "minLength": 1} and shown["required"] == ["city", "nights"]


def test_plain_types_are_repaired() -> None:
    given = {
        "city": "北京",
        "nights": "2晚",
        "ages": "5",
        "style": "QUICK",
        "budget": "500元",
        "copy": "是",
        "where": "null",
    }
    ready = prepared(spec(SCHEMA), given)
    assert ready.correction is None and ready.args is not None
    assert ready.args.model_dump(exclude_unset=True) == {
        "city": "北京",
        "nights": 2,
        "ages": [5],
        "style": "quick",
        "budget": 500,
        "copy": True,
        "where": "null",
    }
    assert Repair(field="nights", found="2晚", used=2) in ready.repairs


@pytest.mark.parametrize(
    "given", [{"city": "北京"}, {"city": "北京", "nights": "some"}, {"city": "北京", "nights": 1, "x": 1}]
)
def test_what_does_not_fit_is_sent_back(given: dict[str, Any]) -> None:
    assert prepared(spec(SCHEMA), given).correction is not None


def test_what_cannot_be_described_is_passed_on() -> None:
    ready = prepared(spec({"properties": {"_odd": {"type": "string"}, "any": {}}}), {"_odd": 1, "any": {"a": [1]}})
    assert ready.final() == {"_odd": 1, "any": {"a": [1]}}
    assert prepared(spec({"type": "object"}), {}).final() == {}
