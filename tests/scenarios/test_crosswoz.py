"""The converter makes valid travel data out of a small sample in CrossWOZ's form, and out of the whole where it is."""

import csv
import json
import re
from pathlib import Path

import pytest

from runtime.errors import UsageError
from scenarios.travel.crosswoz import BEIJING, HEADERS, Kind, convert, main
from scenarios.travel.crosswoz_cells import (
    DISTRICT_CENTRES,
    OpeningHours,
    district_in,
    opening_hours,
    station_in,
    street_in,
    visit_minutes,
)

Entry = list[object]
Row = dict[str, str]
SPAN = re.compile(r"\d\d:\d\d-\d\d:\d\d")


def attraction(name: str, address: str, **facts: object) -> Entry:
    return [name, {"名称": name, "地址": address, "地铁": None, "门票": 20, "游玩时间": "2小时 - 3小时", **facts}]


def hotel(name: str, address: str, **facts: object) -> Entry:
    return [
        name,
        {"名称": name, "地址": address, "地铁": None, "酒店类型": "舒适型", "价格": 400, "评分": 4.5, **facts},
    ]


def restaurant(name: str, address: str, **facts: object) -> Entry:
    usual = {
        "名称": name,
        "地址": address,
        "地铁": None,
        "营业时间": "周一至周日 11:00-21:00",
        "人均消费": 80,
        "评分": 4.0,
    }
    return [name, {**usual, **facts}]


SAMPLE: dict[Kind, list[Entry]] = {
    "attraction": [
        attraction("故宫", "北京市东城区景山前街4号", 门票=60),
        attraction("木偶展览馆", "北京市朝阳区亮马街3号", 地铁="亮马地铁站A口"),
        attraction("小亭", "北京市东城区景山前街4号故宫博物院内", 门票=None, 游玩时间="0.5小时"),
        attraction("无时林", "北京市延庆县青松镇", 游玩时间="0.0小时"),
        attraction("野趣谷", "北京市密云县", 游玩时间="3天"),
    ],
    "hotel": [
        hotel("亮马客栈", "北京朝阳区亮马街8号", 酒店设施=["宽带上网", "早餐服务免费", "室内游泳池"]),
        hotel("无价客栈", "北京朝阳区亮马街9号", 价格=None),
        hotel("老城旅馆（前门店）", "北京崇文区天桥街1号", 酒店类型="经济型"),
    ],
    "restaurant": [
        restaurant("亮马烤鸭", "亮马街12号"),
        restaurant("站旁涮肉", "无名小巷5号", 地铁="亮马地铁站B口", 营业时间="周二至周日 10:00-02:00"),
        restaurant("宫边小吃", "某处", 周边景点=["故宫", "木偶展览馆", "故宫"]),
        restaurant("无名馆", "亮马街14号"),
        restaurant("不知何处", "某处"),
        restaurant("白吃馆", "亮马街13号", 人均消费=0),
        ["怪馆", {"地址": ["不是", "文字"]}],
    ],
}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    folder = tmp_path / "crosswoz"
    folder.mkdir()
    for kind, entries in SAMPLE.items():
        (folder / f"{kind}_db.json").write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture
def crosswoz() -> Path:
    repository = Path(__file__).parents[2]
    folder = repository.parent / "shared" / "data" / "crosswoz"
    if not folder.is_dir():
        pytest.skip("the CrossWOZ databases are not at ../shared/data/crosswoz beside the repository")
    return folder


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def converted(sample: Path, file: str) -> dict[str, Row]:
    target = sample.parent / "city"
    if not target.exists():
        convert(sample, target)
    return {row["name"]: row for row in read(target / f"{file}.csv")}


def test_usable_rows_are_written_and_the_others_counted_by_reason(sample: Path, tmp_path: Path) -> None:
    attractions, hotels, restaurants = convert(sample, tmp_path / "city")
    assert (len(attractions.rows), attractions.skipped) == (4, {"no length of visit": 1})
    assert (len(hotels.rows), hotels.skipped) == (2, {"no price": 1})
    assert (len(restaurants.rows), restaurants.skipped) == (4, {"no district": 1, "no price": 1, "unreadable": 1})


