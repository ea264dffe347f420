"""A run as a tree."""

from __future__ import annotations

from io import StringIO

import msgspec
from rich.console import Console

from repertory.transcript import Known, payloads_of, transcript
from repertory.tree import drawn
from runtime.budget import Price
from runtime.events import RunForked
from tests.repertory.story import REQUEST, WORK, told

TYPES = {REQUEST.digest: "Request", WORK.digest: "Assignment"}


def test_steps_and_deliveries_hang_below_the_delivery_that_caused_them() -> None:
    [root] = transcript(told(), TYPES)
    assert (root.agent, root.message_type) == ("planner", "Request")
    step, child = root.as_json()["parts"]
    assert (step["kind"], step["seconds"], step["input_tokens"], step["output_tokens"]) == ("model", 2.5, 900, 40)
    assert (child["agent"], child["message"], child["seconds"]) == ("executor 1", "Assignment", 6.0)
    assert child["parts"][0]["attempts"] == 3


def test_a_step_tells_what_it_cost_where_the_price_is_known_and_what_was_asked() -> None:
    known = Known(TYPES, {"s2": "東城 → 3 hotels"}, {"qwen": Price(input=10, output=100)})
    [root] = transcript(told(), known)
    model, tool = root.all_steps()
    assert (model.cost, tool.cost, tool.evidence) == (0.013, None, "東城 → 3 hotels")
    assert (root.after_s, model.after_s, tool.after_s) == (0.5, 1.0, 6.0)
    out = StringIO()
    Console(file=out, width=200).print(drawn([root]))
    assert "planner  Request  at 0.5 s" in out.getvalue()
    assert "model qwen  900 → 40 tokens  0.0130  2.50 s" in out.getvalue()
    assert "2.00 s  東城 → 3 hotels" in out.getvalue()


def test_the_time_between_a_run_and_its_fork_is_left_out() -> None:
    first, rest = told()[:6], told()[6:]
    fork = RunForked(seq=7, at=5104.0, parent="run", name="trip", spec="s", routes="r", edits="e", versions={})
    later = [msgspec.structs.replace(event, seq=event.seq + 1, at=event.at + 5000) for event in rest]
    [root] = transcript([*first, fork, *later], TYPES)
    assert (root.deliveries[0].after_s, root.deliveries[0].seconds) == (5.0, 6.0)


def test_what_has_not_ended_has_no_duration() -> None:
    [root] = transcript(told()[:4], TYPES)
    assert root.seconds is None
    assert root.steps[0].seconds is None


def test_the_payloads_of_all_messages_are_asked_for() -> None:
    assert payloads_of(told()) == {REQUEST.digest, WORK.digest}


def test_the_drawn_tree_shows_times_tokens_and_failures_without_control_characters() -> None:
    out = StringIO()
    entries = transcript(told(failing=True), {REQUEST.digest: "Evil\x1b[2J", WORK.digest: "Assignment"})
    Console(file=out, width=200).print(drawn(entries))
    text = out.getvalue()
    assert "planner  Evil\N{REPLACEMENT CHARACTER}[2J" in text
    assert "model qwen  900 → 40 tokens  2.50 s" in text
    assert "tool hotel_search  3 attempts  2.00 s  the booking office is closed" in text
