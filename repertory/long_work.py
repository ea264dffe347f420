"""Shows long work while it goes on, on stderr: a bar at a terminal, a line for each stage and tenth of it elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from repertory.output import say
from serving.progress import Progress, Report


@contextmanager
def shown() -> Generator[Report]:
    """A report that is shown for as long as the block runs."""
    if sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield Lines()


class Lines:
    """One line for each stage, and one for each further tenth of it."""

    def __init__(self) -> None:
        self._stage = ""
        self._tenth = 0

    def __call__(self, progress: Progress) -> None:
        """Says what is new."""
        tenth = 10 * progress.done // progress.total if progress.total else 0
        if progress.stage == self._stage and tenth <= self._tenth:
            return
        self._stage, self._tenth = progress.stage, tenth
        say(f"{progress.stage}{_amount(progress)}")


@contextmanager
def _bar() -> Generator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}"), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None, amount="")
        stage = ""

        def report(progress: Progress) -> None:
            nonlocal stage
            if progress.stage != stage:
                stage = progress.stage
                bars.reset(task, total=None)
            bars.update(
                task,
                description=progress.stage,
                completed=progress.done,
                total=progress.total or None,
                amount=_amount(progress),
            )

        yield report


def _amount(progress: Progress) -> str:
    if not progress.total:
        return ""
    if progress.unit == "seconds":
        return f": {progress.done} of some {progress.total} s"
    return f": {progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB"