def test_a_place_of_the_embedded_data_keeps_its_coordinates_and_names(sample: Path) -> None:
    palace = converted(sample, "attractions")["故宫"]
    known = next(row for row in read(BEIJING / "attractions.csv") if row["name"] == "故宫博物院")
    assert (palace["lat"], palace["lon"]) == (known["lat"], known["lon"])
    assert "故宫博物院" in palace["aliases"].split(";")
    assert (palace["category"], palace["price_adult_cny"], palace["visit_min"]) == ("palace", "60", "150")


def test_a_place_inside_a_known_one_takes_its_coordinates_and_says_so(sample: Path) -> None:
    rows = converted(sample, "attractions")
    assert (rows["小亭"]["lat"], rows["小亭"]["lon"]) == (rows["故宫"]["lat"], rows["故宫"]["lon"])
    assert "coordinates of 故宫博物院 around it" in rows["小亭"]["source"]


def test_other_places_lie_at_the_seat_of_their_district_and_say_so(sample: Path) -> None:
    row = converted(sample, "attractions")["木偶展览馆"]
    assert (float(row["lat"]), float(row["lon"])) == DISTRICT_CENTRES["朝阳区"]
    assert row["source"] == (
        "CrossWOZ attraction DB; district from the address, coordinates of the district's seat; metro station 亮马"
    )


def test_unknown_cells_stay_empty(sample: Path) -> None:
    row = converted(sample, "attractions")["小亭"]
    assert [row[column] for column in ("price_adult_cny", "hours_summer", "child_free_age", "indoor")] == [""] * 4


def test_hotel_classes_and_facilities_become_the_words_of_the_schema(sample: Path) -> None:
    row = converted(sample, "hotels")["亮马客栈"]
    assert (row["stars"], row["price_cny"], row["rating"]) == ("3", "400", "4.5")
    assert (row["facilities"], row["breakfast"], row["family_room"]) == ("wifi;pool", "yes", "")


def test_merged_districts_and_wide_brackets_are_modernised(sample: Path) -> None:
    row = converted(sample, "hotels")["老城旅馆(前门店)"]
    assert (row["district"], row["stars"]) == ("东城区", "2")


def test_districts_are_learned_from_streets_stations_and_sights(sample: Path) -> None:
    rows = converted(sample, "restaurants")
    assert {name: row["district"] for name, row in rows.items()} == {
        "亮马烤鸭": "朝阳区",
        "无名馆": "朝阳区",
        "站旁涮肉": "朝阳区",
        "宫边小吃": "东城区",
    }
    assert "guessed from the street" in rows["亮马烤鸭"]["source"]
    assert "guessed from the metro station" in rows["站旁涮肉"]["source"]
    assert "guessed from the sights nearby" in rows["宫边小吃"]["source"]


