"""How evidence and pages read at a terminal."""

from __future__ import annotations

import re
import sys

import pytest

from repertory.evidence import evidence_of
from repertory.pages import PLAN, print_page
from runtime.blobs import digest
from runtime.codec import Json, canonical
from runtime.events import AnyEvent, Digest, StepCompleted, StepStarted
from runtime.journal import MemoryJournal


async def test_evidence_names_what_was_found_and_leaves_out_what_is_empty() -> None:
    request: Json = {"arguments": {"near": "故宫", "cuisine": None}}
    answer: Json = {"value": {"restaurants": [{"name": "故宫餐厅", "cost": 52}, {"name": "全聚德"}], "note": ""}}
    blobs: dict[Digest, bytes] = {digest(canonical(each)): canonical(each) for each in (request, answer)}
    asked, answered = blobs
    started = StepStarted(seq=1, step="s1", delivery="d", kind="tool", name="restaurant_search", request=asked)
    completed = StepCompleted(seq=2, step="s1", delivery="d", result=answered)
    journal = MemoryJournal()
    await journal.append("r", await journal.claim("r"), [started, completed], blobs)

    evidence = await evidence_of(journal, [started, completed], ["s1", "of another run"])

    assert evidence == {"s1": ("restaurant_search", "near 故宫 → restaurants 故宫餐厅, 全聚德")}


def test_a_terminal_shows_footnotes_as_a_numbered_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    print_page({PLAN: "故宫 80 元[^1]，午餐[^2]\n\n[^1]: 票价\n[^2]: 餐厅\n"}, None)

    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines == ["故宫 80 元[1]，午餐[2]", "1 票价", "2 餐厅"]


async def test_evidence_says_what_was_searched_for_and_what_a_model_answered() -> None:
    query: Json = {"memory": "knowledge", "query": "故宫", "arguments": {"k": 3}}
    passages: Json = [{"content": "开放到五点", "mime_type": "text/plain"}]
    pieces: Json = ["{", {"content": "好", "finish_reason": "stop"}]
    blobs: dict[Digest, bytes] = {digest(canonical(each)): canonical(each) for each in (query, passages, pieces, [])}
    asked, found, said, nothing = blobs
    events: list[AnyEvent] = [
        StepStarted(seq=1, step="s1", delivery="d", kind="retrieval", name="knowledge", request=asked),
        StepCompleted(seq=2, step="s1", delivery="d", result=found),
        StepStarted(seq=3, step="s2", delivery="d", kind="model", name="qwen", request=asked),
        StepCompleted(seq=4, step="s2", delivery="d", result=said),
        StepStarted(seq=5, step="s3", delivery="d", kind="retrieval", name="episodes", request=asked),
        StepCompleted(seq=6, step="s3", delivery="d", result=nothing),
    ]
    journal = MemoryJournal()
    await journal.append("r", await journal.claim("r"), events, blobs)

    evidence = await evidence_of(journal, events, ["s1", "s2", "s3"])

    lines = [line for _, line in evidence.values()]
    assert lines == ["query 故宫, k 3 → 开放到五点", "→ 好", "query 故宫, k 3 → nothing"]
