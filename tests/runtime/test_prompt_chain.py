"""A prompt comes back from its links, and a conversation that grows costs only what is new."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from hypothesis import given
from hypothesis import strategies as st

from runtime.blobs import Payload, digest
from runtime.codec import Json
from runtime.errors import CorruptEvent
from runtime.hosting.link_book import Chained, LinkBook
from runtime.journal import MemoryJournal
from runtime.journaled import message_key
from runtime.prompt_chain import chain, read_chain, unchain

kinds = st.sampled_from(["UserMessage", "AssistantMessage"])
messages = st.lists(st.fixed_dictionaries({"content": st.text(max_size=9), "type": kinds}), max_size=6)


@given(messages)
def test_a_prompt_comes_back_as_it_was(prompt: list[Json]) -> None:
    head, blobs = chain(prompt)
    assert unchain(head, blobs.__getitem__) == prompt
    assert all(digest(data) == name for name, data in blobs.items())


@pytest.mark.slow
@given(messages, messages, messages)
def test_prompts_share_their_equal_beginnings(common: list[Json], one: list[Json], other: list[Json]) -> None:
    _, shared = chain(common)
    _, first = chain([*common, *one])
    _, second = chain([*common, *other])
    assert shared.keys() <= first.keys() & second.keys()


@pytest.mark.slow
@given(messages, messages)
def test_prompts_have_one_head_only_when_they_are_equal(one: list[Json], other: list[Json]) -> None:
    assert (chain(one)[0] == chain(other)[0]) == (one == other)


def test_a_growing_conversation_costs_its_new_messages() -> None:
    stored: dict[str, bytes] = {}
    sizes: list[int] = []
    prompt: list[Json] = []
    for turn in range(200):
        prompt.append({"type": "UserMessage", "content": f"turn {turn:3}: " + "x" * 500})
        _, new = chain(prompt, known=stored)
        assert len(new) == (1 if turn else 2)
        stored |= new
        sizes.append(sum(map(len, stored.values())))
    assert sizes[199] == pytest.approx(2 * sizes[99], rel=0.02)


async def test_a_prompt_is_read_out_of_a_journal() -> None:
    journal = MemoryJournal()
    epoch = await journal.claim("r")
    prompt: list[Json] = [{"content": str(turn % 3)} for turn in range(10)]
    head, blobs = chain(prompt)
    nothing, root = chain([])
    await journal.append("r", epoch, [], blobs | root)
    assert await read_chain(journal, head) == prompt
    assert await read_chain(journal, nothing) == []


async def test_a_blob_that_is_no_link_is_corrupt() -> None:
    head, _ = chain([{"content": "hello"}])
    message = Payload.of({"content": "hello"})
    with pytest.raises(CorruptEvent, match="is no link of a prompt"):
        unchain(message.digest, {message.digest: message.data}.__getitem__)
    with pytest.raises(CorruptEvent, match="is not in the journal"):
        await read_chain(MemoryJournal(), head)


@dataclass
class Word:
    """A message."""

    text: str
    has_key: bool = True


def words(*texts: str) -> list[Word]:
    return [Word(text) for text in texts]


class Reader:
    """How a book reads words, and those that it has written out."""

    def __init__(self) -> None:
        self.book, self.written = LinkBook(), list[str]()

    def chained(self, prompt: list[Word]) -> Chained:
        found = self.book.chain(prompt, lambda word: word.text if word.has_key else None, self._plain)
        head, blobs = self.whole(prompt)
        assert (found.head, found.size_bytes) == (head, sum(map(len, blobs.values())))
        return found

    def whole(self, prompt: list[Word]) -> tuple[str, dict[str, bytes]]:
        """What the prompt is without a book."""
        return chain([{"text": word.text} for word in prompt])

    def _plain(self, message: Word) -> Json:
        self.written.append(message.text)
        return {"text": message.text}


def test_a_link_book_makes_the_same_chain_and_writes_each_message_once() -> None:
    reader = Reader()
    for length in (1, 2, 3, 3):
        prompt = words("one", "two", "three")[:length]
        assert reader.chained(prompt).unsent == reader.whole(prompt)[1]
    assert reader.written == ["one", "two", "three"]
    reader.chained([Word("one", has_key=False), *words("two", "three", "four")])
    assert reader.written[3:] == ["one", "four"], "what has no key is written each time"


@pytest.mark.slow
@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=5), max_size=5))
def test_a_link_book_knows_prompts_in_any_order_whatever_has_no_key(prompts: list[list[tuple[str, bool]]]) -> None:
    reader, stored = Reader(), dict[str, bytes]()
    for drawn in prompts:
        prompt = [Word(text, has_key) for text, has_key in drawn]
        stored |= (found := reader.chained(prompt)).unsent
        reader.book.sent(found.unsent)
        assert unchain(found.head, stored.__getitem__) == [{"text": word.text} for word in prompt]


def test_links_are_given_until_they_were_sent() -> None:
    reader = Reader()
    first = reader.chained(words("one"))
    both = reader.chained(words("one", "two"))
    assert first.unsent.keys() < both.unsent.keys()
    reader.book.sent(both.unsent)
    assert len(reader.chained(words("one", "two", "three")).unsent) == 1
    assert len(reader.chained(words("one", "two")).unsent) == 1, "what was never sent is still to be sent"


def test_a_message_that_was_changed_in_place_is_another_message() -> None:
    reader, prompt = Reader(), words("one", "two")
    reader.chained(prompt)
    prompt[0].text = "other"
    reader.chained([*prompt, *words("three")])
    assert reader.written == ["one", "two", "other", "two", "three"]


CALL = FunctionCall(id="1", arguments="{}", name="look")
RESULT = FunctionExecutionResult(content="found", name="look", call_id="1", is_error=False)


@pytest.mark.parametrize(
    "message",
    [
        SystemMessage(content="be brief"),
        UserMessage(content="hello", source="user"),
        AssistantMessage(content="hello", source="planner", thought="well"),
        AssistantMessage(content=[CALL], source="planner"),
        FunctionExecutionResultMessage(content=[RESULT, RESULT]),
    ],
)
def test_messages_have_equal_keys_only_when_they_are_equal(message: LLMMessage) -> None:
    assert message_key(message) == message_key(message.model_copy(deep=True)) is not None
    for name in type(message).model_fields.keys() - {"type"}:
        assert message_key(message.model_copy(update={name: "other"})) != message_key(message)


def test_a_tools_call_that_is_changed_in_place_has_another_key() -> None:
    message = AssistantMessage(content=[FunctionCall(id="1", arguments="{}", name="look")], source="planner")
    before = message_key(message)
    assert isinstance(message.content, list)
    message.content[0].name = "buy"
    assert message_key(message) != before


@pytest.mark.parametrize("part", [cast(FunctionCall, "text"), replace(CALL, arguments=cast(str, {"not": "a text"}))])
def test_a_message_with_parts_that_cannot_be_told_apart_surely_has_no_key(part: FunctionCall) -> None:
    assert message_key(AssistantMessage.model_construct(content=[part], source="planner")) is None
