"""The line between the driver and a host, and what may go over it: without Ray, both ends in this process."""

from __future__ import annotations

import asyncio
import enum
import functools
import logging
import pathlib
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from autogen_core import AgentId, CancellationToken
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from runtime.autogen_cluster.errors import CannotTravel, HostLost
from runtime.autogen_cluster.freight import pack, pack_error, unpack, unpack_error
from runtime.autogen_cluster.line import Line
from runtime.autogen_cluster.travel import why_it_stays
from runtime.failures import RemoteFailure
from tests.runtime.hosted import Keeper, Lock, Refused, Worker
from tests.runtime.test_line import carried, paired

SHARED: list[str] = []


class Ends:
    """Two ends, of which the far one does what it is told."""

    def __init__(self) -> None:
        self.began: asyncio.Queue[Any] = asyncio.Queue()
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.near, self.far = Line(self._perform, "near"), Line(self._perform, "far")

    async def _perform(self, verb: str, arguments: tuple[Any, ...], token: CancellationToken) -> Any:
        self.began.put_nowait(arguments)
        if verb == "fail":
            raise Refused(7, "no")
        if verb == "wait":
            token.add_callback(lambda: self.ended.put_nowait("token"))
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.put_nowait("task")
        return arguments[0]


@pytest.fixture
async def ends() -> AsyncGenerator[Ends]:
    both = Ends()
    near, far = await paired()
    async with carried(both.near, near), carried(both.far, far):
        yield both
        for line in (both.near, both.far):
            line.end(HostLost("over"))


async def test_an_error_is_raised_at_the_caller_and_arguments_without_bytes_never_leave(ends: Ends) -> None:
    with pytest.raises(Refused, match=r"no \(7\)"):
        await ends.near.call("fail")
    with pytest.raises(CannotTravel, match=r"held \(lock\)"):
        ends.near.call("echo", Lock())


async def test_a_token_is_passed_on_and_a_cancelled_call_ends_at_the_other_end(ends: Ends) -> None:
    token = CancellationToken()
    waiting = ends.near.call("wait", token=token)
    await ends.began.get()
    token.cancel()
    assert await ends.ended.get() == "token"
    assert not waiting.done()
    waiting.cancel()

    second = ends.near.call("wait")
    await ends.began.get()
    second.cancel()
    assert await ends.ended.get() == "task"


async def test_an_ended_line_tells_all_who_wait_and_all_who_come_later(ends: Ends) -> None:
    waiting = ends.near.call("wait")
    ends.near.end(HostLost("gone"))
    with pytest.raises(HostLost, match="gone"):
        await waiting
    with pytest.raises(HostLost, match="gone"):
        ends.near.call("echo", 1)


async def test_a_line_ends_with_its_stream() -> None:
    near, (_, writer) = await paired()
    writer.close()
    async with carried(Ends().near, near) as carrying:
        with pytest.raises(HostLost, match="the stream was closed"):
            await carrying


# Errors on their way


class Shy(Exception):
    """Cannot be made again from anything."""

    def __init__(self) -> None:
        super().__init__("shy")
        self.lock = threading.Lock()


@pytest.mark.parametrize("error", [ValueError("a", 1), Refused(7, "no"), KeyError("k"), asyncio.CancelledError()])
def test_errors_keep_class_words_and_attributes(error: BaseException) -> None:
    again = unpack_error(pack_error(error, "here"))

    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert again.__notes__ == ["raised at here"]


def test_an_error_that_cannot_be_made_again_keeps_its_words() -> None:
    again = unpack_error(pack_error(Shy(), "here"))

    assert isinstance(again, RemoteFailure)
    assert str(again) == "Shy: shy"


def test_what_cannot_be_made_on_arrival_is_a_typed_error() -> None:
    with pytest.raises(CannotTravel, match="a response cannot be made"):
        unpack(pack(Worker)[:-2], "a response")


# Who may leave


class Colour(enum.Enum):
    RED = 1


def test_an_error_says_from_which_cause_it_came() -> None:
    error = ValueError("wrong")
    error.__cause__ = KeyError("name")
    again = unpack_error(pack_error(error, "here"))
    assert again.__notes__ == ["raised at here, from KeyError: 'name'"]


class Settings(BaseModel):
    names: list[str] = []
    extra: Any = None


@dataclass(frozen=True)
class Place:
    where: pathlib.Path


def double(number: int) -> int:
    return 2 * number


class Factory:
    def make(self) -> Worker:
        return Worker()


def holding(value: Any) -> Callable[[], Keeper]:
    return lambda: Keeper(value)


CLIENT = OpenAIChatCompletionClient(model="gpt-4o", api_key="none")
CONSTANTS: list[Any] = [
    *(None, 1, "text", ("a", frozenset({1})), Colour.RED, Place(pathlib.Path("x")), AgentId("a", "b")),
    *(
        Settings(names=["a"]),
        Worker,
        double,
        len,
        logging.getLogger("x"),
        asyncio,
        list[int],
        functools.partial(double, 1),
    ),
    *(CLIENT, FunctionTool(double, "doubles")),
]


@pytest.mark.parametrize("value", CONSTANTS, ids=lambda value: type(value).__name__)
def test_a_factory_leaves_with_constants(value: Any) -> None:
    assert why_it_stays(holding(value)) is None


class Scripted(ReplayChatCompletionClient):
    pass


SHARING: list[Any] = [
    *([], {}, set[int](), (1, []), Worker(), Settings(extra=threading.Lock()), asyncio.Queue[int]()),
    *(SHARED.append, Factory().make, functools.partial(double, SHARED), lambda: SHARED),  # type: ignore[arg-type]
    *(ReplayChatCompletionClient(["one"]), Scripted(["one"]), CancellationToken()),
]


@pytest.mark.parametrize("value", SHARING, ids=lambda v: type(v).__name__)
def test_a_factory_stays_with_what_this_process_shares(value: Any) -> None:
    why = why_it_stays(holding(value))

    assert why is not None
    assert "'value', which the factory uses," in why or "SHARED" in why


def test_a_class_of_a_function_is_looked_into() -> None:
    seen: list[str] = []

    class Sharing(Worker):
        def note(self) -> None:
            seen.append("x")

    why = why_it_stays(Sharing)
    assert why is not None
    assert why.startswith("'seen', which Sharing.note uses, is a list")


def test_messages_of_a_function_or_a_script_travel_with_the_agents_that_use_them() -> None:
    @dataclass
    class Plain:
        number: int
        names: list[str] = field(default_factory=list[str])

    @dataclass(frozen=True, slots=True, order=True)
    class Frozen:
        number: int = 1

    class Own(Worker):
        def made(self) -> tuple[Plain, Frozen]:
            return Plain(1), Frozen()

    assert why_it_stays(Own) is None
    plain, frozen = unpack(pack(Own))().made()
    assert (repr(plain), repr(frozen)) == (repr(Plain(1, [])), repr(Frozen(1)))


def test_the_placement_local_does_without_ray() -> None:
    code = "import sys; from runtime.autogen import RayAgentRuntime; RayAgentRuntime(); sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
