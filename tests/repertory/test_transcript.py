"""A run as a tree."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from repertory.transcript import payloads_of, transcript
from repertory.tree import drawn
from tests.repertory.story import REQUEST, WORK, told

TYPES = {REQUEST.digest: "Request", WORK.digest: "Assignment"}


def test_steps_and_deliveries_hang_below_the_delivery_that_caused_them() -> None:
    [root] = transcript(told(), TYPES)
    assert (root.agent, root.message_type) == ("planner", "Request")
    step, child = root.as_json()["parts"]
    assert (step["kind"], step["seconds"], step["input_tokens"], step["output_tokens"]) == ("model", 2.5, 900, 40)
    assert (child["agent"], child["message"], child["seconds"]) == ("executor 1", "Assignment", 6.0)
    assert child["parts"][0]["attempts"] == 3


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
