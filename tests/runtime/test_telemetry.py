"""Runs as traces: which spans there are, how they hang together, and what is never counted as a call."""

from __future__ import annotations

import pytest

from runtime.errors import StepFailed
from runtime.events import MessageSent, RunForked
from runtime.fork import ForkOrder, at_delivery, fork
from runtime.journal import MemoryJournal
from runtime.local import LocalEngine
from runtime.performance import recorded_performance
from runtime.replay import replay
from runtime.telemetry import Span, span_id, spans_of, trace_id
from tests.repertory.story import told
from tests.runtime.teams import performance


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


def test_a_run_is_a_tree_of_spans_with_the_conventions_names() -> None:
    spans = by_name(spans_of(told(), "run", provider="vllm"))
    assert set(spans) == {
        "invoke_workflow trip",
        "invoke_agent planner",
        "invoke_agent executor",
        "chat qwen",
        "execute_tool hotel_search",
    }
    root, planner, executor = (
        spans[n] for n in ("invoke_workflow trip", "invoke_agent planner", "invoke_agent executor")
    )
    chat, tool = spans["chat qwen"], spans["execute_tool hotel_search"]
    assert [span.parent for span in (root, planner, executor, chat, tool)] == [
        "",
        root.id,
        planner.id,
        planner.id,
        executor.id,
    ]
    assert {span.trace for span in spans.values()} == {trace_id("run")}
    assert (chat.start_s, chat.end_s, chat.is_call) == (101.0, 103.5, True)
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.provider.name"] == "vllm"
    assert chat.attributes["gen_ai.request.model"] == "qwen"
    assert chat.attributes["gen_ai.usage.input_tokens"] == 900
    assert chat.attributes["gen_ai.usage.output_tokens"] == 40
    assert tool.attributes["gen_ai.tool.name"] == "hotel_search"
    assert tool.attributes["repertory.attempts"] == 3
    assert all(span.attributes["gen_ai.conversation.id"] == "run" for span in spans.values())
    assert planner.attributes["repertory.unfinished"] is True


def test_what_failed_is_a_failed_span() -> None:
    spans = by_name(spans_of(told(failing=True), "run"))
    for name in ("invoke_workflow trip", "invoke_agent executor", "execute_tool hotel_search"):
        failure = spans[name].failure
        assert failure is not None and failure.message == "the booking office is closed"


def test_a_replay_is_marked_and_never_counted_as_calls() -> None:
    spans = spans_of(told(), "run", is_replay=True)
    assert {span.trace for span in spans} != {trace_id("run")}
    for span in spans:
        assert span.attributes["repertory.replay"] is True
        assert not span.is_call
        assert not [name for name in span.attributes if name.startswith("gen_ai.usage")]
        assert "gen_ai.operation.name" not in span.attributes
    recorded = by_name(spans)["recorded chat qwen"]
    assert recorded.attributes["repertory.recorded.input_tokens"] == 900


async def test_messages_carry_the_trace_context_of_the_delivery_that_sent_them() -> None:
    journal = MemoryJournal()
    await LocalEngine(journal).perform(performance("run", "boss"))
    events = await journal.events("run")
    sent = [event for event in events if isinstance(event, MessageSent)]
    for event in sent:
        assert event.headers["traceparent"] == f"00-{trace_id('run')}-{span_id('run', event.cause)}-01"
    spans = {span.id for span in spans_of(events, "run")}
    assert {event.headers["traceparent"].split("-")[2] for event in sent} <= spans
    await replay(journal, "run")


async def test_the_trace_of_a_fork_begins_with_the_fork_and_links_to_its_parent() -> None:
    journal = MemoryJournal()
    await LocalEngine(journal).perform(performance("run", "talker"))
    events = await journal.events("run")
    point = at_delivery(events, len(events) // 2)
    await fork(journal, "fork", ForkOrder(parent="run", point=point, live=["say three"]), events)
    await LocalEngine(journal).perform(await recorded_performance(journal, "fork"))
    spans = spans_of(await journal.events("fork"), "fork")
    names = [span.name for span in spans if "say" in span.name]
    assert names == ["recorded execute_tool say two", "execute_tool say three"]
    root = by_name(spans)["invoke_workflow scripted"]
    assert root.link == (trace_id("run"), span_id("run", "root"))
    forked = next(event for event in await journal.events("fork") if isinstance(event, RunForked))
    assert root.start_s == forked.at
    assert all(span.start_s >= forked.at for span in spans)
    await replay(journal, "fork")


async def test_steps_that_fail_say_so() -> None:
    journal = MemoryJournal()
    with pytest.raises(StepFailed):
        await LocalEngine(journal).perform(performance("run", "breaker"))
    failed = by_name(spans_of(await journal.events("run"), "run"))["execute_tool broken"]
    assert failed.failure is not None and failed.failure.code == "broken"
