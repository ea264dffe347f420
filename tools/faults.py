"""Faults on purpose, so that a person can watch a team replan: rules of a scenario, matched on repaired arguments.

A rule has no memory: whether a call fails depends on the call alone, never on the calls before it or on the host that
makes it, so that a recovered, replayed or forked run meets the same faults.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import to_jsonable_python

from runtime.errors import UsageError
from tools.coerce import coerced
from tools.outcome import GENERAL_CODES
from tools.spec import ToolSpec


class FaultRule(BaseModel):
    """One rule: calls of `tool` whose arguments are as in `when` fail with `error`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    when: dict[str, JsonValue] = {}
    """Argument values that must all be equal; an empty one matches every call."""
    error: str
    """The error code."""
    times: int | None = Field(default=None, ge=1)
    """How many attempts of each matching call fail; None for all of them. With retries, 2 means: the third succeeds."""

    def matches(self, tool: str, args: Mapping[str, JsonValue], attempt: int) -> bool:
        """Whether attempt number `attempt` (from 1) of this call fails."""
        if tool != self.tool or (self.times is not None and attempt > self.times):
            return False
        return all(name in args and args[name] == value for name, value in self.when.items())


@dataclass(frozen=True)
class Faults:
    """The fault rules of a run, in order; the first that matches decides."""

    rules: tuple[FaultRule, ...] = ()

    def rule_for(self, tool: str, args: Mapping[str, JsonValue], attempt: int) -> FaultRule | None:
        """The rule by which attempt number `attempt` (from 1) of this call fails; None when it does not."""
        return next((rule for rule in self.rules if rule.matches(tool, args, attempt)), None)

    def resolved(self, specs: Mapping[str, ToolSpec]) -> Faults:
        """The same rules with their values in the tools' own terms (故宫 → 故宫博物院, dates as ISO text).

        Raises:
            UsageError: a rule names an unknown tool, parameter, value or error code.
        """
        return Faults(tuple(_resolved(rule, f"faults[{at}]", specs) for at, rule in enumerate(self.rules)))


def parse_faults(rows: Sequence[Mapping[str, Any]], where: str = "faults") -> Faults:
    """The rules of a scenario file; `where` names their place in messages.

    Raises:
        UsageError: a row has an unknown or missing field or a value of the wrong type.
    """
    return Faults(tuple(_parsed(row, f"{where}[{at}]") for at, row in enumerate(rows)))


def _parsed(row: Mapping[str, Any], where: str) -> FaultRule:
    try:
        return FaultRule.model_validate(to_jsonable_python(row))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join([where, *(str(part) for part in first["loc"])])
        expected = "expected {tool, when: {argument: value}, error, times}"
        raise UsageError(f"{place}: {first['msg']}; found {first['input']!r}; {expected}") from None


def _resolved(rule: FaultRule, where: str, specs: Mapping[str, ToolSpec]) -> FaultRule:
    spec = specs.get(rule.tool)
    if spec is None:
        raise UsageError(f"{where}.tool: found {rule.tool!r}, expected {nearest(rule.tool, specs)}")
    codes = dict.fromkeys((*GENERAL_CODES, *spec.error_codes))
    if rule.error not in codes:
        raise UsageError(f"{where}.error: found {rule.error!r}, expected {nearest(rule.error, codes)}")
    when = {name: _resolved_value(spec, name, value, f"{where}.when") for name, value in rule.when.items()}
    return rule.model_copy(update={"when": when})


def _resolved_value(spec: ToolSpec, name: str, value: JsonValue, where: str) -> JsonValue:
    fields = spec.args_type.model_fields
    if name not in fields:
        raise UsageError(f"{where}: found {name!r}, expected {nearest(name, fields)}, a parameter of {spec.name}")
    if name in spec.repairers and isinstance(value, str):
        match = spec.repairers[name](value)
        if match.used is None:
            hint = f"; near it: {', '.join(match.candidates)}" if match.candidates else ""
            raise UsageError(f"{where}.{name}: found {value!r}, which {spec.name} does not know{hint}")
        return match.used
    return coerced(fields[name].annotation, value)


def nearest(found: str, known: Mapping[str, object]) -> str:
    """What was probably meant, then all that is known: for messages."""
    near = difflib.get_close_matches(found, list(known), n=1)
    hint = f"{near[0]!r}, or " if near else ""
    return f"{hint}one of {', '.join(known) or '(none)'}"
