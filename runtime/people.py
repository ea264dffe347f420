"""What a person decides about a run, written into its journal from any process, with or without hosts to go on with it.

A decision is one append under a claim of its own: who else held the run is refused from then on, and of two who decide
at once the second is told. `runtime/engine.py` goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from runtime import clock
from runtime.blobs import digest
from runtime.codec import Json, canonical
from runtime.errors import RunAborted, SeqConflict, StaleEpoch, UsageError
from runtime.events import (
    AnyEvent,
    AskedFor,
    Digest,
    LimitsRaised,
    RunAborting,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    RunStarted,
    StepAsked,
    StepDecided,
    Verdict,
)
from runtime.failures import describe
from runtime.journal import Journal
from runtime.routing import Routes
from runtime.sequencer import Sequencer

Said = TypeVar("Said")

VERDICTS: Mapping[AskedFor, tuple[Verdict, ...]] = {
    "approval": ("approve", "deny", "abort"),
    "uncertain": ("done", "retry", "abort"),
    "question": ("done", "abort"),
}
"""What may be said to what is asked."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says."""

    verdict: Verdict
    by: str = ""
    note: str = ""
    result: Json = None
    """With "done": what came of the step."""

    def event(self, asked: StepAsked) -> tuple[StepDecided, dict[Digest, bytes]]:
        """The decision on what was asked, with its result's bytes."""
        body = canonical(self.result)
        is_done = self.verdict == "done"
        event = StepDecided(
            step=asked.step,
            delivery=asked.delivery,
            verdict=self.verdict,
            by=self.by,
            note=self.note,
            result=digest(body) if is_done else None,
        )
        return event, {digest(body): body} if is_done else {}


def read_reply(asked: StepAsked, text: str | None, by: str) -> Decision | None:
    """What a line typed at the terminal decides; None when it decides nothing."""
    word, _, note = (text or "").strip().partition(" ")
    if not word:
        return None
    if asked.why == "question":
        return Decision("done", by, result=(text or "").strip())
    words: dict[str, Verdict] = {"y": "approve", "yes": "approve", "n": "deny", "no": "deny"}
    verdict = words.get(word.lower(), word.lower()) if asked.why == "approval" else word.lower()
    allowed: dict[str, Verdict] = {name: name for name in VERDICTS[asked.why]}
    return Decision(allowed[verdict], by, note) if verdict in allowed else None


def prompt(asked: StepAsked) -> str:
    """What a person at the terminal is asked."""
    choices = {
        "approval": "[y / n, with a reason if you like; nothing: decide later]",
        "uncertain": "[done / retry / abort; nothing: decide later]",
        "question": "",
    }
    return f"{asked.question} {choices[asked.why]}".strip()


async def restored(journal: Journal, run: str) -> tuple[Sequencer, list[AnyEvent]]:
    """A run's core as its journal left it, and its events.

    Raises:
        UsageError: when there is no such run.
    """
    events = await journal.events(run)
    if not events or not isinstance(events[0], RunStarted):
        raise UsageError(f"there is no run {run!r}; `repertory runs list` shows those that there are")
    core = Sequencer(msgspec.json.decode(await journal.blob(events[0].routes), type=Routes))
    for event in events:
        core.apply(event)
    return core, events


async def decide(journal: Journal, run: str, step: str, decision: Decision) -> StepAsked:
    """Records a decision on the step that `step` begins, or on the only open one; returns what had been asked.

    Raises:
        UsageError: when the run has ended, nothing is asked, the step is not, or not in this way; nothing is changed.
    """

    def propose(core: Sequencer, events: Sequence[AnyEvent]) -> tuple[StepAsked, _Proposal]:
        asked = _chosen(run, step, core, events)
        if decision.verdict not in VERDICTS[asked.why]:
            raise UsageError(
                f"run {run}, step {asked.step}: found {decision.verdict!r}, expected "
                f"{' or '.join(VERDICTS[asked.why])}: what is asked is {asked.why}"
            )
        event, blobs = decision.event(asked)
        return asked, ([event], blobs)

    return await _record(journal, run, propose)


