"""The rules by which a misspelt name is clear."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tools.travel.names import SIGHT_ENDINGS, NameIndex, distance, normal

words = st.text(alphabet="故宫官天坛地和园圆ab", max_size=6)


def test_characters_that_look_or_sound_alike_are_near() -> None:
    assert distance("故官", "故宫") == 0.3 and distance("天坛", "地坛") == 1 and distance("故宫", "宫") == 1


@given(words, words)
def test_the_distance_is_symmetric_and_zero_only_for_equals(left: str, right: str) -> None:
    assert abs(distance(left, right) - distance(right, left)) < 1e-9
    assert (distance(left, right) == 0) == (left == right)


@given(words, words, words)
def test_the_distance_is_at_most_the_longer_length(left: str, right: str, tail: str) -> None:
    assert distance(left, right) <= max(len(left), len(right))
    assert distance(left + tail, right + tail) <= distance(left, right) + 1e-9


def test_case_width_and_punctuation_do_not_count() -> None:
    assert normal("Ｂｉｒｄ’s Nest （鸟巢）") == "birdsnest鸟巢"


def test_a_name_wins_over_an_alias_and_a_shared_alias_is_unclear() -> None:
    index = NameIndex({"北海": [], "北海公园": ["北海", "白塔"], "妙应寺": ["白塔"]})
    assert index.find("北海").used == "北海"
    assert index.find("白塔").used is None and index.find("白塔").candidates == ("北海公园", "妙应寺")


def test_another_generic_ending_is_the_same_place_but_another_city_is_not() -> None:
    names: dict[str, list[str]] = {
        name: [] for name in ("上海博物馆", "上海动物园", "上海科技馆", "豫园", "中国航海博物馆")
    }
    index = NameIndex(names, SIGHT_ENDINGS)
    assert index.find("豫园景区").used == "豫园"
    assert index.find("上海航海博物馆").used != "上海博物馆"
    assert index.find("上海").used is None


def test_half_of_a_short_name_is_not_clear() -> None:
    index = NameIndex({"天坛公园": ["天坛"]}, SIGHT_ENDINGS)
    assert index.find("月坛").used is None and index.find("月坛公园").used is None
    assert index.find("天坦公园").used == "天坛公园"


def test_every_name_and_every_unshared_alias_finds_its_place() -> None:
    aliases = {"故宫博物院": ["故宫"], "天坛公园": ["天坛"], "全季酒店(北京安定门店)": ["全季安定门店"]}
    index = NameIndex(aliases)
    for name, others in aliases.items():
        assert {index.find(each).used for each in (name, *others)} == {name}
