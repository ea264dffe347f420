"""Forks of runs of AutoGen's own teams: another task, another part of the team, another message or result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import msgspec

from repertory.edits import Edits, replaced, steps_of
from repertory.output import say
from repertory.perform import Resumption
from repertory.settings import Settings
from repertory.team_runs import resume_team
from runtime import clock
from runtime.autogen_teams.asked import TaskGiven
from runtime.autogen_teams.durable_record import payload_of
from runtime.autogen_teams.team import BUILDER, build
from runtime.beginning import beginning
from runtime.blobs import Payload
from runtime.codec import Json, parse
from runtime.errors import UsageError
from runtime.events import AnyEvent
from runtime.fork import ForkOrder, Point, fork
from runtime.journal import Journal
from runtime.performance import recorded_performance
from runtime.team import Resources
from runtime.versions import versions
from scenarios.source import flow

Config = Mapping[str, Json]


@dataclass(frozen=True)
class ForkedTeam:
    """What is to be forked, and how."""

    parent: str
    events: Sequence[AnyEvent]
    point: Point
    edits: Edits
    live: Sequence[str]
    allow: Sequence[str]


def is_team_run(events: Sequence[AnyEvent]) -> bool:
    """Whether a run is one of AutoGen's own teams."""
    began = beginning(events)
    return began is not None and began.builder == BUILDER


async def fork_team(
    journal: Journal, asked: ForkedTeam, content: Payload | None, order: Resumption, settings: Settings
) -> tuple[str, int]:
    """Writes the fork and performs it; the fork's id and the exit code.

    Raises:
        UsageError: an edit leads nowhere, or the team is one that only its program has; nothing was changed.
    """
    began = beginning(asked.events)
    assert began is not None, "a run of a team has a beginning"
    config = cast(Config, parse(await journal.blob(began.spec)))
    now, task = _edited(config, asked.edits)
    spec = routes = None
    if now != config:
        team = build(now, Resources(asked.parent, settings.variables))
        spec = Payload.of(dict(now))
        routes = Payload.of(parse(msgspec.json.encode(team.routes(), order="deterministic")))
    run = clock.new_id()
    forked = ForkOrder(
        parent=asked.parent,
        point=asked.point,
        edits=asked.edits.asked,
        content=content if task is None else Payload.of(parse(payload_of(TaskGiven(text=task)))),
        spec=spec,
        routes=routes,
        live=list(asked.live),
        allow=tuple(asked.allow),
        versions=versions(),
    )
    await fork(journal, run, forked, asked.events)
    say(f"run {run}: shares {asked.point.shared} events with run {asked.parent}")
    out = order.out or Path("out") / began.name / f"fork-{run[:8]}"
    recorded = await recorded_performance(journal, run)
    return run, await resume_team(recorded, replace(order, out=out), settings, journal)


def _edited(config: Config, edits: Edits) -> tuple[Config, str | None]:
    """The specification with the edits of the team, and the task where that is another."""
    source, task = cast(Config, config["team"]), None
    if edits.prompts:
        raise UsageError("--set prompts: found with a team of AutoGen's own, whose prompts are parts of its component")
    for text in edits.scenario:
        path, _, value = text.partition("=")
        if path == "task":
            task = value
        elif "component" not in source:
            raise UsageError(f"--set {path}: the team is made by its own program; change it there")
        else:
            changed = replaced(source["component"], steps_of(path), flow(value, f"--set {path}"), "team")
            source = {"component": changed}
    return {**config, "team": source}, task
