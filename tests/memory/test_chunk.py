from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memory.chunk import Chunk, chunk_markdown
from memory.text import length
from tests.memory.documents import PALACE


def test_each_section_is_a_chunk_that_knows_the_headings_above_it() -> None:
    chunks = chunk_markdown(PALACE)
    assert [chunk.headings for chunk in chunks] == [
        ("故宫博物院", "开放时间"),
        ("故宫博物院", "门票与预约"),
        ("故宫博物院", "带孩子游览"),
    ]
    assert chunks[0].text == "旺季 8:30 开门，17:00 闭馆。除法定节假日外，每周一全天闭馆。"


def test_an_edit_changes_the_chunks_of_its_section_only() -> None:
    before, after = chunk_markdown(PALACE), chunk_markdown(PALACE.replace("60 元", "80 元"))
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_a_long_section_is_cut_at_sentence_ends_and_packed_again() -> None:
    sentences = [f"第{number}句说明开放时间。" for number in "一二三四五六七八九十"]
    chunks = chunk_markdown(f"# 题\n\n{''.join(sentences)}\n\n短段。", limit=50)
    assert [length(chunk.text) for chunk in chunks] == [47, 49]
    assert [chunk.text for chunk in chunks] == ["".join(sentences[:5]), "".join(sentences[5:]) + "\n\n短段。"]


def test_english_is_cut_at_sentence_ends_too() -> None:
    sentences = [f"Gate {number} opens at half past eight." for number in range(10)]
    chunks = chunk_markdown(" ".join(sentences), limit=40)
    assert " ".join(chunk.text for chunk in chunks) == " ".join(sentences)
    assert all(chunk.text.endswith(".") and length(chunk.text) <= 40 for chunk in chunks)


def test_a_sentence_over_the_limit_is_cut_inside() -> None:
    assert [chunk.text for chunk in chunk_markdown("长" * 70, limit=30)] == ["长" * 30, "长" * 10]


def test_a_heading_inside_a_code_block_is_no_heading() -> None:
    chunks = chunk_markdown("# A\n\n```sh\n# not a heading\n\nls\n```\n\n## B\n\ntext")
    assert chunks == [Chunk(("A",), "```sh\n# not a heading\n\nls\n```"), Chunk(("A", "B"), "text")]


def test_a_heading_of_a_higher_level_closes_the_lower_ones() -> None:
    chunks = chunk_markdown("# A\n## B ##\n### C\nx\n## D\ny\n# E\nz")
    assert [chunk.headings for chunk in chunks] == [("A", "B", "C"), ("A", "D"), ("E",)]


def test_front_matter_and_empty_sections_leave_no_chunk() -> None:
    assert chunk_markdown("---\ntitle: 故宫\n---\n# A\n\n## B\n\ntext\n\n## C\n") == [Chunk(("A", "B"), "text")]
    assert chunk_markdown("") == []


@given(st.text(alphabet="#~`- 。\n故宫ab.!", max_size=300))
def test_no_text_is_lost_and_no_chunk_is_over_the_limit(document: str) -> None:
    chunks = chunk_markdown(document, limit=20)
    assert all(chunk.text.strip() and length(chunk.text) <= 20 for chunk in chunks)
    assert chunks == chunk_markdown(document, limit=20)
    kept = {character for chunk in chunks for character in "".join((*chunk.headings, chunk.text))}
    assert kept <= set(document)
