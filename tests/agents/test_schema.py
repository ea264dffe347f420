from __future__ import annotations

from agents.messages import JsonObject
from agents.schema import parse, schema_faults

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "days": {"type": "integer", "minimum": 1},
        "names": {"type": "array", "items": {"enum": ["甲", "乙"]}, "minItems": 1, "maxItems": 2},
        "call": {
            "anyOf": [
                {"type": "object", "properties": {"tool": {"const": "a"}}, "required": ["tool"]},
                {"type": "object", "properties": {"tool": {"const": "b"}, "x": {"enum": [1, 3]}}, "required": ["x"]},
            ]
        },
    },
    "required": ["days"],
    "additionalProperties": False,
}


def test_text_that_is_no_json_object_is_nothing() -> None:
    assert parse("[1]") is None
    assert parse('{"a": 1') is None
    assert parse('{"a": 1}') == {"a": 1}


def test_a_fitting_answer_has_no_faults() -> None:
    assert schema_faults({"days": 3, "names": ["甲"], "call": {"tool": "a"}}, SCHEMA) == []


def test_each_fault_names_its_place_and_what_is_allowed() -> None:
    found = schema_faults({"days": "三", "names": ["丙", "甲", "乙"]}, SCHEMA)
    assert "days 是 三，类型应为 integer" in found
    assert "names.0 是 丙，只能取：甲、乙" in found
    assert "names 有 3 项，最多 2 项" in found


def test_missing_and_unknown_fields_are_named() -> None:
    found = schema_faults({"dayz": 1}, SCHEMA)
    assert "答案 缺少字段 days" in found
    assert any("dayz" in fault for fault in found)


def test_of_several_branches_the_nearest_is_explained() -> None:
    assert schema_faults({"days": 1, "call": {"tool": "b", "x": 2}}, SCHEMA) == ["call.x 是 2，只能取：1、3"]
