"""Draws a transcript for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from repertory.output import plain, print_line
from repertory.transcript import DeliveryEntry, StepEntry

MAX_EVIDENCE = 120
"""How much of what was asked and answered a line shows."""

WHOLE = 10_000
"""A width that no line reaches."""

MAX_NAME = 40
"""From how many characters on a name is cut."""

_MARKS = {"model": "✻", "tool": "→", "retrieval": "⌕", "memory": "✎", "question": "?"}


def drawn(entries: Sequence[DeliveryEntry]) -> Tree:
    """The deliveries with their steps below each other: each with the seq where it began, its time, tokens, failure."""
    tree = Tree("driver", hide_root=False)
    for entry in entries:
        _add(tree, entry)
    return tree


def print_drawn(entries: Sequence[DeliveryEntry]) -> None:
    """The tree on stdout: cut to the width of a terminal, whole lines anywhere else."""
    console = Console()
    if console.is_terminal:
        console.print(drawn(entries), highlight=False, no_wrap=True, overflow="ellipsis")
        return
    whole = Console(width=WHOLE)
    with whole.capture() as captured:
        whole.print(drawn(entries), highlight=False, no_wrap=True)
    for line in captured.get().splitlines():
        print_line(line.rstrip())


def _add(tree: Tree, entry: DeliveryEntry) -> None:
    branch = tree.add(_delivery(entry))
    for part in entry.parts:
        if isinstance(part, DeliveryEntry):
            _add(branch, part)
        else:
            branch.add(_step(part))


def _delivery(entry: DeliveryEntry) -> Text:
    line = Text.assemble(*_seq(entry.seq), (plain(entry.agent), "bold"), f"  {plain(entry.message_type)}")
    line.append(f"  at {entry.after_s:.1f} s", "dim")
    return _ended(line, entry.seconds, entry.failure)


def _step(entry: StepEntry) -> Text:
    line = Text.assemble(*_seq(entry.seq), f"{_MARKS.get(entry.kind, '·')} {entry.kind} {plain(_short(entry.name))}")
    if entry.input_tokens or entry.output_tokens:
        line.append(f"  {entry.input_tokens:,} → {entry.output_tokens:,} tokens", "cyan")
    if entry.attempts > 1:
        line.append(f"  {entry.attempts} attempts", "yellow")
    if entry.cost is not None:
        line.append(f"  {entry.cost:.4f}", "cyan")
    if entry.origin != "live":
        line.append(f"  {entry.origin}", "magenta")
    line = _ended(line, entry.seconds, entry.failure)
    if entry.evidence:
        line.append(f"  {plain(_cut(entry.evidence))}", "dim")
    return line


def _seq(seq: int) -> tuple[tuple[str, str], str]:
    """Where the journal tells of it, as `--at` and `--to` take it."""
    return (f"{seq}", "dim"), " "


def _short(name: str) -> str:
    """A model's name; of a long path its last part."""
    kind, _, path = name.partition(":")
    return name if len(name) <= MAX_NAME or "/" not in path else f"{kind}:…/{path.rpartition('/')[2]}"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_EVIDENCE else text[: MAX_EVIDENCE - 1] + "…"


def _ended(line: Text, seconds: float | None, failure: str) -> Text:
    line.append("  …" if seconds is None else f"  {seconds:.2f} s", "dim")
    if failure:
        line.append(f"  {plain(failure)}", "red")
    return line
