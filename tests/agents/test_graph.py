from __future__ import annotations

from agents.graph import graph_faults, in_order
from agents.messages import Subtask


def subtask(name: str, *needs: str) -> Subtask:
    return Subtask(id=name, goal=name, tool="t", needs=needs, success="done")


def test_a_graph_without_faults_is_done_in_the_order_of_its_needs() -> None:
    graph = [subtask("s2", "s1"), subtask("s1"), subtask("s3", "s1", "s2")]
    assert graph_faults(graph, 6) == []
    assert [one.id for one in in_order(graph)] == ["s1", "s2", "s3"]


def test_a_cycle_is_refused() -> None:
    assert graph_faults([subtask("s1", "s2"), subtask("s2", "s1")], 6) == ["子任务互相依赖成环"]
    assert in_order([subtask("s1", "s1")]) == []


def test_an_unknown_need_a_repeated_id_and_too_many_subtasks_are_refused() -> None:
    assert graph_faults([subtask("s1", "s7")], 6) == ["s1 依赖不存在的 s7"]
    assert graph_faults([subtask("s1"), subtask("s1")], 6) == ["子任务编号 s1 重复"]
    assert graph_faults([subtask("s1"), subtask("s2")], 1) == ["子任务有 2 个，应为 1 到 1 个"]
    assert graph_faults([], 6) == ["子任务有 0 个，应为 1 到 6 个"]
