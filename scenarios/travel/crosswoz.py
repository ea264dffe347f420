"""Makes a travel data directory out of the CrossWOZ databases: `python -m scenarios.travel.crosswoz FOLDER NEW_FOLDER`.

CrossWOZ (Zhu et al., TACL 2020; Apache-2.0) lists some 2,500 attractions, hotels and restaurants of Beijing. Its rows
say nothing about coordinates, opening hours of sights or children; such cells stay empty (unknown), and coordinates
are estimated, as the `source` column tells. Rows without what a plan needs are left out and counted.
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from runtime.errors import RepertoryError, UsageError
from scenarios.travel.crosswoz_cells import opening_hours, station_in, visit_minutes
from scenarios.travel.crosswoz_places import Atlas, Location, Record, known_places
from scenarios.travel.crosswoz_words import CATEGORIES, CUISINES, FACILITIES, STARS, all_words, first_word

Kind = Literal["attraction", "hotel", "restaurant"]
Row = dict[str, str]

KINDS: Final[tuple[Kind, ...]] = ("attraction", "hotel", "restaurant")
HEADERS: Final[Mapping[Kind, str]] = {
    "attraction": (
        "id,name,aliases,district,lat,lon,category,hours_summer,hours_winter,last_entry_min,closed_weekdays,"
        "open_on_holidays,price_adult_cny,price_adult_winter_cny,price_child_cny,child_free_height_cm,child_free_age,"
        "visit_min,family_facilities,min_age,booking_days,indoor,source"
    ),
    "hotel": "id,name,aliases,district,lat,lon,stars,price_cny,family_room,breakfast,facilities,rating,source",
    "restaurant": (
        "id,name,aliases,district,lat,lon,cuisine,hours,closed_weekdays,price_per_person_cny,facilities,rating,source"
    ),
}
BEIJING: Final = Path(__file__).parent / "data" / "beijing"

_ENTRIES: Final = TypeAdapter(list[tuple[str, dict[str, object]]])


class Attraction(Record):
    """A row of attraction_db.json."""

    price: int | None = Field(default=None, alias="门票")
    visit: str = Field(default="", alias="游玩时间")

    def cells(self) -> Row | str:
        """The cells that only attractions have, or why the row cannot be used."""
        minutes = visit_minutes(self.visit)
        if minutes is None:
            return "no length of visit"
        price = "" if self.price is None else str(self.price)
        return {
            "category": first_word(CATEGORIES, self.name, "landmark"),
            "price_adult_cny": price,
            "price_adult_winter_cny": price,
            "visit_min": str(minutes),
        }


class Hotel(Record):
    """A row of hotel_db.json."""

    price: int | None = Field(default=None, alias="价格")
    level: str = Field(default="", alias="酒店类型")
    facilities: list[str] = Field(default_factory=list, alias="酒店设施")

    def cells(self) -> Row | str:
        """The cells that only hotels have, or why the row cannot be used."""
        if not self.price:
            return "no price"
        offered = " ".join(self.facilities)
        return {
            "stars": STARS.get(self.level, ""),
            "price_cny": str(self.price),
            "breakfast": "yes" if "早餐" in offered else "",
            "facilities": all_words(FACILITIES, offered),
            "rating": "" if self.rating is None else str(self.rating),
        }


class Restaurant(Record):
    """A row of restaurant_db.json."""

    price: int | None = Field(default=None, alias="人均消费")
    hours: str = Field(default="", alias="营业时间")
    dishes: list[str] = Field(default_factory=list, alias="推荐菜")

    def cells(self) -> Row | str:
        """The cells that only restaurants have, or why the row cannot be used."""
        if not self.price:
            return "no price"
        hours = opening_hours(self.hours)
        return {
            "cuisine": first_word(CUISINES, self.name) or first_word(CUISINES, " ".join(self.dishes), "其他"),
            "hours": hours.span,
            "closed_weekdays": hours.closed_weekdays,
            "price_per_person_cny": str(self.price),
            "rating": "" if self.rating is None else str(self.rating),
        }


Entry = Attraction | Hotel | Restaurant
MODELS: Final[Mapping[Kind, Callable[[object], Entry]]] = {
    "attraction": Attraction.model_validate,
    "hotel": Hotel.model_validate,
    "restaurant": Restaurant.model_validate,
}


@dataclass(frozen=True)
class Report:
    """What became of the rows of one database."""

    kind: Kind
    rows: Sequence[Row]
    skipped: Counter[str] = field(default_factory=Counter[str])
    """How many rows were left out, by reason."""

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.skipped.items()))
        return f"{self.kind}s: {len(self.rows)} rows written, {self.skipped.total()} skipped" + (
            f" ({reasons})" if reasons else ""
        )


def convert(source: Path, target: Path) -> list[Report]:
    """Writes the three CSV files of `target` from the databases in `source`; all or none of them.

    Raises: UsageError when a database is missing or not in CrossWOZ's form, or when `target` already holds a file of
    that name.
    """
    taken = [path.name for path in _targets(target) if path.exists()]
    if taken:
        raise UsageError(f"{target}: found {', '.join(taken)}, expected a folder without them; name a new folder")
    known = known_places(BEIJING)
    databases = {kind: _read(kind, source / f"{kind}_db.json") for kind in KINDS}
    atlas = Atlas(known)
    atlas.learn(entry for kind in KINDS for entry in databases[kind] if not isinstance(entry, str))
    reports = [_rows(kind, databases[kind], atlas) for kind in KINDS]
    target.mkdir(parents=True, exist_ok=True)
    for report, path in zip(reports, _targets(target), strict=True):
        _write(report, path)
    return reports


def _targets(folder: Path) -> list[Path]:
    return [folder / f"{kind}s.csv" for kind in KINDS]


def _read(kind: Kind, path: Path) -> list[Entry | str]:
    """The entries of one database; a word in place of an entry that cannot be read."""
    if not path.is_file():
        raise UsageError(f"{path}: not found; expected the folder that holds CrossWOZ's {kind}_db.json")
    try:
        entries = _ENTRIES.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, UnicodeError) as error:
        raise UsageError(f"{path}: not a CrossWOZ database, expected a list of [name, facts]: {error}") from error
    return [_entry(kind, name, facts) for name, facts in entries]


def _entry(kind: Kind, name: str, facts: dict[str, object]) -> Entry | str:
    try:
        return MODELS[kind]({**facts, "name": _plain(name)})
    except ValidationError:
        return "unreadable"


def _plain(name: str) -> str:
    """The name with ordinary brackets and without stray blanks, as the travel data writes it."""
    return " ".join(name.replace("（", "(").replace("）", ")").replace(";", " ").split())


def _rows(kind: Kind, entries: Sequence[Entry | str], atlas: Atlas) -> Report:
    """All usable rows, each name and alias once."""
    rows: list[Row] = []
    skipped: Counter[str] = Counter()
    names = {entry.name.casefold() for entry in entries if not isinstance(entry, str)}
    used: set[str] = set()
    for entry in entries:
        row = entry if isinstance(entry, str) else _row(kind, entry, atlas, used)
        if isinstance(row, str):
            skipped[row] += 1
            continue
        row["id"] = f"{kind[0]}{len(rows) + 1:03d}"
        row["aliases"] = ";".join(_aliases(row["name"], atlas, names | used))
        used.update(name.casefold() for name in (row["name"], *row["aliases"].split(";")))
        rows.append(row)
    return Report(kind, rows, skipped)


def _row(kind: Kind, entry: Entry, atlas: Atlas, used: set[str]) -> Row | str:
    """One row without id and aliases, or why it cannot be used."""
    if not entry.name or entry.name.casefold() in used:
        return "repeated"
    cells = entry.cells()
    if isinstance(cells, str):
        return cells
    location = atlas.locate(entry)
    if location is None:
        return "no district"
    return {
        **cells,
        "name": entry.name,
        "district": location.district,
        "lat": location.lat,
        "lon": location.lon,
        "source": _source(kind, entry, location),
    }


def _source(kind: Kind, entry: Entry, location: Location) -> str:
    station = station_in(entry.metro)
    return f"CrossWOZ {kind} DB; {location.how}" + (f"; metro station {station}" if station else "")


def _aliases(name: str, atlas: Atlas, taken: set[str]) -> Iterator[str]:
    """The other names of the same place in the known data that no other row has."""
    twin = atlas.known.get(name)
    for alias in twin.names if twin else ():
        if alias != name and alias.casefold() not in taken:
            yield alias


def _write(report: Report, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, HEADERS[report.kind].split(","), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(report.rows)


def main(arguments: Sequence[str]) -> int:
    """Converts `FOLDER` to `NEW_FOLDER` and says what became of the rows; the exit code."""
    try:
        if len(arguments) != 2:
            raise UsageError("found no two folders; usage: python -m scenarios.travel.crosswoz FOLDER NEW_FOLDER")
        for report in convert(Path(arguments[0]), Path(arguments[1])):
            print(report)
    except (RepertoryError, OSError) as error:
        print(error, file=sys.stderr)
        return error.exit_code if isinstance(error, RepertoryError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
