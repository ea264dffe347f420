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
from agents.messages import Checked, Review, Verdict
from agents.resting import Stateless
from runtime.errors import StepFailed

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
    ) -> None:
        super().__init__("Criticises plans")
        self._decider = Decider(model, asking or Asking(), (limits or Limits()).repair_turns)
        self._domain = domain

    @message_handler
    async def on_review(self, message: Review, ctx: MessageContext) -> Verdict:
        """The checks, and the amendments that they or the model ask for."""
        checks = self._domain.checks(message.scene, message.plan)
        amendments = self._domain.amendments(message.scene, message.plan)
        if amendments and not message.last:
            return Verdict(checks=checks, amendments=amendments)
        return await self._judge(message, checks, ctx)

    async def _judge(self, message: Review, checks: tuple[Checked, ...], ctx: MessageContext) -> Verdict:
        """The model's judgement as one more check; a judgement that stays invalid is said to be missing."""
        decision = self._domain.judging(message.scene, message.plan)
        dialogue = self._decider.dialogue(decision)
        try:
            judgement, amendments = self._domain.judged(message.scene, await dialogue.answer(ctx.cancellation_token))
        except StepFailed as error:
            log.warning("judgement_missing", reason=str(error))
            judgement, amendments = Checked(name=decision.key, passed=False, detail=str(error)), ()
        return Verdict(checks=(*checks, judgement), amendments=amendments, spent=dialogue.spent)
