"""Reads one CSV file of a travel data directory; every flaw is named with file, line, field, found and expected."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from runtime.errors import UsageError
from tools.travel.places import Place

P = TypeVar("P", bound=Place)
_SHOWN = 20


@dataclass
class Flaws:
    """What is wrong with a data directory, collected so that all of it can be mended at once."""

    found: list[str] = field(default_factory=list[str])

    def add(self, path: Path, line: int, text: str) -> None:
        """Notes a flaw of one line."""
        self.found.append(f"{path}:{line}: {text}")

    def raise_any(self) -> None:
        """Returns when there are none.

        Raises:
            UsageError: lists them, the first twenty of many.
        """
        if self.found:
            more = len(self.found) - _SHOWN
            shown = [*self.found[:_SHOWN], *([f"… and {more} more"] if more > 0 else [])]
            raise UsageError("\n".join(["the travel data cannot be used:", *shown]))


@dataclass(frozen=True)
class Table(Generic[P]):
    """One file and the model of its rows."""

    path: Path
    model: type[P]

    def rows(self, flaws: Flaws) -> list[P]:
        """The rows without a flaw, in order; flaws are added to `flaws`."""
        text = _text(self.path, flaws)
        if text is None:
            return []
        header_line, *lines = list(_lines(self.path, text, flaws)) or [(1, list[str]())]
        if not self._is_header(*header_line, flaws):
            return []
        header = header_line[1]
        rows = [(line, row) for line, cells in lines if (row := self._row(line, header, cells, flaws)) is not None]
        self._check_unique(rows, flaws)
        return [row for _, row in rows]

    def _is_header(self, line: int, header: list[str], flaws: Flaws) -> bool:
        known = list(self.model.model_fields)
        missing = [name for name in known if name not in header]
        for name in header:
            if name not in known:
                near = difflib.get_close_matches(name, missing or known, n=1)
                hint = f"{near[0]!r}, or " if near else ""
                flaws.add(self.path, line, f"header: found {name!r}, expected {hint}one of {', '.join(known)}")
        if missing:
            flaws.add(self.path, line, f"header: missing {', '.join(missing)}")
        if len(set(header)) != len(header):
            flaws.add(self.path, line, "header: a column is there twice")
        return set(header) == set(known) and len(header) == len(known)

    def _row(self, line: int, header: list[str], cells: list[str], flaws: Flaws) -> P | None:
        if len(cells) != len(header):
            text = f"found {len(cells)} cells, expected {len(header)}; put cells that hold a comma in quotes"
            flaws.add(self.path, line, text)
            return None
        try:
            return self.model.model_validate(dict(zip(header, cells, strict=True)))
        except ValidationError as error:
            for details in error.errors(include_url=False):
                place = ".".join(str(part) for part in details["loc"])
                flaws.add(self.path, line, f"{place}: found {details['input']!r}, {details['msg']}")
            return None

    def _check_unique(self, rows: list[tuple[int, P]], flaws: Flaws) -> None:
        seen: dict[tuple[str, str], int] = {}
        for line, row in rows:
            for name, value in (("id", row.id), ("name", row.name)):
                first = seen.setdefault((name, value), line)
                if first != line:
                    flaws.add(self.path, line, f"{name}: found {value!r}, expected one that line {first} does not have")


def _text(path: Path, flaws: Flaws) -> str | None:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        flaws.add(path, 1, "found no such file, expected a CSV file")
    except OSError as error:
        flaws.add(path, 1, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        flaws.add(path, line, f"found byte 0x{error.object[error.start]:02x}, expected UTF-8 text")
    return None


def _lines(path: Path, text: str, flaws: Flaws) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that is not empty; the line is where the row begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        flaws.add(path, line, f"found a broken row ({error}), expected comma-separated cells")
