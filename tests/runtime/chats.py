"""AgentChat teams with scripted models, for the tests of durable teams; other processes import their functions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, ModelInfo, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient

from runtime.autogen_teams.durable_team import DurableTeam
from runtime.durable import durable, replayed
from runtime.events import AnyEvent, StepStarted
from runtime.journals.sql_journal import SqliteJournal
from runtime.replay import Replayed

INFO: ModelInfo = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "structured_output": True,
    "family": "unknown",
}


def model(*answers: str | CreateResult) -> ReplayChatCompletionClient:
    """A model that gives these answers in order."""
    return ReplayChatCompletionClient(list(answers), model_info=INFO)


def call(*named: tuple[str, str]) -> CreateResult:
    """A model's wish to call tools, each by name and arguments."""
    return CreateResult(
        finish_reason="function_calls",
        content=[FunctionCall(id=str(n), name=name, arguments=given) for n, (name, given) in enumerate(named)],
        usage=RequestUsage(prompt_tokens=1, completion_tokens=1),
        cached=False,
    )


def says(name: str, *answers: str | CreateResult, **options: Any) -> AssistantAgent:
    """An assistant whose model gives these answers."""
    return AssistantAgent(name, model_client=model(*answers), description=name, **options)


def said(result: TaskResult) -> list[tuple[str, str]]:
    """Who said what."""
    return [(message.source, message.to_text()) for message in result.messages if isinstance(message, TextMessage)]


async def double(number: int) -> int:
    """Doubles a number."""
    return 2 * number


def shout(text: str) -> str:
    """Says it louder."""
    return f"{text.upper()}!"


class Theatre:
    """Performs durable teams on a journal of its own, and replays every one."""

    def __init__(self, folder: Path) -> None:
        self.journal = SqliteJournal(folder / "journal.db")

    @asynccontextmanager
    async def playing(
        self, make: Callable[[], BaseGroupChat], run: str = "run", **options: Any
    ) -> AsyncGenerator[DurableTeam]:
        """The team that `make` makes; afterwards its run has ended and replays as it went."""
        async with await durable(make(), run_id=run, journal=self.journal, **options) as team:
            yield team
        await self.replayed(make, run)

    async def replayed(self, make: Callable[[], BaseGroupChat], run: str = "run") -> Replayed:
        """The replay of a run, to its end."""
        again = await replayed(run, make(), journal=self.journal)
        assert again.is_whole
        return again

    async def steps(self, run: str = "run") -> list[StepStarted]:
        """The steps of a run."""
        return [event for event in await self.events(run) if isinstance(event, StepStarted)]

    async def events(self, run: str = "run") -> list[AnyEvent]:
        """The events of a run."""
        return await self.journal.events(run)
