"""A process that performs or resumes a run of `tests/runtime/payments.py` over a journal; says how it ended."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from runtime.errors import RepertoryError
from runtime.journals.journal_address import journal_address, open_journal
from runtime.local import LocalEngine
from tests.runtime.payments import performance


async def main(folder: Path, address: str, recipient: str, kind: str, manner: str) -> str:
    """How it ended: "done", or the name of the error."""
    journal = open_journal(journal_address(address))
    order = replace(performance(folder, recipient, {"kind": kind}), is_resumed=manner == "resume")
    try:
        await LocalEngine(journal).perform(order)
    except RepertoryError as error:
        return type(error).__name__
    finally:
        await journal.close()
    return "done"


if __name__ == "__main__":
    print(asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:])))
