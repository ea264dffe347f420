from __future__ import annotations

from memory.text import character_pairs, clean, length


def test_a_chinese_character_counts_as_much_as_four_latin_ones() -> None:
    assert length("故宫周一闭馆") == 6
    assert length("abcdefgh") == 2
    assert length("故宫 open") == 2 + 2
    assert length("") == 0


def test_pairs_cover_runs_of_chinese_and_nothing_else() -> None:
    assert character_pairs("每周一闭馆 (closed), 8点") == "每周 周一 一闭 闭馆 点"
    assert character_pairs("closed on Mondays") == ""


def test_clean_text_can_be_stored_anywhere() -> None:
    assert clean(" a\0b\ud800 ") == "a b?"