def test_cuisine_and_hours_of_restaurants_are_read(sample: Path) -> None:
    row = converted(sample, "restaurants")["站旁涮肉"]
    assert (row["cuisine"], row["hours"], row["closed_weekdays"]) == ("火锅", "10:00-23:59", "1")
    assert converted(sample, "restaurants")["无名馆"]["cuisine"] == "其他"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("周一至周日 11:00-21:00", OpeningHours("11:00-21:00", "")),
        ("5:30-21:00", OpeningHours("05:30-21:00", "")),
        ("10：30—22：00", OpeningHours("10:30-22:00", "")),
        ("周一至周日 09:00-07:00", OpeningHours("09:00-23:59", "")),
        ("周一至周日 12:00-24:00", OpeningHours("12:00-23:59", "")),
        ("周一至周日 全天", OpeningHours("00:00-23:59", "")),
        ("周二至周日 10:30-15:30", OpeningHours("10:30-15:30", "1")),
        ("周一,周三至周日 11:00-20:00", OpeningHours("11:00-20:00", "2")),
        ("周五至周日 11:00-22:30  周一至周四 11:30-22:00", OpeningHours("11:30-22:00", "")),
        ("周一至周日 11:00-14:00 17:00-21:00", OpeningHours("", "")),
        ("春季、夏季、秋季 周一至周日 08:00-19:30", OpeningHours("", "")),
        ("周一至周日 11:00-21:00  非营业时段 2018-02-13至2018-03-13 22:00-10:00", OpeningHours("11:00-21:00", "")),
        ("即将开业", OpeningHours("", "")),
        ("周一至周日 25:00-29:00", OpeningHours("", "")),
    ],
)
def test_opening_hours_say_only_what_holds_on_every_open_day(text: str, expected: OpeningHours) -> None:
    assert opening_hours(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2小时 - 4小时", 180),
        ("0.5小时 - 1小时", 45),
        ("3天", 360),
        ("12小时 - 3天", 360),
        ("0.0小时", None),
        ("", None),
    ],
)
def test_length_of_visit_is_the_middle_and_at_most_a_day(text: str, expected: int | None) -> None:
    assert visit_minutes(text) == expected


def test_addresses_name_district_and_street() -> None:
    assert district_in("北京市延庆县京藏高速58号出口右转") == "延庆区"
    assert district_in("王府井大街88号") is None
    assert street_in("北京市东城区王府井大街88号") == "王府井大街"
    assert street_in("无名") is None
    assert (station_in("灯市口地铁站A口"), station_in(None)) == ("灯市口", None)


def test_a_missing_database_is_named_and_nothing_is_written(sample: Path, tmp_path: Path) -> None:
    (sample / "restaurant_db.json").unlink()
    with pytest.raises(UsageError, match=r"restaurant_db\.json: not found"):
        convert(sample, tmp_path / "city")
    assert not (tmp_path / "city").exists()


@pytest.mark.parametrize("content", ["{", '{"故宫": 1}', "[1, 2]"])
def test_a_file_that_is_no_database_is_named(sample: Path, tmp_path: Path, content: str) -> None:
    (sample / "hotel_db.json").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"hotel_db\.json: not a CrossWOZ database"):
        convert(sample, tmp_path / "city")


def test_existing_files_are_not_overwritten(sample: Path) -> None:
    convert(sample, sample.parent / "city")
    with pytest.raises(UsageError, match=r"found attractions\.csv, hotels\.csv, restaurants\.csv"):
        convert(sample, sample.parent / "city")


def test_command_prints_the_counts(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sample), str(sample.parent / "city")]) == 0
    assert "hotels: 2 rows written, 1 skipped (1 no price)" in capsys.readouterr().out


def test_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err


def test_whole_crosswoz_becomes_valid_data(crosswoz: Path, tmp_path: Path) -> None:
    reports = convert(crosswoz, tmp_path / "city")
    assert [len(report.rows) >= least for report, least in zip(reports, (400, 900, 800), strict=True)] == [True] * 3
    for report in reports:
        path = tmp_path / "city" / f"{report.kind}s.csv"
        assert path.read_text(encoding="utf-8").splitlines()[0] == HEADERS[report.kind]
        assert_rows_are_valid(read(path))


def assert_rows_are_valid(rows: list[Row]) -> None:
    names = [name.casefold() for row in rows for name in [row["name"], *filter(None, row["aliases"].split(";"))]]
    assert len(names) == len(set(names))
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["district"] in DISTRICT_CENTRES, row
        assert 39.4 <= float(row["lat"]) <= 41.1, row
        assert 115.4 <= float(row["lon"]) <= 117.6, row
        assert row["source"].startswith("CrossWOZ"), row
        assert not row.get("hours") or SPAN.fullmatch(row["hours"]), row
        assert row.get("price_cny") != "0", row


def test_headers_are_those_of_the_embedded_data() -> None:
    for kind, header in HEADERS.items():
        assert (BEIJING / f"{kind}s.csv").read_text(encoding="utf-8").splitlines()[0] == header
