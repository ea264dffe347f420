"""`repertory replay RUN`: performs a recorded run again, calling nothing, and says whether it went the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repertory.commands.runs import RunName
from repertory.output import JsonFlag, print_json, print_line

if TYPE_CHECKING:
    from runtime.journal_address import JournalAddress


def replay(run: RunName = "last", json: JsonFlag = False) -> None:
    """Perform a run again from its journal; no model and no tool is called.

    The agents' code of today runs in this process and is released what it was released then, in the recorded order.
    Exit code 3 when it does something else.
    """
    import asyncio

    from repertory.settings import read_settings

    name, replayed = asyncio.run(_replay(run, read_settings().journal))
    events, models, tools = replayed
    if json:
        print_json({"run": name, "identical": True, "events": events, "model_calls": models, "tool_calls": tools})
    else:
        print_line(
            f"identical: {events} events, {models} model calls and {tools} tool calls answered from the journal "
            "(no model and no tool was called)"
        )


async def _replay(name: str, address: JournalAddress) -> tuple[str, tuple[int, int, int]]:
    from repertory.records import chosen, opened, runs_of
    from runtime.replay import replay as perform_again

    summary = chosen(await runs_of(address), name)
    async with opened(address) as journal:
        replayed = await perform_again(journal, summary.run)
    return summary.run, (replayed.events, replayed.model_calls, replayed.tool_calls)
