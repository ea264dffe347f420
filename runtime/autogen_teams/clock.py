"""Makes what AutoGen stamps on its messages a function of the journal: ids and times inside of a delivery.

AutoGen's modules call `uuid.uuid4()`, `datetime.now()` and `time.monotonic()` by the names that they have imported.
These names lead here after `stamp_by_the_journal()`; outside of deliveries they do what they always did.
"""

from __future__ import annotations

import sys
import time
import uuid
from datetime import datetime, tzinfo
from types import ModuleType
from typing import Any, cast

from runtime import clock

STAMPING = (
    "autogen_agentchat.messages",
    "autogen_agentchat.agents._assistant_agent",
    "autogen_agentchat.agents._user_proxy_agent",
    "autogen_agentchat.agents._code_executor_agent",
    "autogen_agentchat.conditions._terminations",
    "autogen_core._single_threaded_agent_runtime",
)
"""The modules that stamp what agents say."""


class _Datetime(datetime):
    """`datetime`, whose `now` is the journal's inside of a delivery."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain datetime, as theirs
        return datetime.fromtimestamp(clock.time_s(), tz)


class _Module(ModuleType):
    """A module with some names replaced."""

    def __init__(self, replaced: ModuleType, **names: Any) -> None:
        super().__init__(replaced.__name__, replaced.__doc__)
        self._replaced = replaced
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replaced, name)


def _uuid4() -> uuid.UUID:
    return uuid.UUID(clock.new_id())


def _monotonic() -> float:
    return time.monotonic() if clock.current.get() is None else clock.time_s()


_UUID = _Module(uuid, uuid4=_uuid4)
_TIME = _Module(time, monotonic=_monotonic, time=clock.time_s)


def stamp_by_the_journal() -> None:
    """Leads the clocks and ids of AutoGen's modules here; done once, it stays for the life of the process."""
    for name in STAMPING:
        module = cast(Any, sys.modules.get(name))
        if module is None:
            continue
        for own, ours in (("uuid", _UUID), ("datetime", _Datetime), ("time", _TIME)):
            if isinstance(module.__dict__.get(own), ModuleType | type):
                module.__dict__[own] = ours
