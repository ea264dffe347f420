"""Draws a transcript for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from repertory.output import plain
from repertory.transcript import DeliveryEntry, StepEntry

MAX_EVIDENCE = 120
"""How much of what was asked and answered a line shows."""

_MARKS = {"model": "✻", "tool": "→", "retrieval": "⌕", "memory": "✎", "question": "?"}


def drawn(entries: Sequence[DeliveryEntry]) -> Tree:
    """The deliveries with their steps below each other, each with its time, tokens and failure."""
    tree = Tree("driver", hide_root=False)
    for entry in entries:
        _add(tree, entry)
    return tree


def _add(tree: Tree, entry: DeliveryEntry) -> None:
    branch = tree.add(_delivery(entry))
    for part in entry.parts:
        if isinstance(part, DeliveryEntry):
            _add(branch, part)
        else:
            branch.add(_step(part))


def _delivery(entry: DeliveryEntry) -> Text:
    line = Text.assemble((plain(entry.agent), "bold"), f"  {plain(entry.message_type)}")
    line.append(f"  at {entry.after_s:.1f} s", "dim")
    return _ended(line, entry.seconds, entry.failure)


def _step(entry: StepEntry) -> Text:
    line = Text(f"{_MARKS.get(entry.kind, '·')} {entry.kind} {plain(entry.name)}")
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


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_EVIDENCE else text[: MAX_EVIDENCE - 1] + "…"


def _ended(line: Text, seconds: float | None, failure: str) -> Text:
    line.append("  …" if seconds is None else f"  {seconds:.2f} s", "dim")
    if failure:
        line.append(f"  {plain(failure)}", "red")
    return line
