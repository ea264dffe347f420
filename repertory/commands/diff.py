"""`repertory diff A B`: where two runs part, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repertory.output import JsonFlag, plain, print_json, print_line, print_table

if TYPE_CHECKING:
    from runtime.diff import Row
    from runtime.reading.run_comparison import Comparison, Difference

MAX_ROWS = 60
"""How many rows of the table are shown."""
MAX_LABEL = 44
"""How many characters a row says of each run."""


def diff(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="A run's id, the beginning of one, or `last`.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="The other run.")],
    json: JsonFlag = False,
) -> None:
    """Lay two runs side by side, by cause and effect: where they part and why, and what it did to the outcome.

    Exit code 0 whether they differ or not; `--json` has `same`.
    """
    import asyncio

    comparison = asyncio.run(_compared(a, b))
    if json:
        print_json(_as_json(comparison))
    else:
        _print(comparison)


async def _compared(a: str, b: str) -> Comparison:
    from repertory.records import chosen, opened
    from repertory.settings import read_settings
    from runtime.reading.run_comparison import compare

    async with opened(read_settings().journal) as journal:
        runs = await journal.runs()
        return await compare(journal, chosen(runs, a).run, chosen(runs, b).run)


def _print(found: Comparison) -> None:
    rows = found.alignment
    print_line(f"A  run {found.a.run}\nB  run {found.b.run}")
    if found.first is None:
        print_line(f"\nthe same: {len(rows.rows)} messages, steps and answers, one by one")
    else:
        _print_first(found.first)
        counts = ((rows.count(s), s) for s in ("same", "changed", "only in A", "only in B"))
        print_line("\n" + ", ".join(f"{count} {status}" for count, status in counts))
        _print_rows(found)
    for note in found.notes:
        print_line(f"note: {plain(note)}")
    _print_outcome(found)


def _print_first(first: Difference) -> None:
    from runtime.reading.run_comparison import meaning

    print_line(f"\nthey part at {_place(first.row)}: {plain(first.what)}")
    print_line(f"cause: {first.cause} ({meaning(first.cause)})")
    for n, hop in enumerate(first.path):
        print_line(("came by: " if n == 0 else "         ") + plain(str(hop)))
    if first.lines:
        print_line("A (-) and B (+):")
    for line in first.lines:
        print_line(f"  {plain(line)}")


def _place(row: Row) -> str:
    a, b = (None if node is None else node.seq for node in (row.a, row.b))
    sides = [f"event {seq} of {name}" for name, seq in (("A", a), ("B", b)) if seq is not None]
    return " and ".join(sides)


def _print_rows(found: Comparison) -> None:
    table: list[tuple[str, str, str, str]] = [("", "A", "B", "what differs")]
    same = 0
    shown = 0
    for row in found.alignment.rows:
        if row.status == "same":
            same += 1
            continue
        if same:
            table.append(("=", f"… {same} the same", "", ""))
            same = 0
        shown += 1
        if shown > MAX_ROWS:
            continue
        table.append(_cells(row))
    if same:
        table.append(("=", f"… {same} the same", "", ""))
    print_table(table)
    if shown > MAX_ROWS:
        print_line(f"… {shown - MAX_ROWS} more rows; --json has all of them")


SIGNS = {"same": "=", "changed": "~", "only in A": "-", "only in B": "+"}


def _cells(row: Row) -> tuple[str, str, str, str]:
    mine, theirs = (None if node is None else node.seq for node in (row.a, row.b))
    left, right = ("" if node is None else _short("  " * row.depth + node.label) for node in (row.a, row.b))
    return SIGNS[row.status], f"{mine or ''} {left}", f"{theirs or ''} {right}", row.aspect


def _short(text: str) -> str:
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…"


def _print_outcome(found: Comparison) -> None:
    a, b = found.a, found.b
    print_line("")
    rows: list[tuple[str, str, str]] = [("outcome", "A", "B"), ("status", a.status, b.status)]
    names = list(dict.fromkeys([*a.checks, *b.checks]))
    if names:
        passed = [f"{sum(run.checks.values())} of {len(run.checks)}" for run in (a, b)]
        rows.append(("checks passed", passed[0], passed[1]))
    for name in names:
        if a.checks.get(name) != b.checks.get(name):
            rows.append((f"  {name}", _check(a.checks.get(name)), _check(b.checks.get(name))))
    for name in dict.fromkeys([*a.counts, *b.counts]):
        if name != "not performed" or a.counts[name] or b.counts[name]:
            rows.append((name, _count(name, a.counts), _count(name, b.counts)))
    print_table(rows, right=(1, 2))
    for name, run in (("A", a), ("B", b)):
        if run.failure:
            print_line(f"{name} {run.status}: {plain(run.failure)}")
    _print_results(found)


def _print_results(found: Comparison) -> None:
    if found.a.result is None or found.b.result is None:
        names = [name for name, run in (("A", found.a), ("B", found.b)) if run.result is None]
        print_line(f"without a result: {', '.join(names)}")
    elif found.result:
        print_line("the results, A (-) and B (+):")
        for line in found.result:
            print_line(f"  {plain(line)}")


def _count(name: str, counts: Mapping[str, float]) -> str:
    if name not in counts:
        return "unknown"
    return f"{counts[name]:,.4f}" if name == "cost" else f"{counts[name]:,}"


def _check(passed: bool | None) -> str:
    return "none" if passed is None else "passed" if passed else "failed"


def _as_json(found: Comparison) -> dict[str, Any]:
    rows = [
        {
            "status": row.status,
            "aspect": row.aspect or None,
            "a": None if row.a is None else {"id": row.a.id, "seq": row.a.seq, "label": row.a.label},
            "b": None if row.b is None else {"id": row.b.id, "seq": row.b.seq, "label": row.b.label},
        }
        for row in found.alignment.rows
    ]
    outcomes = {
        name: {
            "run": run.run,
            "status": run.status,
            "failure": run.failure or None,
            "checks": dict(run.checks),
            **run.counts,
        }
        for name, run in (("a", found.a), ("b", found.b))
    }
    return {
        "same": found.is_same,
        "first": None if found.first is None else found.first.as_json(),
        "counts": {s: found.alignment.count(s) for s in ("same", "changed", "only in A", "only in B")},
        "rows": rows,
        "outcome": outcomes,
        "result": list(found.result),
        "notes": list(found.notes),
    }
