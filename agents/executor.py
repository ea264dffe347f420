"""The executor: turns a subtask into a tool's call, corrects itself, falls back on the alternative, and reports.

Which tool with which arguments is the model's decision, under a schema that the domain narrows. A tool that answers
"retry" gives the model a correction; a tool that fails gives the subtask's alternative its turn; what is left is told
to the planner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from autogen_core import CancellationToken, MessageContext, message_handler
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import Tool
from pydantic import TypeAdapter

from agents.decide import Asking, Decider
from agents.domain import Domain
from agents.limits import Limits
from agents.messages import Assignment, Call, Fact, Failure, Finding, LookUp, Spent, Subtask
from agents.outcome import Outcome, read_outcome
from agents.resting import Stateless
from runtime.errors import StepFailed

log = structlog.get_logger(__name__)

_CALL: TypeAdapter[Call] = TypeAdapter(Call)


class Executor(Stateless):
    """Does one subtask or a batch of look-ups per message."""

    def __init__(
        self,
        model: ChatCompletionClient,
        domain: Domain,
        tools: Sequence[Tool],
        *,
        limits: Limits | None = None,
        asking: Asking | None = None,
    ) -> None:
        super().__init__("Carries out subtasks with tools")
        self._decider = Decider(model, asking or Asking(), (limits or Limits()).repair_turns)
        self._domain = domain
        self._tools = {tool.name: tool for tool in tools}

    @message_handler
    async def on_assignment(self, message: Assignment, ctx: MessageContext) -> Finding:
        """What the subtask found; with its alternative when it failed itself."""
        finding = await self._attempt(message, ctx.cancellation_token)
        if not finding.failures:
            return finding
        alternative = self._domain.alternative(message.subtask, finding.failures[-1])
        if alternative is None:
            return finding
        log.info("alternative_taken", subtask=message.subtask.id, alternative=alternative.about)
        second = await self._attempt(message.model_copy(update={"subtask": alternative}), ctx.cancellation_token)
        return _both(finding, second)

    @message_handler
    async def on_look_up(self, message: LookUp, ctx: MessageContext) -> Finding:
        """What the calls found, in their order."""
        outcomes = await asyncio.gather(*(self._call(call, ctx.cancellation_token) for call in message.calls))
        pairs = list(zip(message.calls, outcomes, strict=True))
        return Finding(
            facts=tuple(outcome.fact(call) for call, outcome in pairs if outcome.status == "ok"),
            failures=tuple(outcome.failure(call) for call, outcome in pairs if outcome.status != "ok"),
            spent=Spent(tool_calls=len(pairs)),
        )

    async def _attempt(self, assignment: Assignment, token: CancellationToken) -> Finding:
        """One decision on tool and arguments, with as many corrections as the repair turns allow."""
        subtask, scene = assignment.subtask, assignment.scene
        tools = [self._tools[name].schema for name in self._domain.tools_for(subtask) if name in self._tools]
        if not tools:
            return Finding(failures=(_no_tool(subtask),))
        dialogue = self._decider.dialogue(self._domain.acting(scene, subtask, tools))
        refusals: list[Failure] = []
        try:
            while True:
                call = _CALL.validate_python(await dialogue.answer(token))
                outcome = await self._call(call, token)
                if outcome.status != "retry":
                    spent = dialogue.spent.plus(Spent(tool_calls=len(refusals) + 1))
                    return self._finding(subtask, call, outcome, spent)
                refusals.append(outcome.failure(call))
                again = scene.model_copy(update={"failures": tuple(refusals)})
                dialogue.object_to(refusals[-1].message, self._domain.acting(again, subtask, tools))
        except StepFailed as error:
            invalid = Failure(tool=subtask.tool, arguments={}, code=error.code, message=str(error))
            last = refusals[-1] if refusals else invalid
            return Finding(failures=(last,), spent=dialogue.spent.plus(Spent(tool_calls=len(refusals))))

    def _finding(self, subtask: Subtask, call: Call, outcome: Outcome, spent: Spent) -> Finding:
        if outcome.status == "failed":
            return Finding(failures=(outcome.failure(call),), spent=spent)
        fact: Fact = outcome.fact(call)
        shortfall = self._domain.shortfall(subtask, fact)
        return Finding(facts=(fact,), failures=() if shortfall is None else (shortfall,), spent=spent)

    async def _call(self, call: Call, token: CancellationToken) -> Outcome:
        if call.tool not in self._tools:
            raise StepFailed(
                f"there is no tool {call.tool!r}; there are: {', '.join(sorted(self._tools))}", "not_found"
            )
        return read_outcome(await self._tools[call.tool].run_json(call.arguments, token))


def _both(first: Finding, second: Finding) -> Finding:
    return Finding(
        facts=(*first.facts, *second.facts),
        failures=(*first.failures, *second.failures),
        spent=first.spent.plus(second.spent),
    )


def _no_tool(subtask: Subtask) -> Failure:
    return Failure(tool=subtask.tool, arguments={}, code="not_found", message=f"there is no tool {subtask.tool!r}")
