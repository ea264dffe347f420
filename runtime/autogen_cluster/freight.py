"""Values on their way between the driver and its hosts, as bytes; errors keep their class, words and attributes.

Pickled as Ray pickles what it carries: both ends run the code of one program, and Ray would do the same with an actor's
arguments and results. Nothing that was read from a journal is ever unpickled. What belongs to the event loop of its
process is refused, although some of it could be copied: a copy of a queue is a queue that nobody reads.
"""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Callable, Mapping
from io import BytesIO
from types import TracebackType
from typing import Any, cast
from weakref import WeakSet

from ray import cloudpickle as untyped_cloudpickle

from runtime.autogen_cluster.errors import CannotTravel
from runtime.events import Failure
from runtime.failures import describe, revive

PROTOCOL = pickle.HIGHEST_PROTOCOL
OF_A_LOOP: tuple[type, ...] = (
    asyncio.Queue,
    asyncio.Event,
    asyncio.Lock,
    asyncio.Semaphore,
    asyncio.Condition,
    asyncio.Future,
    asyncio.AbstractEventLoop,
)
RAISED = "raised at "
"""How the note begins that says where an error comes from."""

cloudpickle: Any = untyped_cloudpickle
"""Ray's own, which is untyped."""
Pickler: Any = cloudpickle.CloudPickler


class _Packer(Pickler):  # type: ignore[misc]  # Ray's is untyped
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, OF_A_LOOP):
            raise CannotTravel(f"an asyncio {type(obj).__name__} belongs to the event loop of its process")
        if isinstance(obj, type):
            return _reduced(self, obj)
        return Pickler.reducer_override(self, obj)


_named: WeakSet[type] = WeakSet()
"""Classes that travel by their names; to find that out takes longer than to pickle a small message."""


def _reduced(packer: Any, cls: type) -> Any:
    if cls in _named:
        return NotImplemented
    reduced = Pickler.reducer_override(packer, cls)
    if reduced is NotImplemented:
        _named.add(cls)
    return reduced


def pack(value: Any, what: str = "a message") -> bytes:
    """The bytes of a value.

    Raises:
        CannotTravel: it has none; the message says which part of it.
    """
    try:
        return _packed(value)
    except Exception as error:
        raise CannotTravel(f"{what} cannot leave its process: {_culprit(value)}{error}") from None


def unpack(body: bytes, what: str = "a message") -> Any:
    """The value again.

    Raises:
        CannotTravel: this process cannot make it.
    """
    try:
        return pickle.loads(body)  # noqa: S301  # from a process of the same program, see the module
    except Exception as error:
        raise CannotTravel(f"{what} cannot be made in the process where it arrived: {error!r}") from None


def _packed(value: Any) -> bytes:
    with BytesIO() as file:
        packer: Any = _Packer(file, protocol=PROTOCOL)
        packer.dump(value)
        return file.getvalue()


def _culprit(value: Any, path: str = "") -> str:
    """The innermost attribute or item that has no bytes, as the beginning of a sentence."""
    for name, part in _parts(value):
        try:
            _packed(part)
        except Exception:
            return _culprit(part, f"{path}{name}")
    return f"{path.lstrip('.')} ({type(value).__qualname__}): " if path else ""


def _parts(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", item) for key, item in cast("Mapping[object, Any]", value).items()]
    if isinstance(value, list | tuple):
        return [("", item) for item in cast("list[Any]", value)]
    return [(f".{name}", part) for name, part in getattr(value, "__dict__", {}).items()]


# Errors


def pack_error(error: BaseException, where: str) -> bytes:
    """The bytes of an error, from which `unpack_error` makes one of the same class; `where` becomes a note on it."""
    if not any(note.startswith(RAISED) for note in getattr(error, "__notes__", ())):
        error.add_note(f"{RAISED}{where}{_line(error.__traceback__)}{_cause(error)}")
    ways: tuple[Callable[[], Any], ...] = (
        lambda: error,
        lambda: (type(error), error.args, vars(error)),
    )
    for way in ways:
        try:
            body = _packed(way())
            again = unpack_error(body)
        except Exception:  # its class says how it is made, and may be wrong
            continue
        if type(again) is type(error) and str(again) == str(error):
            return body
    return _packed(describe(error))


def unpack_error(body: bytes) -> BaseException:
    """The error again: of its own class where that can be had here, else a `RemoteFailure` with its words."""
    found = unpack(body, "an error")
    match found:
        case BaseException():
            return found
        case Failure():
            return revive(found)
        case cls, args, attributes:
            error: BaseException = cls.__new__(cls, *args)
            error.args = args
            vars(error).update(attributes)
            return error
        case _:
            raise CannotTravel(f"an error arrived as a {type(found).__name__}")


def _cause(error: BaseException) -> str:
    """In words; the cause itself stays, like the traceback."""
    cause = error.__cause__
    return "" if cause is None else f", from {type(cause).__name__}: {cause}"


def _line(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return f", {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
