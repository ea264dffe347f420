"""How much a run may use: checked where a step would start, before it happens. Pure; a part of the sequencer's core.

What is used is counted from the events alone: calls when they start, tokens and money when they complete. Calls under
way count with their prompts' estimated tokens; a call is refused when what was used and the estimate of its own prompt
are more than the limit. What it would write is not known before, so the last call let through may go over by that.
"""

from __future__ import annotations

import msgspec

from runtime.events import AnyEvent, LimitsRaised, RunForked, RunInterrupted, StepCompleted, StepStarted

BYTES_PER_TOKEN = 4
"""How a prompt's tokens are estimated: its bytes in UTF-8, divided by this."""


def estimated_tokens(size_bytes: int) -> int:
    """About how many tokens a prompt of so many bytes has."""
    return -(-size_bytes // BYTES_PER_TOKEN)


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model costs, per million tokens, in the currency of `cost`."""

    input: float = 0.0
    output: float = 0.0

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """The price of one call."""
        return (self.input * input_tokens + self.output * output_tokens) / 1e6


class Budget(msgspec.Struct, frozen=True, omit_defaults=True):
    """The limits of a run; None for what is not limited."""

    model_calls: float | None = None
    tool_calls: float | None = None
    tokens: float | None = None
    """Input and output tokens of all calls together."""
    cost: float | None = None
    """Money, by the prices."""
    prices: dict[str, Price] = {}
    """By the model's name."""


LIMITS = ("model_calls", "tool_calls", "tokens", "cost")
"""The names that `LimitsRaised` may hold."""


class Meter:
    """What a run has used, and whether a step may start."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._open: dict[str, StepStarted] = {}
        self._used: dict[str, float] = dict.fromkeys(LIMITS, 0.0)

    @property
    def used(self) -> dict[str, float]:
        """What was used, by the limits' names, calls under way with their estimates."""
        under_way = [self._estimate(step) for step in self._open.values()]
        return {name: self._used[name] + sum(each.get(name, 0.0) for each in under_way) for name in LIMITS}

    def apply(self, event: AnyEvent) -> None:
        """Counts an event."""
        match event:
            case StepStarted():
                if event.is_metered and event.step not in self._open:
                    self._open[event.step] = event
                    self._count_call(event.kind, 1)
            case StepCompleted():
                if (started := self._open.pop(event.step, None)) is not None:
                    self._count_end(started, event)
            case RunForked():
                self._used.update(dict.fromkeys(LIMITS, 0.0))  # what came before was used by another run
            case LimitsRaised():
                self._budget = msgspec.structs.replace(self._budget, **event.limits)
            case _:
                pass

    def refusal(self, step: StepStarted) -> RunInterrupted | None:
        """Why the step must not start; None when it may."""
        if not step.is_metered:
            return None
        used, wants = self.used, self._estimate(step)
        if step.kind in ("model", "tool"):
            wants[f"{step.kind}_calls"] = 1
        for name, wanted in wants.items():
            limit: float | None = getattr(self._budget, name)
            if limit is not None and used[name] + wanted > limit:
                return RunInterrupted(reason=_words(step, name, used[name], wanted, limit), why="budget")
        return None

    def _count_end(self, started: StepStarted, ended: StepCompleted) -> None:
        if ended.origin != "live":
            self._count_call(started.kind, -1)
            return
        tokens = (ended.usage.get("input_tokens", 0), ended.usage.get("output_tokens", 0))
        self._used["tokens"] += sum(tokens)
        self._used["cost"] += self._price(started).of(*tokens)

    def _count_call(self, kind: str, number: int) -> None:
        if kind == "model":
            self._used["model_calls"] += number
        elif kind == "tool":
            self._used["tool_calls"] += number

    def _estimate(self, step: StepStarted) -> dict[str, float]:
        if step.kind != "model":
            return {}
        return {"tokens": step.tokens, "cost": self._price(step).of(step.tokens, 0)}

    def _price(self, step: StepStarted) -> Price:
        return self._budget.prices.get(step.name, Price())


def _words(step: StepStarted, name: str, used: float, wanted: float, limit: float) -> str:
    about = "about " if name in ("tokens", "cost") else ""
    return (
        f"limits.{name} is {limit:g}: {used:g} used, and the {step.kind} call {step.name!r} "
        f"would take {about}{wanted:g} more"
    )
