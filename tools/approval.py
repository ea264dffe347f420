"""When a person must approve a call before it happens: always, or by a rule over its arguments. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True)
class Bound:
    """What is let through without asking for one argument: nothing that one of these holds for."""

    above: float | None = None
    """Asks when the number is larger."""
    below: float | None = None
    """Asks when the number is smaller."""
    one_of: tuple[JsonValue, ...] = ()
    """Asks when the value is among these."""

    def reason(self, name: str, value: JsonValue) -> str:
        """Why a person is asked; empty when nobody is. What cannot be compared is asked about."""
        if self.one_of and value in self.one_of:
            return f"{name} is {json.dumps(value, ensure_ascii=False)}"
        if self.above is None and self.below is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{name} is not a number"
        if self.above is not None and value > self.above:
            return f"{name} {value:g} is above {self.above:g}"
        if self.below is not None and value < self.below:
            return f"{name} {value:g} is below {self.below:g}"
        return ""


@dataclass(frozen=True)
class Approval:
    """Asks always, or when any of the bounds says so."""

    when: Mapping[str, Bound] = field(default_factory=dict[str, Bound])
    """By argument; empty: always."""

    def question(self, tool: str, arguments: Mapping[str, JsonValue]) -> str:
        """What a person is asked before this call; empty when it may happen."""
        reasons = [bound.reason(name, arguments.get(name)) for name, bound in self.when.items()]
        said = "; ".join(filter(None, reasons))
        if self.when and not said:
            return ""
        call = f"{tool}({', '.join(f'{name}={_short(value)}' for name, value in arguments.items())})"
        return f"May this happen: {call}?{f' ({said})' if said else ''}"


def _short(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