async def abort(journal: Journal, run: str, by: str, note: str) -> None:
    """Records that a run is given up; who goes on with it undoes what can be undone.

    Raises:
        UsageError: when the run has ended; nothing is changed.
    """
    said = f": {note}" if note else ""
    failure = describe(RunAborted(f"{by or 'a person'} gave the run up{said}"))

    def propose(core: Sequencer, _: Sequence[AnyEvent]) -> tuple[None, _Proposal]:
        return None, ([] if core.aborting is not None else [RunAborting(failure=failure)], {})

    await _record(journal, run, propose)


async def raise_limits(journal: Journal, run: str, limits: Mapping[str, float]) -> None:
    """Records new limits of a run.

    Raises:
        UsageError: when the run has ended; nothing is changed.
    """

    def propose(_: Sequencer, __: Sequence[AnyEvent]) -> tuple[None, _Proposal]:
        return None, ([LimitsRaised(limits=dict(limits))], {})

    await _record(journal, run, propose)


_Proposal = tuple[list[AnyEvent], dict[Digest, bytes]]


async def _record(
    journal: Journal, run: str, propose: Callable[[Sequencer, Sequence[AnyEvent]], tuple[Said, _Proposal]]
) -> Said:
    """Appends what is proposed, with what follows from it; looks again when somebody else was faster."""
    while True:
        propose(*await restored_open(journal, run))  # whoever holds the run is left alone when this is refused
        epoch = await journal.claim(run)
        core, events = await restored_open(journal, run)
        said, (proposed, blobs) = propose(core, events)
        at = clock.time_s()
        outgoing = [found for event in proposed for found in core.take(event, at=at)]
        left = RunInterrupted(reason=_left(core), why="person" if core.steps.asked() else "stopped")
        outgoing += core.take(left, at=at)
        try:
            await journal.append(run, epoch, [found.event for found in outgoing], blobs)
        except (StaleEpoch, SeqConflict):
            continue
        return said


def _left(core: Sequencer) -> str:
    asked = core.steps.asked()
    return waits_for(asked) if asked else "a person has decided; it has not gone on yet"


def waits_for(asked: Sequence[StepAsked]) -> str:
    """Why nothing goes on, in words."""
    return "waits for a person: " + "; ".join(each.question for each in asked)


async def restored_open(journal: Journal, run: str) -> tuple[Sequencer, list[AnyEvent]]:
    """As `restored`, of a run that can go on.

    Raises:
        UsageError: also when it has ended.
    """
    core, events = await restored(journal, run)
    if isinstance(events[-1], RunCompleted | RunFailed):
        how = "is done" if isinstance(events[-1], RunCompleted) else "has failed"
        raise UsageError(f"run {run} {how}; nothing of it waits for a person")
    return core, events


def _chosen(run: str, step: str, core: Sequencer, events: Sequence[AnyEvent]) -> StepAsked:
    """The asked step that is meant."""
    asked = core.steps.asked()
    found = [each for each in asked if each.step.startswith(step)]
    if len(found) == 1:
        return found[0]
    open_steps = ", ".join(each.step for each in asked) or "none"
    if found:
        raise UsageError(f"run {run}: {len(found)} steps wait for a person ({open_steps}); say which one")
    decided = next(
        (e for e in reversed(events) if isinstance(e, StepDecided) and step and e.step.startswith(step)), None
    )
    if decided is not None:
        by = f" by {decided.by}" if decided.by else ""
        raise UsageError(f"run {run}, step {decided.step}: is decided already{by}: {decided.verdict}")
    if not asked:
        raise UsageError(f"run {run} waits for nobody; `repertory runs show {run}` tells how it stands")
    raise UsageError(f"run {run}: found no asked step {step!r}; those that are: {open_steps}")
