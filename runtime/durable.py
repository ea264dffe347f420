"""AgentChat's teams made durable: `await durable(team, run_id="…")` has the team's own methods, each one on record.

Called again with the same run id, after a crash or on another day, the program is answered from the record as far as
that goes, and the team goes on from there: no finished step is performed again
(`runtime/autogen_teams/durable_team.py`).
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import structlog
from autogen_agentchat.teams import BaseGroupChat

from runtime.autogen_teams.component import dumped, loaded
from runtime.autogen_teams.durable_record import FIRST, EndedRun, Log, numbered_requests
from runtime.autogen_teams.durable_team import DurableTeam
from runtime.autogen_teams.effects import check_names, effect_names
from runtime.autogen_teams.function import reference_of
from runtime.autogen_teams.graph import stays
from runtime.autogen_teams.team import live, spec_of
from runtime.beginning import beginning
from runtime.codec import Json, canonical, parse
from runtime.errors import UsageError
from runtime.events import AnyEvent, Digest, EffectClass, RunCompleted, RunFailed
from runtime.journal import Journal
from runtime.journals.journal_address import JournalAddress, journal_address, open_journal, usual_home, usual_journal
from runtime.performance import Engine, Performance, given_run_id
from runtime.replay import Replayed, replay
from runtime.team import Ask, TeamSpec

log = structlog.get_logger(__name__)

ENGINES = ("local", "ray")

_MARK = "_durable_run"
"""The attribute of a team that was taken over."""

Made = BaseGroupChat | Callable[[], BaseGroupChat]
"""A team, or a function of a module that makes one."""

Where = Journal | JournalAddress | Path | str | None
"""A journal, or where it is; None for the usual one."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a durable team is performed."""

    engine: Literal["local", "ray"] = "local"
    address: str = ""
    """Of the Ray cluster; by default this machine's own, which is started when it is not up."""
    hosts: int = 3
    """How many Ray actors host the agents."""
    ask: Ask | None = None
    """How a person is reached, by user proxies without a function of their own and about effects that a crash cut off;
    by default at the terminal, where the program has one."""


async def durable(
    team: Made,
    *,
    run_id: str | None = None,
    journal: Where = None,
    engine: Literal["local", "ray"] | Stage = "local",
    effects: Mapping[str, EffectClass] | None = None,
) -> DurableTeam:
    """A team whose runs are on record; the team object is taken over and not to be used beside it.

    `effects` says by tool, memory or code executor what may be done with a call that a crash has cut off; what is not
    in it counts as irreversible: a person is asked.

    Raises:
        UsageError: an argument is not what it should be, the run is on record with another team, or the team cannot
            be made.
    """
    run = given_run_id(run_id)
    stage = engine if isinstance(engine, Stage) else Stage(engine)
    _check(stage, effects or {})
    described = _described(team)
    spec = spec_of(described.team.name, described.source, effects or {})
    store, address, is_own = _opened(journal, stage)
    try:
        events = await store.events(run)
        if events:
            await _check_same(run, spec, store, events)
        else:
            check_names(effects or {}, effect_names(described.team), "effects")
        if "live" in described.source:
            log.warning("team.stays", run=run, why=described.source["live"])
            _take(described.team, run)
    except BaseException:
        if is_own:
            await store.close()
        raise
    book = Log(run, described.team, store, await _asked(store, events), is_own)
    if events and isinstance(events[-1], RunCompleted | RunFailed):
        return DurableTeam.ended(book, EndedRun(run, store, events))
    order = Performance(
        run, spec, FIRST, b"", secrets=described.secrets, ask=stage.ask or _terminal(), is_resumed=bool(events)
    )
    return await DurableTeam.begun(book, order, _engine(stage, store, address))


async def replayed(run_id: str, team: Made | None = None, *, journal: Where = None) -> Replayed:
    """Performs a run again from its journal, calling no model and no tool (`runtime/replay.py`).

    `team` is wanted, fresh, where it holds what only the calling process has.

    Raises:
        Diverged: at the first difference.
        UsageError: there is no such run, or the team cannot be made here.
    """
    if team is not None:
        live[run_id] = team if isinstance(team, BaseGroupChat) else _made(team)
    store, _, is_own = _opened(journal, Stage())
    try:
        return await replay(store, run_id)
    finally:
        live.pop(run_id, None)
        if is_own:
            await store.close()


@dataclass(frozen=True, slots=True)
class _Described:
    """A team, and how other processes make it."""

    team: BaseGroupChat
    source: Mapping[str, Json]
    secrets: Mapping[str, str]


