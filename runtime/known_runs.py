"""The states of the runs that one connection writes, kept so that they need not be read again for each append.

They hold as long as nobody else has written: SQLite counts the commits of other connections (`PRAGMA data_version`),
and when that number has changed, or a transaction of one's own was taken back, everything is read again.
"""

from __future__ import annotations

import sqlite3

from runtime.errors import JournalError
from runtime.sql_rows import RunState
from runtime.sqlite_reader import find_run

LIMIT = 4096
"""How many runs are kept at most."""


class KnownRuns:
    """Numbers and states of runs, as the transaction that is under way leaves them."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        """The runs' numbers in the file."""
        self._states: dict[str, RunState] = {}
        self._version: int | None = None

    def look_after(self, connection: sqlite3.Connection) -> None:
        """Forgets what others may have changed; called once a transaction has the only right to write."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(self._states) > LIMIT:
            self.forget()
        self._version = version

    def state(self, connection: sqlite3.Connection, run: str) -> RunState | JournalError:
        """A run's state; a new one where there is no such run, and the error where it is damaged."""
        if (known := self._states.get(run)) is not None:
            return known
        try:
            found = find_run(connection, run)
        except JournalError as error:
            return error
        if found is None:
            return RunState(run)
        self.numbers[run], self._states[run] = found
        return found[1]

    def changed(self, state: RunState, number: int) -> None:
        """The transaction has written this."""
        self._states[state.run], self.numbers[state.run] = state, number

    def forget(self) -> None:
        """Reads all again."""
        self.numbers.clear()
        self._states.clear()
