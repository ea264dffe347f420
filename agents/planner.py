"""The planner leads the cast: perceive, recall, plan, execute, choose, have it criticised, repair, answer, remember.

It reaches the others through messages alone, and the world through its model. What is decided, the model decides;
which decisions there are and what they lead to, the domain says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar, cast

import structlog
from autogen_core import AgentId, MessageContext, TopicId, message_handler
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import Tool
from pydantic import BaseModel

from agents.case import SUBTASKS, Case, Draft, graph_decision
from agents.decide import Asking, Decider
from agents.domain import Booking, Decision, Domain
from agents.graph import in_order
from agents.limits import Limits
from agents.messages import (
    Amendment,
    Answer,
    Assignment,
    Call,
    Finding,
    JsonObject,
    LookUp,
    Phase,
    Progress,
    Question,
    Recall,
    Recollection,
    Remember,
    Remembered,
    Reply,
    Request,
    Review,
    Scene,
    Subtask,
    Verdict,
)
from agents.resting import Stateless
from runtime import clock
from runtime.board import JournaledBoard
from runtime.errors import MissingInput, StepFailed

log = structlog.get_logger(__name__)

R = TypeVar("R", bound=BaseModel)

PROGRESS = TopicId("progress", "default")
"""Where progress is published."""


class Planner(Stateless):
    """Answers a `Request` with an `Answer`."""

    def __init__(
        self,
        model: ChatCompletionClient,
        domain: Domain,
        tools: Sequence[Tool] = (),
        *,
        limits: Limits | None = None,
        asking: Asking | None = None,
        board: JournaledBoard | None = None,
    ) -> None:
        """With a `board`, what is known goes to the critic over the run's blackboard instead of in the message."""
        super().__init__("Plans, delegates, and composes the answer")
        self._board = board
        self._domain = domain
        self._tools = [tool.schema for tool in tools]
        self._limits = limits or Limits()
        self._decider = Decider(model, asking or Asking(), self._limits.repair_turns)

    @message_handler
    async def on_request(self, message: Request, ctx: MessageContext) -> Answer:
        """The whole result.

        Raises:
            MissingInput: when something needed is missing and nobody could be asked.
            StepFailed: when the model cannot read the request or cannot plan.
        """
        started_s = clock.time_s()
        case = Case(message, ctx.cancellation_token)
        await self._perceive(case)
        await self._recall(case)
        await self._investigate(case)
        draft = await self._draft(case)
        conclusion = draft.conclusion(case.spent, clock.time_s() - started_s)
        await self._progress("remember")
        episode, preferences = self._domain.lessons(conclusion)
        await self._tell(case, "retriever", Remember(episode=episode, preferences=preferences), Remembered)
        result = self._domain.result(conclusion)
        return Answer(result=await self._book(case, draft, result))

    # Book

    async def _book(self, case: Case, draft: Draft, result: JsonObject) -> JsonObject:
        """The result with the bookings of a plan that passed every check, one after the other; what fails is told."""
        if draft.failed or not isinstance(self._domain, Booking):
            return result
        decision = self._domain.booking(draft.scene, draft.plan)
        if decision is None:
            return result
        await self._progress("book", decision.key)
        answer = await self._decide_or_leave(case, decision)
        findings = [
            await self._tell(case, "executor", LookUp(calls=(call,)), Finding, self._executor(0))
            for call in self._domain.bookings(draft.scene, draft.plan, answer)
        ]
        return self._domain.booked(result, findings)

    # Perceive

    async def _perceive(self, case: Case) -> None:
        """Reads the request into a task; asks the person for what is missing and reads again."""
        await self._progress("perceive", case.request.text)
        request = case.request
        for _ in range(1 + self._limits.questions):
            perceived = await self._decide(case, self._domain.perceiving(request, clock.today()))
            reading = self._domain.read(perceived, request, clock.today())
            if reading.task is not None:
                case.know(task=reading.task)
                return
            request = await self._asked(case, request, reading.missing)
        raise MissingInput("the request is still not complete after all questions", field="request")

    async def _asked(self, case: Case, request: Request, missing: Sequence[Question]) -> Request:
        """The request with the person's answers added."""
        text = request.text
        for question in missing:
            await self._progress("ask", question.text)
            reply = await self._tell(case, "person", question, Reply)
            text += f"\n{question.text}{reply.text}"
        return request.model_copy(update={"text": text})

    # Plan and execute

    async def _recall(self, case: Case) -> None:
        text = self._domain.recall_text(case.scene.task)
        await self._progress("recall", text)
        memories = await self._tell(case, "retriever", Recall(text=text), Recollection)
        case.know(memories=memories)

    async def _investigate(self, case: Case) -> None:
        """Plans subtasks and has them done; plans again while the facts leave gaps, `limits.rounds` times in all."""
        await self._plan(case)
        while (gaps := self._domain.gaps(case.scene)) and case.replans < self._limits.rounds:
            case.amend(gaps)
            await self._replan(case)

    async def _replan(self, case: Case) -> None:
        case.replans += 1
        await self._plan(case)

    async def _plan(self, case: Case) -> None:
        """One decision on subtasks, carried out."""
        decision = graph_decision(self._domain, case.scene, self._tools, self._limits)
        await self._progress("plan", decision.key)
        subtasks = self._domain.subtasks(await self._decide(case, decision))
        case.plan(subtasks)
        await self._execute(case, subtasks)

    async def _execute(self, case: Case, subtasks: Sequence[Subtask]) -> None:
        """Has every subtask done as soon as those that it needs are done."""
        tasks: dict[str, asyncio.Task[Finding]] = {}
        for place, subtask in enumerate(in_order(subtasks)):
            needed = [tasks[need] for need in subtask.needs]
            tasks[subtask.id] = asyncio.create_task(self._assign(case, subtask, needed, place))
        for finding in await _all(list(tasks.values())):
            case.take(finding)

    async def _assign(
        self, case: Case, subtask: Subtask, needed: Sequence[asyncio.Task[Finding]], place: int
    ) -> Finding:
        findings = [await task for task in needed]
        await self._progress("execute", f"{subtask.id} {subtask.goal}")
        facts = tuple(fact for finding in findings for fact in finding.facts)
        scene = Scene(task=case.scene.task, memories=case.scene.memories, facts=facts)
        assignment = Assignment(scene=scene, subtask=subtask)
        return await self._tell(case, "executor", assignment, Finding, self._executor(place))

    async def _look_up(self, case: Case, calls: Sequence[Call]) -> None:
        """Has the calls made, shared among the executors."""
        await self._progress("look_up", f"{len(calls)}")
        shares = [calls[place :: self._limits.executors] for place in range(self._limits.executors)]
        tasks = [
            asyncio.create_task(
                self._tell(case, "executor", LookUp(calls=tuple(share)), Finding, self._executor(place))
            )
            for place, share in enumerate(shares)
            if share
        ]
        for finding in await _all(tasks):
            case.take(finding)

    # Draft and repair

    async def _draft(self, case: Case) -> Draft:
        """The best of at most 1 + `limits.rounds` drafts: the one with the fewest failed checks, the later of two."""
        drafts = [await self._draft_once(case)]
        for _ in range(self._limits.rounds):
            if not await self._amend(case, drafts[-1].verdict.amendments):
                break
            drafts.append(await self._draft_once(case))
        best = min(reversed(drafts), key=lambda draft: draft.failed)
        if best.verdict.amendments:
            verdict = await self._review(case, Review(scene=best.scene, plan=best.plan, last=True))
            return Draft(best.scene, best.plan, verdict)
        return best

    async def _draft_once(self, case: Case) -> Draft:
        """Makes all open choices, fetches what they need, composes and has it criticised."""
        while True:
            while calls := case.unasked(self._domain.look_ups(case.scene)):
                await self._look_up(case, calls)
            decision = self._domain.choosing(case.scene)
            if decision is None:
                break
            case.choose(decision.key, await self._decide_or_leave(case, decision))
        plan = self._domain.compose(case.scene)
        verdict = await self._review(case, Review(scene=case.scene, plan=plan))
        return Draft(case.scene, plan, verdict)

    async def _amend(self, case: Case, amendments: Sequence[Amendment]) -> bool:
        """Reopens what the amendments want decided again, and has more found out where they ask for it.

        False when nothing can be decided anew.
        """
        case.amend(amendments)
        choices = self._domain.reopen(case.scene, amendments)
        wants_more = any(amendment.decision == SUBTASKS for amendment in amendments)
        does_replan = wants_more and case.replans < self._limits.rounds
        is_reopened = choices != case.scene.choices
        case.know(choices=choices)
        if does_replan:
            await self._replan(case)
        return is_reopened or does_replan

    async def _review(self, case: Case, review: Review) -> Verdict:
        await self._progress("review")
        if self._board is not None and isinstance(review.scene, Scene):
            posted = await self._board.post("scene", review.scene.model_dump(mode="json"))
            review = review.model_copy(update={"scene": posted})
        verdict = await self._tell(case, "critic", review, Verdict)
        case.pay(verdict.spent)
        for amendment in verdict.amendments:
            log.info("amendment", decision=amendment.decision, text=amendment.text)
        return verdict

    # Model and messages

    async def _decide(self, case: Case, decision: Decision) -> JsonObject:
        """The model's valid answer. Raises: StepFailed."""
        dialogue = self._decider.dialogue(decision)
        try:
            return await dialogue.answer(case.token)
        finally:
            case.pay(dialogue.spent)

    async def _decide_or_leave(self, case: Case, decision: Decision) -> JsonObject:
        """The model's choice; nothing when it stays invalid, so that the checks can say what is missing."""
        await self._progress("choose", decision.key)
        try:
            return await self._decide(case, decision)
        except StepFailed as error:
            log.warning("choice_left_open", decision=decision.key, reason=str(error))
            return {}

    async def _tell(self, case: Case, agent: str, message: BaseModel, reply: type[R], key: str = "default") -> R:
        """The other agent's answer, which is a `reply`."""
        return cast(R, await self.send_message(message, AgentId(agent, key), cancellation_token=case.token))

    def _executor(self, place: int) -> str:
        return str(place % self._limits.executors + 1)

    async def _progress(self, phase: Phase, detail: str = "") -> None:
        await self.publish_message(Progress(agent=str(self.id), phase=phase, detail=detail), PROGRESS)


async def _all(tasks: Sequence[asyncio.Task[Finding]]) -> list[Finding]:
    """The results in order; when one fails, the others are cancelled and its error is raised as it is."""
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
