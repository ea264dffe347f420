"""The critic: the domain's computed checks first, then the model's judgement of the whole.

A failed check goes back as a concrete amendment; the model is asked only about a plan for which no amendment is left,
since a plan that is to be changed anyway need not be judged.
"""

from __future__ import annotations

import structlog
from autogen_core import MessageContext, message_handler
from autogen_core.models import ChatCompletionClient

from agents.decide import Asking, Decider
from agents.domain import Domain
from agents.limits import Limits
from agents.messages import Checked, JsonObject, Review, Scene, Verdict
from agents.resting import Stateless
from runtime.board import JournaledBoard
from runtime.errors import StepFailed, UsageError

log = structlog.get_logger(__name__)


class Critic(Stateless):
    """Judges one plan per message."""

    def __init__(
        self,
        model: ChatCompletionClient,
        domain: Domain,
        *,
        limits: Limits | None = None,
        asking: Asking | None = None,
        board: JournaledBoard | None = None,
    ) -> None:
        super().__init__("Criticises plans")
        self._decider = Decider(model, asking or Asking(), (limits or Limits()).repair_turns)
        self._domain = domain
        self._board = board

    @message_handler
    async def on_review(self, message: Review, ctx: MessageContext) -> Verdict:
        """The checks, and the amendments that they or the model ask for."""
        scene = await self._scene(message)
        checks = self._domain.checks(scene, message.plan)
        amendments = self._domain.amendments(scene, message.plan)
        if amendments and not message.last:
            return Verdict(checks=checks, amendments=amendments)
        return await self._judge(scene, message.plan, checks, ctx)

    async def _scene(self, message: Review) -> Scene:
        """What is known: in the message itself, or fetched from the blackboard.

        Raises:
            UsageError: it lies on a blackboard, and this critic was given none.
        """
        if isinstance(message.scene, Scene):
            return message.scene
        if self._board is None:
            raise UsageError("a review names its scene on a blackboard; the critic was made without one")
        return Scene.model_validate(await self._board.fetch(message.scene))

    async def _judge(self, scene: Scene, plan: JsonObject, checks: tuple[Checked, ...], ctx: MessageContext) -> Verdict:
        """The model's judgement as one more check; a judgement that stays invalid is said to be missing."""
        decision = self._domain.judging(scene, plan)
        dialogue = self._decider.dialogue(decision)
        try:
            judgement, amendments = self._domain.judged(scene, await dialogue.answer(ctx.cancellation_token))
        except StepFailed as error:
            log.warning("judgement_missing", reason=str(error))
            judgement, amendments = Checked(name=decision.key, passed=False, detail=str(error)), ()
        return Verdict(checks=(*checks, judgement), amendments=amendments, spent=dialogue.spent)
