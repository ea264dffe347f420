"""What is known of a tool beside its code: the facts that execution, registry and documents read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, JsonValue, TypeAdapter

from runtime.errors import UsageError
from runtime.events import EffectClass
from tools.approval import Approval

MAX_RETRIES = 3


@dataclass(frozen=True)
class Match:
    """What a repairer found for one value."""

    used: str | None
    """The value that was meant; None when that is not clear."""
    candidates: tuple[str, ...] = ()
    """What it may have meant, nearest first; shown to the model when `used` is None."""


Repairer = Callable[[str], Match]
"""Finds the known value that a text means: pure, and `used` of a known value is that value itself."""


@dataclass(frozen=True)
class RetryPolicy:
    """How transient faults are retried: after `first_wait_s`, then twice as long each time."""

    retries: int = MAX_RETRIES
    first_wait_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.retries <= MAX_RETRIES:
            raise UsageError(f"retries: found {self.retries}, expected 0 to {MAX_RETRIES}")
        if self.first_wait_s < 0:
            raise UsageError(f"first_wait_s: found {self.first_wait_s}, expected 0 or more seconds")


@dataclass(frozen=True)
class Fallback:
    """The tool that is asked when a tool itself fails, and how its arguments come about.

    Arguments are passed by name; `rename` maps this tool's names to the fallback's; names that the fallback does not
    have are left out.
    """

    tool: str
    rename: Mapping[str, str] = field(default_factory=dict[str, str])

    def arguments(self, given: Mapping[str, Any], known: Mapping[str, object]) -> dict[str, JsonValue]:
        """The fallback's arguments out of the given ones; `known` has the fallback's parameters as keys."""
        renamed = {self.rename.get(name, name): value for name, value in given.items()}
        return {name: value for name, value in renamed.items() if name in known}


@dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """All facts about one tool."""

    name: str
    description: str
    """What the tool promises, for the model."""
    args_type: type[BaseModel]
    """The parameters, validated strictly; its JSON schema is what the model sees."""
    result: TypeAdapter[Any]
    """The declared type of the result."""
    effect: EffectClass = "irreversible"
    """What recovery and forks may do with a call; irreversible unless the tool's author says otherwise."""
    error_codes: tuple[str, ...] = ()
    """Codes that this tool reports beside "invalid_arguments", "timeout" and "failed"."""
    timeout_s: float = 30.0
    """The limit of one attempt."""
    retry: RetryPolicy = RetryPolicy()
    fallback: Fallback | None = None
    approval: Approval | None = None
    """When a person must approve a call; None: never."""
    undo: str | None = None
    """The tool that undoes a call of a compensable one; its only required parameter takes the key of that call, its
    `CallId`. It must be safe for a call that has not happened, and for one that it has undone already."""
    repairers: Mapping[str, Repairer] = field(default_factory=dict[str, Repairer])
    """By parameter: finds the known value that was meant."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.repairers if name not in self.args_type.model_fields]
        if unknown:
            raise UsageError(f"tool {self.name!r}: repairer for {unknown[0]!r}, which is not one of its parameters")
        if not self.timeout_s > 0:
            raise UsageError(f"tool {self.name!r}: timeout_s: found {self.timeout_s}, expected more than 0")

    @property
    def is_repeatable(self) -> bool:
        """Whether a call that may have happened may be made again."""
        return self.effect in ("read", "idempotent")
