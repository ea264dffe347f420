"""Runs whose process dies at any append: taken up from the journal, they end as if nothing had happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from runtime.codec import Json
from runtime.errors import JournalError, StaleEpoch, UsageError, WaitingForPerson
from runtime.events import AnyEvent, DeliveryStarted, Digest, RunCompleted, StepCompleted, StepStarted
from runtime.journal import MemoryJournal
from runtime.local import LocalEngine
from runtime.performance import recorded_performance
from runtime.replay import replay
from tests.runtime.teams import EFFECTS, performance


class PowerCut(JournalError):
    """What a test raises where a process would die."""


class FailingJournal(MemoryJournal):
    """Lets so many appends through; the next one, and all after it, fail before or after they are durable."""

    def __init__(self, appends: int, *, after: bool) -> None:
        super().__init__()
        self._left = appends
        self._after = after
        self.is_repaired = False

    async def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> None:
        self._left -= 1
        if self._left >= 0 or self.is_repaired:
            await super().append(run, epoch, events, blobs)
            return
        if self._after and self._left == -1:
            await super().append(run, epoch, events, blobs)
        raise PowerCut("the power is cut")


async def undisturbed(recipient: str) -> tuple[Json, int, list[str]]:
    EFFECTS.clear()
    journal = FailingJournal(10_000, after=False)
    answer = await LocalEngine(journal).perform(performance("run", recipient))
    return answer, 10_000 - journal._left, list(EFFECTS)  # pyright: ignore[reportPrivateUsage]


async def dies(journal: FailingJournal, recipient: str) -> bool:
    """Whether the run dies before its end; how many appends it takes depends on what is batched together."""
    try:
        await LocalEngine(journal).perform(performance("run", recipient))
        return False
    except PowerCut:
        journal.is_repaired = True
        return True


def without_times(answer: Json) -> Json:
    return {key: value for key, value in answer.items() if key != "time"} if isinstance(answer, Mapping) else answer


@pytest.mark.parametrize("recipient", ["boss", "both", "ping", "spender"])
@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after the append"])
async def test_a_run_that_dies_at_any_append_ends_as_the_undisturbed_one(recipient: str, after: bool) -> None:
    expected, appends, effects = await undisturbed(recipient)
    for survived in range(2, appends):
        EFFECTS.clear()
        journal = FailingJournal(survived, after=after)
        if not await dies(journal, recipient):
            continue
        if isinstance((await journal.events("run"))[-1], RunCompleted):
            continue
        answer = await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
        assert without_times(answer) == without_times(expected)
        events = await journal.events("run")
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        starts = [event.delivery for event in events if isinstance(event, DeliveryStarted)]
        assert len(starts) == len(set(starts))
        finished = [event.step for event in events if isinstance(event, StepCompleted)]
        assert len(finished) == len(set(finished))
        assert set(EFFECTS) == set(effects), "nothing is lost"
        await replay(journal, "run")


async def test_an_irreversible_effect_that_may_have_happened_is_left_to_a_person() -> None:
    _, appends, _ = await undisturbed("payer")
    outcomes: list[str] = []
    for survived in range(2, appends):
        EFFECTS.clear()
        journal = FailingJournal(survived, after=False)
        if not await dies(journal, "payer"):
            continue
        try:
            await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
            outcomes.append("done")
        except WaitingForPerson as error:
            assert "Did it happen?" in str(error)
            outcomes.append("uncertain")
        assert EFFECTS.count("pay") <= 1, "it never happens twice"
    assert set(outcomes) == {"done", "uncertain"}


async def test_who_resumes_a_run_shuts_out_its_former_owner() -> None:
    journal = FailingJournal(4, after=False)
    assert await dies(journal, "boss")
    events = await journal.events("run")
    await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
    with pytest.raises(StaleEpoch):
        await journal.append("run", 1, [events[-1]])


async def test_what_has_ended_or_never_was_cannot_be_resumed() -> None:
    journal = MemoryJournal()
    await LocalEngine(journal).perform(performance("run", "echo"))
    with pytest.raises(UsageError, match="has ended"):
        await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
    with pytest.raises(UsageError, match="nothing of it is on record"):
        await recorded_performance(journal, "other")


async def test_a_step_that_had_ended_is_not_performed_again() -> None:
    await undisturbed("spender")
    journal = FailingJournal(10_000, after=False)
    EFFECTS.clear()
    await LocalEngine(journal).perform(performance("run", "spender"))
    events = await journal.events("run")
    done = next(event.seq for event in events if isinstance(event, StepCompleted))
    cut = MemoryJournal()
    await cut.append("run", await cut.claim("run"), events[:done], journal._blobs)  # pyright: ignore[reportPrivateUsage]
    first = next(event for event in events if isinstance(event, StepStarted))
    EFFECTS.clear()
    await LocalEngine(cut).perform(await recorded_performance(cut, "run"))
    assert first.name not in EFFECTS
