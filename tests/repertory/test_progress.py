"""What a person is shown of a run, as a fold over its events."""

from __future__ import annotations

import msgspec

from repertory.progress import progress_of
from runtime.events import AgentSlept, DeliveryStarted
from tests.repertory.story import told


def test_nothing_has_happened_before_the_first_event() -> None:
    progress = progress_of([])
    assert (progress.events, progress.elapsed_s, dict(progress.agents)) == (0, 0.0, {})


def test_an_agent_is_shown_with_the_step_that_is_open() -> None:
    assert progress_of(told()[:3]).doing("planner") == "at work"
    assert progress_of(told()[:4]).doing("planner") == "asks the model"
    assert progress_of(told()[:8]).doing("executor 1") == "calls hotel_search"
    assert progress_of(told()).doing("executor 1") == ""


def test_an_agent_that_was_put_to_sleep_is_shown_asleep_until_its_next_message() -> None:
    begun = [event for event in told() if isinstance(event, DeliveryStarted) and event.agent.type == "executor"]
    slept = AgentSlept(seq=90, agent=begun[0].agent, state="0" * 32, seen=80)
    assert progress_of([*told(), slept]).doing("executor 1") == "asleep"
    again = msgspec.structs.replace(begun[0], seq=91, delivery="another")
    assert progress_of([*told(), slept, again]).doing("executor 1") == "at work"


def test_calls_tokens_and_times_are_counted_for_each_agent() -> None:
    progress = progress_of(told())
    planner, executor = progress.agents["planner"], progress.agents["executor 1"]
    assert (planner.model_calls, planner.input_tokens, planner.output_tokens) == (1, 900, 40)
    assert (executor.tool_calls, executor.last) == (1, "calls hotel_search (2.0 s)")
    assert (progress.total("model_calls"), progress.total("tool_calls"), progress.elapsed_s) == (1, 1, 12.0)


def test_a_failed_run_says_where() -> None:
    progress = progress_of(told(failing=True))
    assert progress.agents["executor 1"].failures == 2
    assert progress.agents["executor 1"].last == "calls hotel_search (failed, 2.0 s)"


def test_a_view_that_begins_in_the_middle_shows_what_it_can() -> None:
    progress = progress_of(told()[8:])
    assert (progress.events, dict(progress.open_steps)) == (11, {})
