"""Two long conversations that make journals of other systems grow with their square, performed without a model.

`growing`: one handler calls a model and a tool in turns, each time with all that was said before. `chat`: two agents
exchange messages, and one of them answers each with a model call over the whole talk. All texts are made up, distinct,
and about as compressible as English.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import cast

from autogen_core import AgentId, CancellationToken, MessageContext, RoutedAgent, rpc
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from runtime.autogen import TeamBuilder
from runtime.codec import Json, canonical
from runtime.events import AgentName
from runtime.journaled import JournaledModel, JournaledTool
from runtime.performance import Performance
from runtime.team import Resources, Team, TeamSpec

TOKEN_BYTES = 4
"""Bytes of text per token, about, for English."""


class Talk(BaseModel):
    """What to perform: the conversation, its turns, and the tokens of what comes in and of what the model answers."""

    kind: str
    turns: int
    tokens_in: int
    tokens_out: int

    @property
    def distinct_bytes(self) -> int:
        """The bytes of all texts, each counted once: what a journal cannot do without."""
        prose = Prose(0)
        texts = [prose.text(SYSTEM_TOKENS)]
        for seed in (1, 2):
            prose = Prose(seed)
            texts += [prose.text(self.tokens_in if seed == 1 else self.tokens_out) for _ in range(self.turns)]
        return sum(map(len, texts))

    @property
    def prompt_bytes(self) -> int:
        """The bytes of all prompts as they are sent: what a journal costs that writes each of them whole."""
        per_turn = (self.tokens_in + self.tokens_out) * TOKEN_BYTES
        return self.turns * SYSTEM_TOKENS * TOKEN_BYTES + per_turn * self.turns * (self.turns + 1) // 2


SYSTEM_TOKENS = 500


class Prose:
    """Texts of made-up words, where the n-th word comes 1/n as often as the first."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._words = _words()
        self._weights = list(accumulate(1 / rank for rank in range(1, len(self._words) + 1)))

    def text(self, tokens: int) -> str:
        """A text of so many tokens."""
        size = tokens * TOKEN_BYTES
        words = self._random.choices(self._words, cum_weights=self._weights, k=size // 3)
        return " ".join(words)[:size]


@cache
def _words() -> list[str]:
    """All words there are; made once, since no talk is about making words."""
    letters = random.Random(7)
    return ["".join(letters.choices("etaoinshrdlucmfwypvbgk", k=letters.randint(2, 9))) for _ in range(8000)]


class Said(BaseModel):
    """A message with a text."""

    text: str


class Reader(RoutedAgent):
    """Calls a model and reads a document in turns; the prompt holds all of it."""

    def __init__(self, talk: Talk, model: JournaledModel, tool: JournaledTool) -> None:
        super().__init__("reads")
        self._talk = talk
        self._model = model
        self._tool = tool

    @rpc
    async def on_message_said(self, message: Said, ctx: MessageContext) -> Said:
        """Takes all turns in one delivery."""
        prompt: list[LLMMessage] = [SystemMessage(content=Prose(0).text(SYSTEM_TOKENS))]
        for turn in range(self._talk.turns):
            found = await self._tool.run_json({"page": turn}, CancellationToken())
            result = FunctionExecutionResult(content=found["text"], name="read", call_id=str(turn), is_error=False)
            prompt.append(FunctionExecutionResultMessage(content=[result]))
            answer = await self._model.create(prompt, tools=[self._tool])
            prompt.append(AssistantMessage(content=cast(str, answer.content), source="reader"))
        return Said(text="read")


class Writer(RoutedAgent):
    """Says something new in each turn and waits for the answer."""

    def __init__(self, talk: Talk) -> None:
        super().__init__("writes")
        self._talk = talk

    @rpc
    async def on_message_said(self, message: Said, ctx: MessageContext) -> Said:
        """Takes all turns."""
        prose = Prose(1)
        for _ in range(self._talk.turns):
            await self.send_message(Said(text=prose.text(self._talk.tokens_in)), AgentId("answerer", "default"))
        return Said(text="written")


class Answerer(RoutedAgent):
    """Answers each message with a model call over all that was said."""

    def __init__(self, model: JournaledModel) -> None:
        super().__init__("answers")
        self._model = model
        self._prompt: list[LLMMessage] = [SystemMessage(content=Prose(0).text(SYSTEM_TOKENS))]

    @rpc
    async def on_message_said(self, message: Said, ctx: MessageContext) -> Said:
        """One turn."""
        self._prompt.append(UserMessage(content=message.text, source="writer"))
        content = cast(str, (await self._model.create(self._prompt)).content)
        self._prompt.append(AssistantMessage(content=content, source="answerer"))
        return Said(text=content)


@dataclass
class Pages:
    """The documents that the reader reads."""

    prose: Prose
    tokens: int

    def read(self, page: int) -> dict[str, str]:
        """Gives a page's text."""
        return {"text": self.prose.text(self.tokens)}


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The team of a talk."""
    talk = Talk.model_validate(config)
    answers = Prose(2)
    scripted = ReplayChatCompletionClient([answers.text(talk.tokens_out) for _ in range(talk.turns)])
    model = JournaledModel(scripted, "scripted")
    pages = Pages(Prose(1), talk.tokens_in)
    tool = JournaledTool(FunctionTool(pages.read, "Gives a page's text.", name="read"), "read")
    builder = TeamBuilder()
    builder.add("growing", Reader, lambda: Reader(talk, model, tool))
    builder.add("chat", Writer, lambda: Writer(talk))
    builder.add("answerer", Answerer, lambda: Answerer(model))
    return builder.team()


def performance(talk: Talk) -> Performance:
    """The talk as a run."""
    spec = TeamSpec(talk.kind, f"{__name__}:build", talk.model_dump())
    payload = canonical({"type": "Said", "data": {"text": "begin"}})
    return Performance(f"{talk.kind}-{talk.turns}", spec, AgentName(talk.kind), payload)
