"""The graph of subtasks: what is wrong with one, and an order in which it can be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agents.messages import Subtask


def graph_faults(subtasks: Sequence[Subtask], limit: int) -> list[str]:
    """What keeps the subtasks from being a graph that can be done, in words for the model; empty when nothing does."""
    if not 1 <= len(subtasks) <= limit:
        return [f"子任务有 {len(subtasks)} 个，应为 1 到 {limit} 个"]
    counts = Counter(subtask.id for subtask in subtasks)
    faults = [f"子任务编号 {name} 重复" for name, count in counts.items() if count > 1]
    for subtask in subtasks:
        faults += [f"{subtask.id} 依赖不存在的 {need}" for need in subtask.needs if need not in counts]
    if not faults and len(in_order(subtasks)) < len(subtasks):
        faults.append("子任务互相依赖成环")
    return faults


def in_order(subtasks: Sequence[Subtask]) -> list[Subtask]:
    """The subtasks, each after those that it needs; those on a cycle or behind one are left out."""
    ordered: list[Subtask] = []
    done: set[str] = set()
    waiting = list(subtasks)
    while waiting:
        ready = [subtask for subtask in waiting if done.issuperset(subtask.needs)]
        if not ready:
            break
        ordered += ready
        done.update(subtask.id for subtask in ready)
        waiting = [subtask for subtask in waiting if subtask not in ready]
    return ordered
