"""A prompt comes back from its links, and a conversation that grows costs only what is new."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.blobs import Payload, digest
from runtime.codec import Json
from runtime.errors import CorruptEvent
from runtime.hosting.link_book import LinkBook
from runtime.journal import MemoryJournal
from runtime.prompt_chain import chain, read_chain, unchain

kinds = st.sampled_from(["UserMessage", "AssistantMessage"])
messages = st.lists(st.fixed_dictionaries({"content": st.text(max_size=9), "type": kinds}), max_size=6)


@given(messages)
def test_a_prompt_comes_back_as_it_was(prompt: list[Json]) -> None:
    head, blobs = chain(prompt)
    assert unchain(head, blobs.__getitem__) == prompt
    assert all(digest(data) == name for name, data in blobs.items())


@given(messages, messages, messages)
def test_prompts_share_their_equal_beginnings(common: list[Json], one: list[Json], other: list[Json]) -> None:
    _, shared = chain(common)
    _, first = chain([*common, *one])
    _, second = chain([*common, *other])
    assert shared.keys() <= first.keys() & second.keys()


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


def test_a_link_book_makes_the_same_chain_and_writes_each_message_once() -> None:
    book, written = LinkBook(), list[str]()

    def plain(message: str) -> Json:
        written.append(message)
        return {"text": message}

    for length in (1, 2, 3, 3):
        words = ["one", "two", "three"][:length]
        assert book.chain(words, lambda word: word, plain) == chain([{"text": word} for word in words])
    assert written == ["one", "two", "three"]
    book.chain(["one"], lambda _: None, plain)
    assert written[3:] == ["one"], "what has no key is written each time"
