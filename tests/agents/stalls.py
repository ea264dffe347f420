"""Tools for the errand: each answers what the test has put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autogen_core import CancellationToken
from autogen_core.tools import BaseTool
from pydantic import BaseModel, JsonValue


class Wanted(BaseModel):
    thing: str


def ok(value: JsonValue, evidence: str = "step1") -> dict[str, JsonValue]:
    return {"status": "ok", "value": value, "error": None, "repairs": [], "evidence": evidence}


def no(code: str, *, status: str = "failed") -> dict[str, JsonValue]:
    error: JsonValue = {"code": code, "message": f"it is {code}"}
    return {"status": status, "value": None, "error": error, "repairs": [], "evidence": "step9"}


class Stall(BaseTool[Wanted, BaseModel]):
    """Gives its outcomes one after the other, the last one for ever."""

    def __init__(self, name: str, *outcomes: Mapping[str, Any]) -> None:
        super().__init__(Wanted, BaseModel, name, f"asks at {name}")
        self._outcomes: Sequence[Mapping[str, Any]] = outcomes
        self.asked: list[str] = []

    async def run(self, args: Wanted, cancellation_token: CancellationToken) -> BaseModel:
        raise AssertionError("agents call run_json")

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        self.asked.append(str(args["thing"]))
        return self._outcomes[min(len(self.asked), len(self._outcomes)) - 1]
