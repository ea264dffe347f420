from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.rank import fuse


def test_what_two_rankings_like_comes_before_what_one_likes_best() -> None:
    fused = fuse([["a", "b", "c"], ["d", "b", "e"]])
    assert [item for item, _ in fused] == ["b", "a", "d", "c", "e"]
    assert fused[0][1] == pytest.approx(2 / 62)


def test_an_item_counts_once_in_a_ranking() -> None:
    assert dict(fuse([["a", "a", "b"]])) == pytest.approx({"a": 1 / 61, "b": 1 / 62})


def test_of_two_that_tie_the_first_rankings_choice_comes_first() -> None:
    assert [item for item, _ in fuse([["b", "a"], ["a", "b"]])] == ["b", "a"]


def test_nothing_fused_is_nothing() -> None:
    assert fuse([]) == fuse([[], []]) == []


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), max_size=4))
def test_the_order_of_the_rankings_decides_ties_only(rankings: list[list[str]]) -> None:
    forwards, backwards = dict(fuse(rankings)), dict(fuse(rankings[::-1]))
    assert forwards == pytest.approx(backwards)
    assert forwards.keys() == {item for ranking in rankings for item in ranking}
    assert list(forwards.values()) == sorted(forwards.values(), reverse=True)
