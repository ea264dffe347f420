"""Errors as facts: written down where they were raised, raised again, with their type, where they are awaited.

Only a class that is already imported is ever made again, and only from its message: a journal cannot name code to run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable

from runtime.errors import RunError, StepFailed
from runtime.events import Failure

SECRET = "[secret]"


class RemoteFailure(RunError):
    """An error whose own class is not known here; `failure` is the record of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.type.rpartition(':')[2]}: {failure.message}")
        self.failure = failure


def describe(error: BaseException, secrets: Iterable[str] = ()) -> Failure:
    """Writes an exception down; the secrets are blotted out of its message."""
    if isinstance(error, RemoteFailure):
        return error.failure
    message = str(error)
    for secret in secrets:
        message = message.replace(secret, SECRET) if secret else message
    code = str(error.code) if isinstance(error, StepFailed) else ""
    return Failure.of(type(error), message, code)


def revive(failure: Failure) -> BaseException:
    """The exception again, of its own class where that is imported and takes a message, else a `RemoteFailure`."""
    cls = _known_class(failure.type)
    if cls is None:
        return RemoteFailure(failure)
    if issubclass(cls, StepFailed):
        return cls(failure.message, failure.code)
    try:
        error = cls(failure.message)
    except TypeError:
        return RemoteFailure(failure)
    return error if str(error) == failure.message else RemoteFailure(failure)


def _known_class(name: str) -> type[BaseException] | None:
    module, _, qualname = name.partition(":")
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    is_usable = isinstance(found, type) and issubclass(found, (Exception, asyncio.CancelledError))
    return found if is_usable else None  # type: ignore[return-value]  # is_usable has narrowed it
