from __future__ import annotations

import pytest
from autogen_core import AgentId, SingleThreadedAgentRuntime

from agents.messages import Question, Reply
from agents.person import Ask, Person
from runtime.errors import MissingInput

WHEN = Question(field="start_date", text="When?")


async def asked(ask: Ask, *questions: Question) -> list[Reply]:
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    await Person.register(runtime, "person", lambda: Person(ask))
    runtime.start()
    try:
        return [await runtime.send_message(question, AgentId("person", "default")) for question in questions]
    finally:
        await runtime.stop()


async def test_the_answer_comes_back_without_spaces_around_it() -> None:
    async def ask(_question: str) -> str:
        return " 12月5日\n"

    assert await asked(ask, WHEN) == [Reply(text="12月5日")]


async def test_the_same_question_is_asked_once() -> None:
    seen: list[str] = []

    async def ask(question: str) -> str:
        seen.append(question)
        return "tomorrow"

    assert await asked(ask, WHEN, WHEN) == [Reply(text="tomorrow")] * 2
    assert seen == ["When?"]


async def test_nobody_to_ask_names_the_missing_field() -> None:
    async def ask(_question: str) -> None:
        return None

    with pytest.raises(MissingInput, match="--input start_date=VALUE") as missing:
        await asked(ask, WHEN)
    assert missing.value.field == "start_date"


async def test_the_answers_survive_sleep() -> None:
    async def ask(_question: str) -> None:
        return None

    runtime = SingleThreadedAgentRuntime()
    await Person.register(runtime, "person", lambda: Person(ask))
    person = await runtime.try_get_underlying_agent_instance(AgentId("person", "default"), Person)
    await person.load_state({"answers": {"When?": "today"}})
    assert await person.save_state() == {"answers": {"When?": "today"}}
    runtime.start()
    assert await runtime.send_message(WHEN, AgentId("person", "default")) == Reply(text="today")
    await runtime.stop()
