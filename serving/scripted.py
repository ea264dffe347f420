"""A model that answers what somebody wrote down before: for tests, and to watch a team with a model that plans badly.

A script file has one rule a line, a JSON object:

    {"answer": "…"}                       the next answer in order, given once
    {"when": "故宫", "answer": {"ok": true}}   given whenever the last user message contains these words
    {"when": "故宫", "answer": "…", "times": 1}   given so often, then the rules after it are asked

For each request the rules with `when` are asked first, in the file's order; then the answers in order are used up. An
answer that is no string is given as JSON. Empty lines and lines that begin with # are skipped. Each client counts for
itself, and every agent has a client of its own: scripts for several agents should use `when`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

from autogen_core.models import CreateResult, LLMMessage, RequestUsage, UserMessage
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from runtime.codec import canonical
from runtime.errors import RunError
from serving.canned import CannedModel, Request
from serving.json_lines import read_lines
from serving.tokens import tokens_of_prompt, tokens_of_text

SHOWN = 200
"""How many characters of a message an error shows."""

Answers = Sequence[str] | Callable[[Sequence[LLMMessage]], str]
"""Answers in order, or what makes one of the messages."""


class ScriptExhausted(RunError):
    """The script has no answer left for a request."""


class Rule(BaseModel):
    """One line of a script."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    answer: JsonValue
    """What the model says; anything but a string is said as JSON."""
    when: str | None = Field(default=None, min_length=1)
    """Words that the last user message must contain; None for an answer in order."""
    times: int | None = Field(default=None, ge=1)
    """How often the rule answers; by default once in order, and without end with `when`."""

    @property
    def text(self) -> str:
        """The answer as the model says it."""
        return self.answer if isinstance(self.answer, str) else canonical(self.answer).decode()

    @property
    def uses(self) -> float:
        """How often it may be used."""
        return self.times or (1 if self.when is None else float("inf"))


class ScriptedModel(CannedModel):
    """A model client that answers from a script; what it spends is estimated."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._say = answers if callable(answers) else _Script(Rule(answer=answer) for answer in answers).say

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """The model of a script file.

        Raises:
            UsageError: the file cannot be read, or a line is no rule; the message names file, line and field.
        """
        return cls(_Script(rule for _, rule in read_lines(path, Rule)).say)

    def answer(self, request: Request) -> CreateResult:
        """The script's answer.

        Raises:
            ScriptExhausted: there is none.
        """
        text = self._say(request.messages)
        usage = RequestUsage(tokens_of_prompt(request.messages, request.tools), tokens_of_text(text))
        return CreateResult(finish_reason="stop", content=text, usage=usage, cached=False)


class _Script:
    """Rules, and how often each was used."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = sorted(rules, key=lambda rule: rule.when is None)
        self._left = [rule.uses for rule in self._rules]

    def say(self, messages: Sequence[LLMMessage]) -> str:
        """The answer of the first rule that fits; it is used once more."""
        asked = last_user_text(messages)
        for index, rule in enumerate(self._rules):
            if self._left[index] and (rule.when is None or rule.when in asked):
                self._left[index] -= 1
                return rule.text
        raise ScriptExhausted(self._complaint(asked))

    def _complaint(self, asked: str) -> str:
        ordered = sum(rule.when is None for rule in self._rules)
        return (
            f"the scripted model has no answer left: its {ordered} answers in order are used up and none of its "
            f"{len(self._rules) - ordered} rules fits the message {asked[:SHOWN]!r}; add a line for it to the script"
        )


def last_user_text(messages: Sequence[LLMMessage]) -> str:
    """What the last user message says; empty when there is none."""
    for message in reversed(messages):
        if isinstance(message, UserMessage):
            parts = [message.content] if isinstance(message.content, str) else message.content
            return "\n".join(part for part in parts if isinstance(part, str))
    return ""
