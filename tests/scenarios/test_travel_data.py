"""The embedded data of Beijing keeps to the schema of scenarios/travel/data/README.md and to what is known."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

TRAVEL = Path(__file__).parents[2] / "scenarios" / "travel"
BEIJING = TRAVEL / "data" / "beijing"


def words(cell: str) -> list[str]:
    return cell.split(";") if cell else []


COLUMNS = {
    "attractions": (
        "id,name,aliases,district,lat,lon,category,hours_summer,hours_winter,last_entry_min,closed_weekdays,"
        "open_on_holidays,price_adult_cny,price_adult_winter_cny,price_child_cny,child_free_height_cm,child_free_age,"
        "visit_min,family_facilities,min_age,booking_days,indoor,source"
    ),
    "hotels": "id,name,aliases,district,lat,lon,stars,price_cny,family_room,breakfast,facilities,rating,source",
    "restaurants": (
        "id,name,aliases,district,lat,lon,cuisine,hours,closed_weekdays,price_per_person_cny,facilities,rating,source"
    ),
}
CATEGORIES = set(
    words("museum;palace;park;garden;zoo;science;theme_park;temple;street;great_wall;landmark;show;nature")
)
DISTRICTS = set(
    words(
        "东城区;西城区;朝阳区;海淀区;丰台区;石景山区;门头沟区;房山区;通州区;顺义区;昌平区;大兴区;"
        "怀柔区;平谷区;密云区;延庆区"
    )
)
FACILITIES = {
    "attractions": set(
        words(
            "boats;cable_car;ice_rink;kids_area;lift;lockers;nursing_room;playground;restaurant;rides;"
            "slide;stroller_friendly;stroller_rental;toilets"
        )
    ),
    "hotels": set(
        words(
            "accessible;airport_pickup;babysitting;gym;kids_area;laundry;luggage;non_smoking;parking;"
            "pool;restaurant;wifi"
        )
    ),
    "restaurants": set(words("kids_area;kids_chair;kids_menu;private_room")),
}
WHOLE_NUMBERS = words(
    "last_entry_min;price_adult_cny;price_adult_winter_cny;price_child_cny;"
    "child_free_height_cm;child_free_age;visit_min;min_age;booking_days;stars;price_cny;"
    "price_per_person_cny"
)
YES_NO = ("open_on_holidays", "indoor", "family_room", "breakfast")
SPAN = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d")
FILES = tuple(COLUMNS)

Row = dict[str, str]


def rows(file: str) -> list[Row]:
    with (BEIJING / f"{file}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def named(file: str, name: str) -> Row:
    return next(row for row in rows(file) if row["name"] == name)


def names(row: Row) -> list[str]:
    return [row["name"], *words(row["aliases"])]


def repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


@pytest.mark.parametrize("file", FILES)
def test_header_is_the_documented_one(file: str) -> None:
    header = (BEIJING / f"{file}.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == COLUMNS[file]


@pytest.mark.parametrize("file", FILES)
def test_every_column_is_explained_in_the_readme(file: str) -> None:
    readme = (TRAVEL / "data" / "README.md").read_text(encoding="utf-8")
    assert [column for column in COLUMNS[file].split(",") if f"`{column}`" not in readme] == []


@pytest.mark.parametrize("file", FILES)
def test_readme_shows_a_row_of_the_file(file: str) -> None:
    readme = (TRAVEL / "data" / "README.md").read_text(encoding="utf-8")
    lines = (BEIJING / f"{file}.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert any(line in readme for line in lines)


@pytest.mark.parametrize(("file", "least"), [("attractions", 60), ("hotels", 40), ("restaurants", 60)])
def test_there_are_enough_places(file: str, least: int) -> None:
    assert len(rows(file)) >= least


@pytest.mark.parametrize("file", FILES)
def test_rows_have_all_cells_without_stray_blanks(file: str) -> None:
    for row in rows(file):
        assert list(row) == COLUMNS[file].split(","), row["id"]
        assert all(cell == cell.strip() for cell in row.values()), row["id"]
        assert all(row[column] for column in ("id", "name", "district", "lat", "lon", "source")), row["id"]


@pytest.mark.parametrize("file", FILES)
def test_ids_are_unique_and_start_with_the_letter_of_the_file(file: str) -> None:
    ids = [row["id"] for row in rows(file)]
    assert repeated(ids) == []
    assert [found for found in ids if not re.fullmatch(rf"{file[0]}\d{{3}}", found)] == []


@pytest.mark.parametrize("file", FILES)
def test_a_name_or_alias_belongs_to_one_row(file: str) -> None:
    assert repeated(name.casefold() for row in rows(file) for name in names(row)) == []


@pytest.mark.parametrize("file", FILES)
def test_places_lie_in_beijing_and_in_a_known_district(file: str) -> None:
    for row in rows(file):
        assert 39.4 <= float(row["lat"]) <= 41.1, row["name"]
        assert 115.4 <= float(row["lon"]) <= 117.6, row["name"]
        assert row["district"] in DISTRICTS, row["name"]


@pytest.mark.parametrize("file", FILES)
def test_numbers_answers_weekdays_and_hours_keep_their_format(file: str) -> None:
    for row in rows(file):
        for column in set(WHOLE_NUMBERS) & set(row):
            assert re.fullmatch(r"\d*", row[column]), (row["name"], column)
        for column in set(YES_NO) & set(row):
            assert row[column] in ("yes", "no", ""), (row["name"], column)
        for column in {"hours_summer", "hours_winter", "hours"} & set(row):
            assert_is_span(row[column], row["name"])
        assert all(re.fullmatch("[1-7]", day) for day in words(row.get("closed_weekdays", ""))), row["name"]


def assert_is_span(cell: str, name: str) -> None:
    assert SPAN.fullmatch(cell), (name, cell)
    start, end = cell.split("-")
    assert start < end, (name, cell)


@pytest.mark.parametrize("file", FILES)
def test_facilities_are_documented_words(file: str) -> None:
    column = "family_facilities" if file == "attractions" else "facilities"
    readme = (TRAVEL / "data" / "README.md").read_text(encoding="utf-8")
    for row in rows(file):
        found = words(row[column])
        assert set(found) <= FACILITIES[file], row["name"]
        assert repeated(found) == [], row["name"]
    assert [word for word in FACILITIES[file] if f"`{word}`" not in readme] == []


@pytest.mark.parametrize("file", ["hotels", "restaurants"])
def test_ratings_are_between_one_and_five(file: str) -> None:
    assert [row["name"] for row in rows(file) if row["rating"] and not 1 <= float(row["rating"]) <= 5] == []


def test_attractions_have_a_known_category_and_the_facts_that_a_plan_needs() -> None:
    needed = words(
        "hours_summer;hours_winter;last_entry_min;open_on_holidays;price_adult_cny;"
        "price_adult_winter_cny;price_child_cny;visit_min;min_age;booking_days;indoor"
    )
    for row in rows("attractions"):
        assert row["category"] in CATEGORIES, row["name"]
        assert [column for column in needed if not row[column]] == [], row["name"]
        assert 30 <= int(row["visit_min"]) <= 600, row["name"]


def test_children_never_pay_more_than_adults() -> None:
    for row in rows("attractions"):
        assert int(row["price_child_cny"]) <= int(row["price_adult_cny"]), row["name"]


def test_a_visit_fits_between_opening_and_closing_in_both_seasons() -> None:
    for row in rows("attractions"):
        for column in ("hours_summer", "hours_winter"):
            start, end = (60 * int(time[:2]) + int(time[3:]) for time in row[column].split("-"))
            assert int(row["visit_min"]) <= end - start + 120, row["name"]
            assert int(row["last_entry_min"]) < end - start, row["name"]


def test_palace_museum_has_its_official_rules() -> None:
    row = named("attractions", "故宫博物院")
    assert {"故宫", "紫禁城", "Palace Museum", "Forbidden City"} <= set(words(row["aliases"]))
    assert (row["district"], row["closed_weekdays"], row["open_on_holidays"]) == ("东城区", "1", "yes")
    assert (row["hours_summer"], row["hours_winter"]) == ("08:30-17:00", "08:30-16:30")
    assert (row["price_adult_cny"], row["price_adult_winter_cny"], row["price_child_cny"]) == ("60", "40", "0")
    assert (row["child_free_height_cm"], row["child_free_age"], row["booking_days"]) == ("120", "17", "7")


def test_science_museum_has_its_official_rules() -> None:
    row = named("attractions", "中国科学技术馆")
    assert {"中国科技馆", "科技馆"} <= set(words(row["aliases"]))
    assert (row["district"], row["category"], row["closed_weekdays"]) == ("朝阳区", "science", "1")
    assert (row["price_adult_cny"], row["price_child_cny"], row["indoor"]) == ("30", "15", "yes")


def test_national_museum_is_free_and_closed_on_mondays() -> None:
    row = named("attractions", "中国国家博物馆")
    assert (row["price_adult_cny"], row["price_child_cny"], row["closed_weekdays"]) == ("0", "0", "1")


@pytest.mark.parametrize(
    "name",
    words(
        "天坛;颐和园;八达岭长城;慕田峪长城;北京动物园;北京海洋馆;北京环球度假区;国家自然博物馆;"
        "景山公园;北海公园;什刹海;南锣鼓巷;天安门广场;王府井;奥林匹克公园;鸟巢;水立方;北京天文馆;"
        "铁道博物馆;首都博物馆;军事博物馆;雍和宫;恭王府;圆明园;香山;欢乐谷;石景山游乐园;朝阳公园;"
        "玉渊潭;798"
    ),
)
def test_main_sights_are_found_by_their_usual_name(name: str) -> None:
    assert any(name in names(row) for row in rows("attractions"))


def test_hotels_of_dongcheng_include_affordable_ones_with_family_rooms() -> None:
    central = [row for row in rows("hotels") if row["district"] == "东城区"]
    affordable = [row for row in central if int(row["price_cny"]) < 600]
    assert len(central) >= 8
    assert len(affordable) >= 4
    assert len([row for row in affordable if row["family_room"] == "yes"]) >= 3


def test_hotels_and_restaurants_are_spread_over_districts() -> None:
    assert len({row["district"] for row in rows("hotels")}) >= 10
    assert len({row["district"] for row in rows("restaurants")}) >= 10


def test_hotels_and_restaurants_have_a_price() -> None:
    assert [row["name"] for row in rows("hotels") if not 50 <= int(row["price_cny"]) <= 5000] == []
    assert [row["name"] for row in rows("restaurants") if not 5 <= int(row["price_per_person_cny"]) <= 1000] == []


@pytest.mark.parametrize(
    "sight",
    words("故宫博物院;天安门广场;天坛公园;中国科学技术馆;南锣鼓巷;王府井步行街;前门大街;雍和宫;北海公园"),
)
def test_families_can_eat_near_the_sight(sight: str) -> None:
    place = named("attractions", sight)
    near = [row for row in rows("restaurants") if distance_km(place, row) <= 2]
    assert len(near) >= 3
    assert any("kids_chair" in words(row["facilities"]) for row in near)


def distance_km(one: Row, other: Row) -> float:
    """Straight distance on the plane tangent to Beijing: a degree is 111 km north, 85 km east."""
    north = 111 * (float(one["lat"]) - float(other["lat"]))
    east = 85 * (float(one["lon"]) - float(other["lon"]))
    return float((north**2 + east**2) ** 0.5)


def test_breakfast_lunch_and_dinner_are_served_somewhere() -> None:
    spans = [row["hours"].split("-") for row in rows("restaurants")]
    assert len([start for start, _ in spans if start <= "07:00"]) >= 8
    assert len([end for _, end in spans if end >= "20:30"]) >= 40


def test_places_are_where_their_neighbours_are() -> None:
    palace = named("attractions", "故宫博物院")
    for name, least, most in [
        ("景山公园", 0, 2),
        ("中国科学技术馆", 8, 12),
        ("八达岭长城", 50, 70),
        ("天坛公园", 3, 5),
    ]:
        assert least <= distance_km(palace, named("attractions", name)) <= most, name
