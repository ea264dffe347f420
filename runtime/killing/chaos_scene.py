"""One performance of a chaos run on Ray: its directory, its ledger of effects, and what it leaves behind."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from runtime import clock
from runtime.chaos import Account
from runtime.cluster import RayStage
from runtime.codec import Json
from runtime.errors import DivergenceError, RepertoryError, UsageError
from runtime.events import AnyEvent, RunCompleted
from runtime.journals.journal_address import JournalAddress, open_journal
from runtime.killing.chaos_local import Books, consent, on_record
from runtime.killing.effects import EffectLedger, watched
from runtime.performance import OnEvent, Performance
from runtime.replay import replay


class RayScene:
    """One performance, under an id of its own in the journal that all of them share."""

    def __init__(
        self,
        performance: Callable[[Path], Performance],
        folder: Path,
        journal: JournalAddress,
        books: Books,
        clean: Callable[[str], Awaitable[None]] | None,
    ) -> None:
        number = clock.new_id()[:8]
        self._journal = journal
        self._folder = folder / number
        self._books = books
        self._clean = clean
        self._world = self._folder / "world"
        self._world.mkdir(parents=True)
        self.ledger = EffectLedger(self._folder / "effects.jsonl")
        plain = performance(self._world)
        spec = watched(plain.spec, self.ledger.path, keyed_as=plain.run)
        self.order = replace(plain, run=f"{plain.run}-{number}", spec=spec, ask=consent, by="chaos")

    async def perform(self, stage: RayStage, order: Performance, on_event: OnEvent) -> Account:
        """Performs or resumes; what comes of it is told, not raised."""
        result: Json = None
        failure = ""
        try:
            result = await stage.perform(replace(order, on_event=on_event))
        except RepertoryError as error:
            failure = f"{type(error).__name__}: {error}"
        return await self.account(result, failure)

    async def recover(self, stage: RayStage, on_event: OnEvent) -> Account:
        """Resumes what a dead driver has left; only looks where its actors ended the run before Ray ended them."""
        account = await self.perform(stage, replace(self.order, is_resumed=True), on_event)
        if not (account.failure.startswith(UsageError.__name__) and isinstance(account.events[-1], RunCompleted)):
            return account
        journal = open_journal(self._journal)
        try:
            result, failure = await on_record(journal, account.events[-1])
        finally:
            await journal.close()
        return replace(account, result=result, failure=failure)

    async def account(self, result: Json, failure: str) -> Account:
        """What the run has left behind."""
        return Account(result, failure, await self.events(), self.ledger.read(), self._books(self._world))

    async def events(self) -> list[AnyEvent]:
        """What the journal has of the run."""
        journal = open_journal(self._journal)
        try:
            return await journal.events(self.order.run)
        finally:
            await journal.close()

    async def strayed(self) -> list[str]:
        """Whether the agents' code does what the journal says, in its order."""
        journal = open_journal(self._journal)
        try:
            await replay(journal, self.order.run)
        except DivergenceError as error:
            return [f"its journal cannot be replayed: {error}"]
        finally:
            await journal.close()
        return []

    async def close(self) -> None:
        """Removes what the performance has left behind outside of the journal."""
        shutil.rmtree(self._folder)
        if self._clean is not None:
            await self._clean(self.order.run)
