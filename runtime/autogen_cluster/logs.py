"""What AutoGen logs on a host reaches the loggers of the driver: who counts tokens by its events counts all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from runtime.autogen_cluster.errors import CannotTravel
from runtime.autogen_cluster.line import Line

ROOTS = ("autogen_core", "autogen_agentchat")
NAMES = tuple(f"{root}{suffix}" for root in ROOTS for suffix in ("", ".events", ".trace"))

Levels = Mapping[str, int]


def levels() -> Levels:
    """From which level on this process listens to each of AutoGen's loggers."""
    return {name: logging.getLogger(name).getEffectiveLevel() for name in NAMES}


def listen_from(wanted: Levels) -> None:
    """Has AutoGen's loggers of this process say what another one listens to."""
    for name, level in wanted.items():
        logging.getLogger(name).setLevel(level)


def log_here(fields: Mapping[str, Any]) -> None:
    """Logs what another process has sent, as if it had been logged in this one."""
    record = logging.makeLogRecord(dict(fields))
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


class ToDriver(logging.Handler):
    """Sends records over a line, from whatever thread."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line
        self._loop = asyncio.get_running_loop()

    def attach(self) -> None:
        """Listens to AutoGen's loggers from now on."""
        for root in ROOTS:
            logging.getLogger(root).addHandler(self)

    def detach(self) -> None:
        """Listens no more."""
        for root in ROOTS:
            logging.getLogger(root).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a record, its traceback as text."""
        text = logging.Formatter().formatException(record.exc_info) if record.exc_info else record.exc_text
        fields = {**vars(record), "exc_info": None, "exc_text": text}
        if asyncio._get_running_loop() is self._loop:  # what is said before an answer is to arrive before it
            self._send(fields)
        else:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._send, fields)

    def _send(self, fields: dict[str, Any]) -> None:
        if self._line.is_broken:
            return
        try:
            self._line.tell("log", fields)
        except CannotTravel:
            words = logging.makeLogRecord(fields).getMessage()
            self._line.tell("log", {**fields, "msg": words, "args": ()})
