"""Bookings on a small ledger of this machine: rooms that are held and released, tickets that are issued for good.

The ledger stands for what a booking office keeps. Every row is keyed by the run and the step that made it, so that a
call that comes again with the same key changes nothing: that is what "exactly once" is measured on.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal

from autogen_core.tools import Tool
from pydantic import Field
from typing_extensions import TypedDict

from tools.errors import ToolFault
from tools.signature import CallId
from tools.tool import tool

LEDGER = "bookings.db"
"""The ledger's file in the scenario's state directory."""

_TABLE = """
CREATE TABLE IF NOT EXISTS bookings (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    price_cny INTEGER NOT NULL,
    state TEXT NOT NULL,
    changes INTEGER NOT NULL
)
"""


class Booking(TypedDict):
    """One row of the ledger."""

    reference: str
    """The key: the run and the step that made it."""
    kind: Literal["room", "tickets"]
    what: str
    price_cny: int
    state: Literal["held", "released", "issued"]


class Ledger:
    """The bookings in one directory; every call opens the file anew, as a booking office is another process."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / LEDGER

    def book(self, booking: Booking) -> Booking:
        """Writes a booking; one of the same reference is there already and stays, unless it was released meanwhile."""
        with self._opened() as rows:
            rows.execute(
                "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (key) DO UPDATE "
                "SET state = excluded.state, changes = changes + 1 WHERE bookings.state = 'released'",
                (booking["reference"], booking["kind"], booking["what"], booking["price_cny"], booking["state"]),
            )
        return booking

    def release(self, reference: str) -> bool:
        """Releases what is held under a reference; False when nothing is, which is no error."""
        with self._opened() as rows:
            changed = rows.execute(
                "UPDATE bookings SET state = 'released', changes = changes + 1 WHERE key = ? AND state = 'held'",
                (reference,),
            )
            return changed.rowcount > 0

    def rows(self) -> list[Booking]:
        """All bookings, in the order in which they were first made."""
        with self._opened() as rows:
            found = rows.execute("SELECT key, kind, what, price_cny, state FROM bookings ORDER BY rowid").fetchall()
        return [
            Booking(reference=key, kind=kind, what=what, price_cny=price, state=state)
            for key, kind, what, price, state in found
        ]

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=10)) as connection, connection:
            connection.execute(_TABLE)
            yield connection


def booking_tools(directory: Path | None) -> list[Tool]:
    """The bookings' tools over the ledger in a directory; without one they answer that no ledger is there."""
    desk = _Desk(directory)
    return [
        tool(desk.hold_hotel_room, effect="compensable", undo="release_hotel_room", timeout_s=15.0),
        tool(desk.release_hotel_room, effect="idempotent", timeout_s=15.0),
        tool(desk.issue_tickets, effect="irreversible", approval="always", timeout_s=15.0),
    ]


class _Desk:
    """The tools' functions."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def hold_hotel_room(
        self,
        hotel: Annotated[str, Field(min_length=1, description="Name of the hotel")],
        arrival: Annotated[datetime.date, Field(description="First night, YYYY-MM-DD")],
        nights: Annotated[int, Field(ge=1, le=60, description="How many nights")],
        price_cny: Annotated[int, Field(ge=0, description="For all nights, in CNY")],
        key: CallId,
    ) -> Booking:
        """Holds a room until it is released; nothing is paid yet."""
        what = f"{hotel}, {arrival}, {nights} nights"
        return self._ledger().book(Booking(reference=key, kind="room", what=what, price_cny=price_cny, state="held"))

    def release_hotel_room(
        self, reference: Annotated[str, Field(description="The reference of the held room")]
    ) -> dict[str, bool]:
        """Releases a held room; when it is not held, nothing happens."""
        return {"released": self._ledger().release(reference)}

    def issue_tickets(
        self,
        name: Annotated[str, Field(min_length=1, description="Name of the attraction")],
        date: Annotated[datetime.date, Field(description="Day of the visit, YYYY-MM-DD")],
        tickets: Annotated[int, Field(ge=1, le=50, description="How many")],
        price_cny: Annotated[int, Field(ge=0, description="For all of them, in CNY")],
        key: CallId,
    ) -> Booking:
        """Buys tickets in real names; they cannot be given back. A person is asked before."""
        what = f"{name}, {date}, {tickets} tickets"
        return self._ledger().book(
            Booking(reference=key, kind="tickets", what=what, price_cny=price_cny, state="issued")
        )

    def _ledger(self) -> Ledger:
        if self._directory is None:
            raise ToolFault("unavailable", "there is no ledger here; `repertory run` keeps one for each scenario")
        return Ledger(self._directory)
