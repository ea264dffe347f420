"""One decision of a model: a short prompt, an answer under a JSON schema, and a repair turn for what does not validate.

All agents decide through here. The schema travels as `response_format`, so a server that can decode under it does; the
answer is validated all the same, because not every model can. What the model spent is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog
from autogen_core import CancellationToken
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from agents.domain import Decision
from agents.messages import JsonObject, Spent
from agents.prompts import Prompts
from agents.schema import parse, schema_faults
from runtime.errors import StepFailed

log = structlog.get_logger(__name__)

REPAIR_TEMPERATURE = 0.4
"""At least so much in a repair turn: the same prompt head at 0 tends to the same answer."""

SPEAKER = "decider"


@dataclass(frozen=True)
class Asking:
    """How models are asked."""

    prompts: Prompts = field(default_factory=Prompts)
    """Where the prompts come from."""
    temperature: float = 0.0
    """For decisions that leave it open; what is read out of a text is always read at 0."""
    seed: int | None = 7
    """The sampler's seed; None lets the server choose."""
    max_tokens: int = 1024
    """The longest answer, in tokens; a decision may allow less."""


@dataclass(frozen=True)
class Decider:
    """How an agent decides: its model, how it is asked, and how often an answer may be corrected."""

    model: ChatCompletionClient
    asking: Asking = field(default_factory=Asking)
    repair_turns: int = 2

    def dialogue(self, decision: Decision) -> Dialogue:
        """A decision that may take more than one turn, because somebody else may object to the answer."""
        return Dialogue(self, decision)


class Dialogue:
    """One decision and the turns that it took so far."""

    def __init__(self, decider: Decider, decision: Decision) -> None:
        self._decider = decider
        self._decision = decision
        system, user = decider.asking.prompts.get(decision.prompt).fill(decision.values)
        self._turns: list[LLMMessage] = [SystemMessage(content=system), UserMessage(content=user, source=SPEAKER)]
        self._repairs_left = decider.repair_turns
        self.spent = Spent()

    async def answer(self, token: CancellationToken | None = None) -> JsonObject:
        """The model's next valid answer; invalid ones are objected to.

        Raises:
            StepFailed: when no repair turn is left.
        """
        while True:
            text = await self._ask(token)
            value, faults = self._examine(text)
            if not faults:
                return value
            self.object_to("；".join(faults))

    def object_to(self, complaint: str, narrowed: Decision | None = None) -> None:
        """Adds a repair turn that says what is wrong with the last answer; `narrowed` brings the schema for the next.

        Raises:
            StepFailed: when no repair turn is left.
        """
        log.info("answer_refused", decision=self._decision.key, complaint=complaint)
        if self._repairs_left == 0:
            raise StepFailed(
                f"the model's answer for {self._decision.key!r} stays invalid: {complaint}", "invalid_answer"
            )
        self._repairs_left -= 1
        self._decision = narrowed or self._decision
        _, user = self._decider.asking.prompts.get("repair").fill({"complaint": complaint})
        self._turns.append(UserMessage(content=user, source=SPEAKER))

    async def _ask(self, token: CancellationToken | None) -> str:
        repairs = self._decider.repair_turns - self._repairs_left
        result = await self._decider.model.create(
            self._turns,
            extra_create_args=create_args(self._decision, self._decider.asking, repairs),
            cancellation_token=token,
        )
        self._count(result)
        text = result.content if isinstance(result.content, str) else ""
        self._turns.append(AssistantMessage(content=text, source=SPEAKER))
        return text

    def _examine(self, text: str) -> tuple[JsonObject, list[str]]:
        value = parse(text)
        if value is None:
            return {}, ["答案不是完整的 JSON 对象，请更简短"]
        faults = schema_faults(value, self._decision.schema)
        return value, faults or self._decision.faults(value)

    def _count(self, result: CreateResult) -> None:
        usage = result.usage
        self.spent = self.spent.plus(
            Spent(model_calls=1, input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
        )


def create_args(decision: Decision, asking: Asking, repairs: int) -> dict[str, object]:
    """What goes to the server beside the messages, for the answer after so many repair turns."""
    temperature = asking.temperature if decision.temperature is None else decision.temperature
    schema = {"name": "answer", "schema": decision.schema, "strict": True}
    return {
        "response_format": {"type": "json_schema", "json_schema": schema},
        "temperature": max(temperature, REPAIR_TEMPERATURE) if repairs else temperature,
        "max_tokens": min(decision.max_tokens, asking.max_tokens),
        **({} if asking.seed is None else {"seed": asking.seed + repairs}),
    }
