"""The person as an agent: questions go to whoever sits at the terminal, and each is asked once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from autogen_core import MessageContext, RoutedAgent, message_handler

from agents.messages import Question, Reply
from runtime.errors import MissingInput

Ask = Callable[[str], Awaitable[str | None]]
"""Shows a question and returns the answer; None when nobody is there."""


class Person(RoutedAgent):
    """Asks, and remembers what was answered."""

    def __init__(self, ask: Ask) -> None:
        super().__init__("The person whose request it is")
        self._ask = ask
        self._answers: dict[str, str] = {}

    @message_handler
    async def on_question(self, message: Question, ctx: MessageContext) -> Reply:
        """The person's answer; a question that was answered before is not asked again.

        Raises:
            MissingInput: when nobody is there, or the answer is empty; it names the field.
        """
        if message.text not in self._answers:
            answer = (await self._ask(message.text) or "").strip()
            if not answer:
                raise MissingInput(
                    f"the request does not say {message.field!r} and nobody could be asked ({message.text}): "
                    f"say it in the request, or give it with --input {message.field}=VALUE",
                    field=message.field,
                )
            self._answers[message.text] = answer
        return Reply(text=self._answers[message.text])

    async def save_state(self) -> Mapping[str, Any]:
        """The answers by question."""
        return {"answers": dict(self._answers)}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes the answers of a saved state."""
        self._answers = {str(question): str(answer) for question, answer in state["answers"].items()}
