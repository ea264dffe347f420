"""A little city of three sights, two hotels and three restaurants, as CSV files that a test may spoil."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.travel.catalogue import Catalogue, load_catalogue

ATTRACTIONS = """\
id,name,aliases,district,lat,lon,category,hours_summer,hours_winter,last_entry_min,closed_weekdays,open_on_holidays,\
price_adult_cny,price_adult_winter_cny,price_child_cny,child_free_height_cm,child_free_age,visit_min,family_facilities,\
min_age,booking_days,indoor,source
a001,故宫博物院,故宫;紫禁城;Forbidden City,东城区,39.9163,116.3972,palace,08:30-17:00,08:30-16:30,60,1,yes,60,40,20,\
120,6,180,toilets;restaurant,4,7,no,official site
a002,天坛公园,天坛,东城区,39.8822,116.4066,park,06:00-22:00,06:30-22:00,60,,,15,10,,120,,150,playground,,0,no,
a003,中国科学技术馆,中国科技馆;科技馆,朝阳区,40.0043,116.3986,science,9:30-17:00,,60,1;2,no,,,,,,240,,3,,yes,book
"""
HOTELS = """\
id,name,aliases,district,lat,lon,stars,price_cny,family_room,breakfast,facilities,rating,source
h001,东单旅馆,,东城区,39.9080,116.4180,3,420,yes,no,wifi,4.5,x
h002,"湖畔酒店(奥林匹克店)",湖畔酒店,朝阳区,40.0000,116.4000,5,900,,yes,,4.9,x
"""
RESTAURANTS = """\
id,name,aliases,district,lat,lon,cuisine,hours,closed_weekdays,price_per_person_cny,facilities,rating,source
r001,老灶面馆,面馆,东城区,39.9150,116.4000,面食,10:30-14:00;17:00-02:00,,35,kids_chair,4.1,x
r002,金炉烤鸭店,,东城区,39.9000,116.4100,烤鸭,10:30-21:30,1,160,,4.6,x
r003,北湖餐厅,,朝阳区,40.0050,116.4000,北京菜,,,,,,x
"""
FILES = {"attractions": ATTRACTIONS, "hotels": HOTELS, "restaurants": RESTAURANTS}


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """The directory of the little city."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def catalogue(city: Path) -> Catalogue:
    """The little city, loaded."""
    return load_catalogue(city)
