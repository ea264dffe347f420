"""A person decides from any terminal: the decision is recorded, then the run is gone on with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from repertory.asked import who
from repertory.output import say
from repertory.perform import Resumption, resume
from repertory.records import chosen, opened
from repertory.settings import Settings
from runtime.codec import Json
from runtime.errors import UsageError
from runtime.events import Verdict
from runtime.journal import Journal
from runtime.people import Decision, abort, decide, restored_open


@dataclass(frozen=True)
class Words:
    """A decision as it was typed."""

    run: str
    step: str = ""
    """The beginning of the step's id; empty for the only one that is open."""
    note: str = ""


async def say_verdict(words: Words, verdict: Verdict, order: Resumption | None, settings: Settings) -> int:
    """Record `verdict` on a step; go on with the run unless `order` is None. Returns the exit code.

    Raises:
        UsageError: nothing of the kind is asked; nothing was changed.
        RunError: the run failed, or waits again.
    """

    async def record(journal: Journal, run: str) -> str:
        asked = await decide(journal, run, words.step, Decision(verdict, who(), words.note))
        return f"{verdict}: {asked.question}"

    return await _recorded(words, record, order, settings)


async def say_result(words: Words, reply: str, result: Json, order: Resumption | None, settings: Settings) -> int:
    """Record an answer: a question's text, or how it is with an effect that may have happened.

    Raises:
        UsageError: nothing of the kind is asked; nothing was changed.
        RunError: the run failed, or waits again.
    """

    async def record(journal: Journal, run: str) -> str:
        core, _ = await restored_open(journal, run)
        asked = [each for each in core.steps.asked() if each.step.startswith(words.step)]
        decision = _decision(reply, result, is_question=len(asked) == 1 and asked[0].why == "question", note=words.note)
        found = await decide(journal, run, words.step, decision)
        return f"{decision.verdict}: {found.question}"

    return await _recorded(words, record, order, settings)


async def give_up(words: Words, order: Resumption | None, settings: Settings) -> int:
    """Record that a run is given up; undo what can be undone unless `order` is None. Returns the exit code.

    Raises:
        UsageError: the run has ended; nothing was changed.
        RunError: it is given up, which is what was asked for.
    """

    async def record(journal: Journal, run: str) -> str:
        await abort(journal, run, who(), words.note)
        return "given up"

    return await _recorded(words, record, order, settings)


def _decision(reply: str, result: Json, *, is_question: bool, note: str) -> Decision:
    if is_question:
        return Decision("done", who(), note, result=reply)
    verdicts: dict[str, Verdict] = {"done": "done", "retry": "retry", "abort": "abort"}
    if reply not in verdicts:
        raise UsageError(f"found {reply!r}, expected done, retry or abort; a question is answered with its text")
    return Decision(verdicts[reply], who(), note, result=result)


async def _recorded(
    words: Words, record: Callable[[Journal, str], Awaitable[str]], order: Resumption | None, settings: Settings
) -> int:
    async with opened(settings.journal) as journal:
        run = chosen(await journal.runs(), words.run).run
        said = await record(journal, run)
    say(f"run {run[:8]}: recorded: {said}")
    if order is None:
        say(f"`repertory resume {run[:8]}` goes on with it")
        return 0
    return await resume(run, order, settings)
