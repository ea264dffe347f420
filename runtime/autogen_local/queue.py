"""The queue of a `RayAgentRuntime` and what waits on it. It follows the event loop that uses it, one at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from runtime.autogen_local.mail import Mail, Outbound


class MailQueue:
    """Mail in the order of its arrival, and a signal each time that something has moved."""

    def __init__(self) -> None:
        self._mail: deque[Mail] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._moved = asyncio.Event()
        self._waiting = 0

    def __len__(self) -> int:
        """How much waits that counts as messages."""
        return sum(not mail.is_internal for mail in self._mail)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all waits."""
        return not self._mail

    def put(self, mail: Mail) -> None:
        """Appends, and signals."""
        self._mail.append(mail)
        self.signal()

    def signal(self) -> None:
        """Wakes all who wait for something to move."""
        if self._waiting:
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds; it is looked at each time that something has moved."""
        self._waiting += 1
        try:
            while not condition():
                await self._moved.wait()
        finally:
            self._waiting -= 1

    def lock(self) -> asyncio.Lock:
        """Held by who takes mail, so that it goes on in its order."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock

    def take(self, limit: int) -> list[Mail]:
        """The next mail: up to `limit` pieces that count as messages, and what else comes before the next one."""
        taken: list[Mail] = []
        left = limit
        while self._mail and (left or self._mail[0].is_internal):
            left -= not self._mail[0].is_internal
            taken.append(self._mail.popleft())
        return taken

    def take_internal(self) -> list[Mail]:
        """All that does not count as messages, wherever it stands."""
        taken = [mail for mail in self._mail if mail.is_internal]
        self._mail = deque(mail for mail in self._mail if not mail.is_internal)
        return taken

    def drop_outbound(self) -> list[Outbound]:
        """Takes away all messages that were not handed over yet; outcomes become internal, for their senders wait."""
        dropped = [mail for mail in self._mail if isinstance(mail, Outbound) and not mail.is_internal]
        self._mail = deque(mail for mail in self._mail if mail.is_internal or not isinstance(mail, Outbound))
        for mail in self._mail:
            mail.is_internal = True
        return dropped
