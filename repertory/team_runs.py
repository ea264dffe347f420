"""Performs a team of AutoGen's own from its component JSON: checked first, watched, its conversation shown and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from repertory import results
from repertory.asked import who
from repertory.limits import WALL
from repertory.live import watching
from repertory.output import as_json, plain, print_json, print_line, say
from repertory.perform import Resumption, engine_of, tell_end
from repertory.records import opened
from repertory.settings import Settings
from repertory.traces import both, traced
from runtime import clock
from runtime.autogen_teams.asked import TaskGiven
from runtime.autogen_teams.component import secrets_of
from runtime.autogen_teams.durable_record import FIRST, finishing, payload_of
from runtime.autogen_teams.effects import check_names
from runtime.autogen_teams.team import spec_of
from runtime.codec import Json
from runtime.errors import RunError, UsageError
from runtime.events import EffectClass
from runtime.journal import Journal
from runtime.performance import Performance
from scenarios.team_file import TeamFile

EFFECTS: Mapping[str, EffectClass] = {"read": "read", "idempotent": "idempotent", "irreversible": "irreversible"}
"""What may be said of a tool that has no undo."""


@dataclass(frozen=True, kw_only=True)
class TeamOrder(Resumption):
    """What a person asked of a team."""

    team: TeamFile
    task: str
    effects: Mapping[str, EffectClass] = field(default_factory=dict[str, EffectClass])


async def perform_team(order: TeamOrder, settings: Settings) -> int:
    """Has a team work on a task, and returns the exit code.

    Raises:
        UsageError: something that it needs is missing; nothing was performed.
        RunError: it failed; the journal says how.
    """
    secrets = order.team.secrets_in(settings.variables)
    performance = Performance(
        run=clock.new_id(),
        spec=spec_of(order.team.name, {"component": order.team.component}, order.effects),
        recipient=FIRST,
        payload=payload_of(TaskGiven(text=order.task)),
        secrets=secrets,
    )
    async with opened(settings.journal) as journal:
        return await play_team(performance, order, settings, journal)


async def resume_team(recorded: Performance, order: Resumption, settings: Settings, journal: Journal) -> int:
    """Goes on with a team's run: every request of its program is worked on to its end.

    Raises:
        UsageError: a secret is missing.
        RunError: it failed; the journal says how.
    """
    source = cast("Mapping[str, Json]", recorded.spec.config["team"])
    names = secrets_of(source.get("component"))
    if missing := [name for name in names if not settings.variables.get(name)]:
        raise UsageError(f"the team needs {', '.join(missing)}; set the environment variable")
    secrets = {name: settings.variables[name] for name in names}
    converse = await finishing(journal, recorded.run)
    return await play_team(replace(recorded, secrets=secrets, converse=converse), order, settings, journal)


async def play_team(performance: Performance, order: Resumption, settings: Settings, journal: Journal) -> int:
    """Performs a team's run, shows and keeps its conversation, and returns the exit code."""
    out = order.out or Path("out") / performance.spec.name
    results.prepare(out, "--out")
    run = performance.run
    try:
        with watching(order.json) as watcher:
            async with traced(run, performance.spec.config, journal) as trace:
                watched = replace(
                    performance,
                    ask=watcher.ask,
                    on_event=both(watcher.on_event, trace),
                    on_pause=watcher.on_pause,
                    by=who(),
                    wall_s=order.limits.get(WALL),
                )
                found = await engine_of(order, settings, journal).perform(watched)
    except RunError as error:
        await tell_end(replace(order, out=out), journal, run, error)
        raise
    result: dict[str, Any] = {"run": run, "status": "done", **cast("dict[str, Any]", found or {})}
    paths = results.write_all(out, {"result.json": as_json(result)})
    if order.json:
        print_json(result)
    else:
        for line in conversation(result.get("messages", [])):
            print_line(line)
        say(f"\nwritten: {', '.join(map(str, paths))}; `repertory runs show {run[:8]}` tells how it came to be")
    return 0


def conversation(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who said what, for people; tool calls and other events are left to `runs show`."""
    return [
        plain(f"{message['source']}: {message['content']}")
        for message in messages
        if str(message.get("type", "")).endswith("Message") and isinstance(message.get("content"), str)
    ]


def effects_of(texts: Sequence[str], team: TeamFile) -> dict[str, EffectClass]:
    """What `--effect NAME=CLASS` says.

    Raises:
        UsageError: one says something else, or names what is not in the team.
    """
    found: dict[str, EffectClass] = {}
    for text in texts:
        name, _, said = text.partition("=")
        if not name or said not in EFFECTS:
            raise UsageError(f"--effect: found {text!r}, expected NAME=CLASS with one of {', '.join(EFFECTS)}")
        found[name] = EFFECTS[said]
    check_names(found, team.effects, "--effect")
    return found
