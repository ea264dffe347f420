"""Fault rules are checked before a run begins."""

from __future__ import annotations

import pytest

from runtime.errors import UsageError
from tools.faults import parse_faults
from tools.spec import Match
from tools.tool import tool


@tool(effect="read", repairers={"name": lambda text: Match(None, ("故宫博物院",))})
async def lookup(name: str) -> str:
    return name


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tool": "lookup", "error": "closed", "wehn": {}}, r"faults\[0\]\.wehn: .*expected \{tool, when"),
        ({"tool": "lookup"}, r"faults\[0\]\.error: Field required"),
        ({"tool": "lookup", "error": "closed", "times": 0}, r"faults\[0\]\.times: .*found 0"),
        ({"tool": "lokup", "error": "closed"}, r"faults\[0\]\.tool: found 'lokup', expected 'lookup'"),
        ({"tool": "lookup", "error": "soldout"}, r"faults\[0\]\.error: found 'soldout', expected 'sold_out'"),
        ({"tool": "lookup", "when": {"nam": 1}, "error": "closed"}, r"faults\[0\]\.when: found 'nam', expected 'name'"),
        ({"tool": "lookup", "when": {"name": "x"}, "error": "closed"}, r"does not know; near it: 故宫博物院"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(row: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_faults([row]).resolved({"lookup": lookup.spec})
