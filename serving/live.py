"""The switch that forbids calls of live models, for tests and for whoever must not spend anything.

The switch is the environment variable `REPERTORY_NO_LIVE_CALLS` itself, so worker processes inherit it. It is read at
each call. Clients of endpoints (`serving/client.py`) ask here first; recorded and scripted models answer regardless.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from runtime.errors import UsageError

NO_LIVE_CALLS = "REPERTORY_NO_LIVE_CALLS"
"""The variable; empty and 0 permit live calls, everything else forbids them."""


class LiveCallForbidden(UsageError):
    """A live model was about to be called where that is forbidden; nothing was sent."""


@contextmanager
def forbid_live_calls() -> Generator[None]:
    """Forbids live calls inside the block, in this process and in those that it starts; then all is as before."""
    before = os.environ.get(NO_LIVE_CALLS)
    os.environ[NO_LIVE_CALLS] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(NO_LIVE_CALLS, None)
        else:
            os.environ[NO_LIVE_CALLS] = before


def are_live_calls_forbidden() -> bool:
    """Whether the switch is on now."""
    return os.environ.get(NO_LIVE_CALLS, "") not in ("", "0")


def require_live_calls(asked: str) -> None:
    """Lets a live call pass; `asked` says in the error which one it would be.

    Raises:
        LiveCallForbidden: the switch is on.
    """
    if are_live_calls_forbidden():
        raise LiveCallForbidden(
            f"{asked}: live calls are forbidden here ({NO_LIVE_CALLS}={os.environ[NO_LIVE_CALLS]}); "
            f"use a recorded or scripted model, or unset {NO_LIVE_CALLS}"
        )
