"""How much each sender of a `RayAgentRuntime` has sent that nobody has finished with, and who waits until it is less.

With placement `cluster` messages lie in the memory of the driver and of hosts until they are handled. So a sender, a
handler or the program, waits while too much of what it has sent is unfinished. What a handler leaves unfinished at its
end counts for whoever caused the message that it handled. So a sender waits only for what has come of its own messages,
and since causes form a tree, no circle of such waits can arise. Used by `runtime/autogen_local/runtime.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from runtime import ids
from runtime.autogen_local.mail import Outbound

LIMIT_BYTES = 16 * 1024 * 1024
"""From how much on a sender waits."""
LEAST_BYTES = 1024
"""What a message counts at least: it has a task, events and an answer."""
UNWEIGHED_BYTES = 256 * 1024
"""What a message counts at least until its bytes are known, and one that has none."""
USUAL_BYTES = 1024 * 1024
"""How large the messages of a sender are taken to be that has sent none yet."""


@dataclass(slots=True, eq=False)
class Account:
    """What one sender has sent that nobody has finished with."""

    heir: Account | None = None
    """Whose it is when this sender has ended; None for the program, which does not."""
    has_ended: bool = False
    bytes: int = 0
    usual_bytes: int = USUAL_BYTES
    """How large its last message was."""
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque[asyncio.Future[None]])
    """Who is to go on when there is room, in the order of coming."""


class Backlog:
    """The accounts of all senders."""

    def __init__(self) -> None:
        self._program = Account()
        self._accounts: dict[str, Account] = {ids.ROOT: self._program}
        """Of the handlers that run, by their deliveries, and of the program."""
        self._waiting = 0

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for room."""
        return self._waiting > 0

    # Messages

    async def room(self, sender: str) -> None:
        """Returns when this sender, named by its delivery, may send one more; who came first goes on first.

        Raises:
            BaseException: why nobody is to wait any more.
        """
        account = self._accounts.get(sender, self._program)
        if not account.waiting and account.bytes < LIMIT_BYTES:
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        account.waiting.append(place)
        self._waiting += 1
        try:
            await place
        finally:
            self._waiting -= 1
            _living(account).waiting.remove(place)
            asyncio.get_running_loop().call_soon(_let_on, account)  # when what is sent now counts

    def sent(self, mail: Outbound) -> None:
        """A message counts from now on."""
        mail.account = self._accounts.get(mail.cause, self._program)
        self._count(mail, max(_living(mail.account).usual_bytes, UNWEIGHED_BYTES))

    def weighed(self, mail: Outbound, size_bytes: int) -> None:
        """The size of a message is known."""
        self._count(mail, max(size_bytes, LEAST_BYTES))
        if mail.account is not None:
            mail.account.usual_bytes = size_bytes

    def finished(self, mail: Outbound) -> None:
        """A message counts no more."""
        self._count(mail, 0)
        mail.account = None

    def _count(self, mail: Outbound, size_bytes: int) -> None:
        if mail.account is not None:
            mail.account = _living(mail.account)
            mail.account.bytes += size_bytes - mail.counted_bytes
            mail.counted_bytes = size_bytes
            _let_on(mail.account)

    # Senders

    def began(self, delivery: str, mail: Outbound) -> None:
        """A handler of a message has begun."""
        self._accounts[delivery] = Account(heir=_living(mail.account or self._program))

    def ended(self, delivery: str) -> None:
        """A handler has ended."""
        account = self._accounts.pop(delivery)
        assert account.heir is not None
        account.has_ended = True
        heir = _living(account)
        heir.bytes += account.bytes
        heir.waiting += account.waiting
        _let_on(heir)

    def halt(self, error: BaseException) -> None:
        """Whoever waits for room is told why it waits in vain."""
        for account in self._accounts.values():
            for place in account.waiting:
                if not place.done():
                    place.set_exception(error)


def _living(account: Account) -> Account:
    """The account, or that of the nearest heir that has not ended."""
    if not account.has_ended:
        return account
    passed = [account]
    while passed[-1].has_ended:
        assert passed[-1].heir is not None
        passed.append(passed[-1].heir)
    for ended in passed[:-1]:
        ended.heir = passed[-1]
    return passed[-1]


def _let_on(account: Account) -> None:
    """Lets the first who waits go on, where there is room; it lets on the next."""
    if not account.waiting and not account.has_ended:
        return
    account = _living(account)
    if account.waiting and account.bytes < LIMIT_BYTES and not account.waiting[0].done():
        account.waiting[0].set_result(None)