def _check(stage: Stage, effects: Mapping[str, EffectClass]) -> None:
    """Whether these are words that mean something.

    Raises:
        UsageError: one is not.
    """
    if stage.engine not in ENGINES:
        raise UsageError(f"engine: found {stage.engine!r}, expected one of {', '.join(ENGINES)}")
    for name, effect in effects.items():
        if effect not in get_args(EffectClass):
            raise UsageError(
                f"effects: found {effect!r} for {name!r}, expected one of {', '.join(get_args(EffectClass))}"
            )


def _made(make: Callable[[], object]) -> BaseGroupChat:
    """The team that a function makes.

    Raises:
        UsageError: it is no function, or makes something else.
    """
    if not callable(make):
        raise UsageError(f"team: found {make!r}, expected a team of AgentChat, or a function that makes one")
    made = make()
    if isinstance(made, BaseGroupChat):
        return made
    if inspect.iscoroutine(made):
        made.close()
    raise UsageError(
        f"team: found {make!r}, which makes a {type(made).__name__}, expected a function that makes a team"
    )


def _described(team: Made) -> _Described:
    if not isinstance(team, BaseGroupChat):
        made = _made(team)
        if (reference := reference_of(team)) is not None:
            return _Described(made, {"function": reference}, {})
        return _Described(made, {"live": f"{team!r} is no function that a module has under its name"}, {})
    why = stays(team)
    if why is None:
        try:
            component, secrets = dumped(team)
            loaded(component, secrets)  # some of AutoGen's own parts describe themselves so that nobody can make them
        except Exception as error:  # whatever a part of a team answers when it is asked to describe itself
            why = f"{type(error).__name__}: {error}"
        else:
            return _Described(team, {"component": component}, secrets)
    return _Described(team, {"live": why}, {})


def _terminal() -> Ask | None:
    """Asks at the terminal, as AutoGen's user proxies do; None where the program has none."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None

    async def ask(question: str) -> str | None:
        return await asyncio.to_thread(input, f"{question.strip()} ")

    return ask


def _take(team: BaseGroupChat, run: str) -> None:
    """Takes over a team that stays here; what it has become in one run is nothing for another to begin with.

    Raises:
        UsageError: it was taken over before.
    """
    marks: dict[str, object] = vars(team)
    if _MARK in marks:
        raise UsageError(f"the team {team.name} was made durable before, as run {marks[_MARK]}; make it again")
    marks[_MARK] = run
    live[run] = team


async def _check_same(run: str, spec: TeamSpec, journal: Journal, events: Sequence[AnyEvent]) -> None:
    """Whether the run was made with this team.

    Raises:
        UsageError: it was made with another one.
    """
    started = beginning(events)
    recorded = None if started is None else parse(await journal.blob(started.spec))
    if recorded is None or _shape(recorded) != _shape(cast(Json, spec.config)):
        raise UsageError(f"run {run!r} is on record with another team; choose another run id for this one")


def _shape(config: Json) -> bytes:
    """What makes two specifications the same; a team that stays where it is cannot be compared."""
    assert isinstance(config, Mapping)
    source = config.get("team")
    assert isinstance(source, Mapping)
    return canonical({**config, "team": {"live": ""} if "live" in source else source})


async def _asked(journal: Journal, events: Sequence[AnyEvent]) -> dict[int, bytes]:
    """What the run's program has asked, by number."""
    digests: dict[int, Digest] = numbered_requests(events)
    return {number: await journal.blob(name) for number, name in digests.items()}


def _opened(journal: Where, stage: Stage) -> tuple[Journal, JournalAddress | None, bool]:
    """The journal, where it is, and whether it was opened here."""
    if journal is None or isinstance(journal, str | Path | JournalAddress):
        address = usual_journal(os.environ) if journal is None else journal
        address = address if isinstance(address, JournalAddress) else journal_address(address)
        return open_journal(address), address, True
    if stage.engine == "ray":
        raise UsageError("journal: found an open journal, expected its address: on Ray another process opens it")
    return journal, None, False


def _engine(stage: Stage, journal: Journal, address: JournalAddress | None) -> Engine:
    if stage.engine == "local":
        from runtime.local import LocalEngine

        return LocalEngine(journal)
    from runtime.cluster import RayEngine
    from runtime.on_ray.ray_local import ensure_ray

    assert address is not None, "a journal for Ray is given by its address"
    return RayEngine(stage.address or ensure_ray(_home()).address, address, hosts=stage.hosts)


def _home() -> Path:
    return usual_home(os.environ)
