"""The agent that stands for a whole team: AgentChat's own team object, fed by messages instead of a queue in memory.

It lives where the driver lives. Tasks, resets, pauses and states are the driver's messages to it; the team's manager
sends it what the team says. `run_stream` and all the rest are AutoGen's own code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_agentchat.teams._group_chat import _events as events
from autogen_core import AgentId, CancellationToken

from runtime.autogen_teams.asked import (
    StateAsked,
    StateGiven,
    TaskGiven,
    TeamPaused,
    TeamReset,
    TeamResumed,
    TerminationSet,
    TokenCancelled,
)
from runtime.autogen_teams.letters import ChatLetters, Said
from runtime.autogen_teams.member import KEY, MemberRuntime, Tokens
from runtime.team import Incoming

Listener = Callable[[str, int, Said], None]
"""Is shown what a team says: the message that gave the task, how many were shown of it before, and what is said."""

listeners: dict[str, Listener] = {}
"""The listeners of the runs that this process drives, by run."""


class Front:
    """A team as one agent."""

    def __init__(self, team: BaseGroupChat, letters: ChatLetters, listener: Listener | None) -> None:
        self.agent: Any = team
        self._letters = letters
        self._listener = listener
        self._tokens = Tokens()
        self._runtime = MemberRuntime(letters, self._tokens)
        self._said: asyncio.Queue[Any] = asyncio.Queue()
        self.agent._runtime, self.agent._embedded_runtime, self.agent._initialized = self._runtime, False, True
        self.agent._output_message_queue = self._said

    async def receive(self, incoming: Incoming) -> bytes:
        """Does what the driver asks, or takes up what the team says."""
        return self._letters.encode(await self._answer(self._letters.decode(incoming.payload), incoming))

    async def _answer(self, message: Any, incoming: Incoming) -> Any:
        team = self.agent
        match message:
            case events.GroupChatMessage(message=said):
                self._take(said)
            case events.GroupChatTermination():
                self._take(message)
            case TaskGiven():
                return await self._perform(message, incoming)
            case StateAsked():
                return dict(await team.save_state())
            case StateGiven(state=state):
                await team.load_state(state)
            case TeamReset():
                await team.reset()
            case TeamPaused():
                await team.pause()
            case TeamResumed():
                await team.resume()
            case TerminationSet():
                manager = AgentId(team._group_chat_manager_topic_type, KEY)
                await self._runtime.send_message(message, manager)
            case TokenCancelled():
                pass
            case _:
                raise TypeError(f"the team does not understand a {type(message).__name__}")
        return None

    def _take(self, said: Any) -> None:
        """What comes when no task is under way was left over by one that has ended."""
        if self.agent._is_running:
            self._said.put_nowait(said)

    async def _perform(self, given: TaskGiven, incoming: Incoming) -> Any:
        token = self._tokens.named(incoming.message)
        incoming.cancelled.listen(lambda: self._cancel(incoming.message, token))
        stream = self.agent.run_stream(
            task=self._task(given), cancellation_token=token, output_task_messages=given.output_task_messages
        )
        number, result = 0, None
        async for said in stream:
            if isinstance(said, TaskResult):
                result = self._letters.dump_result(said)
            else:
                self._show(incoming.message, number, said)
                number += 1
        self._tokens.forget(incoming.message)
        return result

    def _task(self, given: TaskGiven) -> Any:
        if given.text is not None:
            return [TextMessage(content=given.text, source="user")]
        return None if given.messages is None else [self._letters.load(said) for said in given.messages]

    def _show(self, message: str, number: int, said: Said) -> None:
        if self._listener is not None:
            self._listener(message, number, said)

    def _cancel(self, name: str, token: CancellationToken) -> None:
        self._runtime.cancel(name)
        token.cancel()
