"""Data directories are read whole or refused with every flaw named; places are found by what people call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import UsageError
from tools.travel.catalogue import Area, Catalogue, load_catalogue

BEIJING = Path(__file__).parents[2] / "scenarios" / "travel" / "data" / "beijing"


def test_rows_are_read_with_their_types(catalogue: Catalogue) -> None:
    palace, park, science = catalogue.attractions
    assert palace.aliases == ("故宫", "紫禁城", "Forbidden City") and palace.closed_weekdays == (1,)
    assert (palace.price_adult_cny, palace.open_on_holidays, palace.indoor) == (60, True, False)
    assert (park.price_child_cny, park.open_on_holidays, park.closed_weekdays) == (None, None, ())
    assert (science.hours_summer, science.hours_winter, science.closed_weekdays) == ("09:30-17:00", None, (1, 2))
    assert catalogue.restaurants[0].hours == "10:30-14:00;17:00-02:00"
    assert catalogue.hotels[1].name == "湖畔酒店(奥林匹克店)"


def test_facts_of_a_place_are_json(catalogue: Catalogue) -> None:
    facts = catalogue.attraction("天坛公园").facts()
    assert facts["aliases"] == ["天坛"] and facts["price_child_cny"] is None and facts["lat"] == 39.8822


def test_the_columns_may_stand_in_any_order_after_a_byte_order_mark(city: Path) -> None:
    path = city / "hotels.csv"
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("\n".join(",".join(reversed(row)) for row in rows), encoding="utf-8-sig")
    assert [row.id for row in load_catalogue(city).hotels] == ["h001", "h002"]


@pytest.mark.parametrize(
    ("file", "old", "new", "flaw"),
    [
        (
            "attractions",
            "39.9163",
            "93.9",
            "attractions.csv:2: lat: found '93.9', expected degrees north from -90 to 90",
        ),
        ("attractions", ",palace,", ",castle,", "attractions.csv:2: category: found 'castle', expected one of museum,"),
        ("attractions", "08:30-16:30", "8.30-16", "attractions.csv:2: hours_winter: found '8.30-16', expected hours"),
        ("attractions", "06:30-22:00", "06:30-25:00", "attractions.csv:3: hours_winter: found '06:30-25:00', expected"),
        ("attractions", ",60,1,yes", ",60,0,yes", "attractions.csv:2: closed_weekdays: found '0', expected weekdays"),
        ("attractions", ",60,1,yes", ",60,1,ja", "attractions.csv:2: open_on_holidays: found 'ja', expected yes, no"),
        (
            "attractions",
            "yes,60,40",
            "yes,60.5,40",
            "attractions.csv:2: price_adult_cny: found '60.5', expected a price",
        ),
        (
            "attractions",
            "a002,",
            "a001,",
            "attractions.csv:3: id: found 'a001', expected one that line 2 does not have",
        ),
        ("attractions", "天坛公园,", ",", "attractions.csv:3: name: found '', expected some text"),
        ("hotels", ",420,", ",,", "hotels.csv:2: price_cny: found '', expected a price in whole CNY"),
        ("hotels", "东单旅馆,", "东单,旅馆,", "hotels.csv:2: found 14 cells, expected 13; put cells that hold a comma"),
        ("hotels", "stars", "star", "hotels.csv:1: header: found 'star', expected 'stars', or one of id, name"),
        ("hotels", ",rating", ",stars", "hotels.csv:1: header: a column is there twice"),
        (
            "restaurants",
            ",4.1,",
            ",9,",
            "restaurants.csv:2: rating: found '9', expected a rating from 0 to 5 or nothing",
        ),
        ("restaurants", "r002,金炉", 'r002,"金炉', "restaurants.csv:3: found a broken row"),
    ],
)
def test_a_flaw_is_named_with_file_line_field_found_and_expected(
    city: Path, file: str, old: str, new: str, flaw: str
) -> None:
    path = city / f"{file}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_catalogue(city)
    assert flaw in str(caught.value)


def test_all_flaws_of_all_files_are_told_at_once(city: Path) -> None:
    (city / "hotels.csv").unlink()
    (city / "restaurants.csv").write_bytes("id,name\nr1,\xff".encode("latin-1"))
    (city / "attractions.csv").write_text("", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_catalogue(city)
    message = str(caught.value)
    assert "hotels.csv:1: found no such file" in message
    assert "restaurants.csv:2: found byte 0xff, expected UTF-8 text" in message
    assert "attractions.csv:1: header: missing id, name" in message


def test_many_flaws_are_cut_short(city: Path) -> None:
    path = city / "hotels.csv"
    header = path.read_text(encoding="utf-8").splitlines()[0]
    path.write_text("\n".join([header, *["too,short"] * 30]), encoding="utf-8")
    with pytest.raises(UsageError, match=r"… and 10 more"):
        load_catalogue(city)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found no directory .*nowhere, expected a directory with attractions\.csv"):
        load_catalogue(tmp_path / "nowhere")


def test_a_place_is_found_among_all_kinds_and_districts(catalogue: Catalogue) -> None:
    assert catalogue.match_place("湖畔酒店").used == "湖畔酒店(奥林匹克店)"
    assert catalogue.match_place("面馆").used == "老灶面馆"
    assert catalogue.match_place("东城").used == "东城区"
    assert catalogue.match_place("火星").used is None
    area = catalogue.place("东城区")
    assert isinstance(area, Area) and 39.88 < area.lat < 39.92


def test_a_district_is_found_by_what_lies_in_it(catalogue: Catalogue) -> None:
    assert catalogue.match_district("朝阳").used == "朝阳区"
    assert catalogue.match_district("紫禁城").used == "东城区"
    assert catalogue.match_district("浦东新区").candidates == ("东城区", "朝阳区")


def test_a_cuisine_is_found_within_a_wish(catalogue: Catalogue) -> None:
    assert catalogue.match_cuisine("北京烤鸭").used == "烤鸭"
    assert catalogue.match_cuisine("法餐").candidates == catalogue.cuisines


def test_the_shipped_city_is_valid_and_large_enough() -> None:
    beijing = load_catalogue(BEIJING)
    assert len(beijing.attractions) >= 55 and len(beijing.hotels) >= 40 and len(beijing.restaurants) >= 55
    assert all(row.source for row in beijing.rows)
    assert all(39 < row.lat < 41.5 and 115 < row.lon < 118 for row in beijing.rows)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("故宫", "故宫博物院"),
        ("故官", "故宫博物院"),
        ("故官博物院", "故宫博物院"),
        ("故宫博物馆", "故宫博物院"),
        ("forbiden city", "故宫博物院"),
        ("颐和圆", "颐和园"),
        ("中国科技技术馆", "中国科学技术馆"),
        ("天坛门票", "天坛公园"),
        ("雍和官", "雍和宫"),
        ("慕田谷长城", "慕田峪长城"),
        ("日坛", "日坛公园"),
    ],
)
def test_a_clear_misspelling_is_found_in_the_shipped_city(said: str, meant: str) -> None:
    assert load_catalogue(BEIJING).match_attraction(said).used == meant


@pytest.mark.parametrize(
    ("said", "candidate"),
    [
        ("长城", "八达岭长城"),
        ("月坛", "天坛公园"),
        ("博物馆", "中国国家博物馆"),
        ("泰山", "景山公园"),
        ("环球", "北京环球度假区"),
    ],
)
def test_an_unclear_name_gets_candidates(said: str, candidate: str) -> None:
    match = load_catalogue(BEIJING).match_attraction(said)
    assert match.used is None and candidate in match.candidates and len(match.candidates) <= 5


@pytest.mark.parametrize("said", ["埃菲尔铁塔", "上海迪士尼", "", "？"])
def test_what_is_like_nothing_known_gets_no_candidates(said: str) -> None:
    match = load_catalogue(BEIJING).match_attraction(said)
    assert match.used is None and match.candidates == ()
