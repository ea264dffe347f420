"""Performs a fork of a run: everything is checked and made ready, the fork is written, and goes on like one resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import msgspec

from repertory.edits import Edits, edited, edits_of
from repertory.model_choice import choose_model
from repertory.output import say
from repertory.perform import Resumption, first_message, play, stage_of
from repertory.records import chosen, opened
from repertory.settings import Settings
from repertory.team_forking import ForkedTeam, fork_team, is_team_run
from runtime import clock
from runtime.beginning import beginning
from runtime.blobs import Payload, digest
from runtime.codec import Json, parse
from runtime.errors import UsageError
from runtime.events import AnyEvent, MessagePublished, MessageSent, StepCompleted, StepStarted
from runtime.exchange.recollection import EVERY
from runtime.fork import ForkOrder, Point, at_delivery, at_message, at_result, fork, start
from runtime.journal import Journal
from runtime.performance import recorded_performance
from runtime.reading.fork_bill import Bill, Count, bill
from runtime.team import Resources, Team, find_builder
from runtime.versions import versions
from scenarios.equipment import Equipment
from scenarios.flaws import nearest
from scenarios.load import revised
from scenarios.team_config import BUILDER, TeamConfig
from serving.source import ModelSource


@dataclass(frozen=True, kw_only=True)
class Forking(Resumption):
    """How a person wants a run forked."""

    at: int | None = None
    """The event before which it begins; None for the start of the run."""
    sets: Sequence[str] = ()
    live: Sequence[str] = ()
    allow: Sequence[str] = field(default_factory=tuple[str, ...])


async def fork_and_perform(name: str, order: Forking, settings: Settings) -> int:
    """Fork a run, perform the fork, tell what it cost, and return the exit code as `repertory.perform.perform` does.

    Raises:
        UsageError: there is no such run, event or edit; nothing was changed.
        RunError: the fork failed; the journal says how.
    """
    edits = edits_of(order.sets)
    run = clock.new_id()
    async with opened(settings.journal) as journal:
        parent = chosen(await journal.runs(), name).run
        events = await journal.events(parent)
        point = _point(events, edits, order.at)
        if is_team_run(events):
            asked = ForkedTeam(parent, events, point, edits, order.live, order.allow)
            content = await content_at(journal, point, edits)
            run, code = await fork_team(journal, asked, content, order, settings)
            _say_bill(await journal.events(run))
            return code
        config = await _config(journal, events, point)
        config_now = _revised(config, edits, settings)
        _check_names(order, config_now, events)
        team = find_builder(BUILDER)(config_now.spec().config, Resources(parent))  # refuses before a fork is made
        changed = None if config_now == config else (config_now, team)
        forked = await _order(journal, parent, point, edits, changed, order)
        order = replace(order, out=order.out or Path("out") / config.scenario.name / f"fork-{run[:8]}")
        stage, surroundings = stage_of(config_now, order, settings)
        await fork(journal, run, forked, events)
        if point.note:
            say(point.note)
        say(f"run {run}: shares {point.shared} events with run {parent}")
        performance = surroundings.given_to(await recorded_performance(journal, run, events[: point.shared]))
        try:
            return await play(stage, performance, settings, journal)
        finally:
            _say_bill(await journal.events(run))


def _say_bill(events: Sequence[AnyEvent]) -> None:
    for line in bill_lines(bill(events)):
        say(line)


def bill_lines(found: Bill) -> list[str]:
    """What a fork cost, in words."""
    kept = Count()
    for count in (found.shared, found.reused):
        kept.model_calls += count.model_calls
        kept.tool_calls += count.tool_calls
        kept.input_tokens += count.input_tokens
        kept.output_tokens += count.output_tokens
    lines = [f"reused: {_words(kept)}", f"spent: {_words(found.spent)}"]
    if simulated := found.simulated.tool_calls + found.simulated.other_steps:
        lines.insert(1, f"simulated: {simulated} effects that are not fired again (--allow NAME fires them)")
    return lines


def _words(count: Count) -> str:
    return (
        f"{count.model_calls} model calls ({count.input_tokens:,} tokens in, {count.output_tokens:,} out), "
        f"{count.tool_calls} tool calls"
    )


def _point(events: Sequence[AnyEvent], edits: Edits, at: int | None) -> Point:
    """Where the fork begins, by what it changes."""
    if edits.touches("start", "name"):
        raise UsageError(
            "--set: found start or name, expected what a fork may change: who is asked and how it is called stay"
        )
    is_first = edits.touches("inputs", "request", "task")
    if edits.content and (at is None or is_first):
        found = "inputs, which are told first, and content" if is_first else "no --at"
        raise UsageError(f"--set {edits.content}: found {found}, expected --at and the event whose content it is")
    if at is None:
        return start(events)
    if edits.content == "message":
        return at_message(events, at)
    if edits.content == "result":
        return at_result(events, at)
    point = at_delivery(events, at)
    if is_first and point.shared > 1:
        return replace(start(events), note="inputs and request are told with the first message; the fork begins there")
    return point


def _check_names(order: Forking, config: TeamConfig, events: Sequence[AnyEvent]) -> None:
    """Refuse to perform anew, or to allow, what nothing is called."""
    steps = [event for event in events if isinstance(event, StepStarted)]
    tools = Equipment(config, Resources("", engine="replay")).registry.names()
    names = {*tools, config.model.name, *(step.name for step in steps)}
    kinds = {EVERY, *(step.kind for step in steps)}
    for option, asked in (("--live", order.live), ("--allow", order.allow)):
        for name in asked:
            if name not in names | kinds:
                hint = "".join(f"; did you mean {near}?" for near in nearest(name, names))
                raise UsageError(
                    f"{option} {name}: found nothing of that name, expected one of {', '.join(sorted(names))}, "
                    f"or a kind ({', '.join(sorted(kinds))}){hint}"
                )


async def _config(journal: Journal, events: Sequence[AnyEvent], point: Point) -> TeamConfig:
    """The specification that held at the point."""
    began = beginning([event for event in events if event.seq <= point.shared])
    if began is None or began.builder != BUILDER:
        raise UsageError("the run was not made from a scenario file; only those can be forked from the command line")
    return TeamConfig.model_validate(parse(await journal.blob(began.spec)), strict=False)


def _revised(config: TeamConfig, edits: Edits, settings: Settings) -> TeamConfig:
    """The specification with the edits of the scenario, its model and its prompts."""
    prompts = {**config.prompts, **edits.prompts}
    if not edits.scenario:
        return config.model_copy(update={"prompts": prompts})
    loaded = revised(config.scenario, Path(config.folder), edits.scenario)
    model = config.model
    if edits.touches("model.name", "model.endpoint") or any(text.startswith("model=") for text in edits.scenario):
        model = choose_model(loaded, settings).source
    elif edits.touches("model"):
        said = loaded.scenario.model
        changes = {"timeout_s": said.timeout_s}
        if said.context_length is not None:
            changes["context_length"] = said.context_length
        model = ModelSource.model_validate({**model.model_dump(), **changes})
    return config.model_copy(update={"scenario": loaded.scenario, "model": model, "prompts": prompts})


async def _order(
    journal: Journal, parent: str, point: Point, edits: Edits, changed: tuple[TeamConfig, Team] | None, order: Forking
) -> ForkOrder:
    """The fork to make; `changed` is given where the specification has changed, with the team of it."""
    content = await content_at(journal, point, edits)
    spec = routes = None
    live = list(order.live)
    if changed is not None:
        config, team = changed
        spec = Payload.of(dict(config.spec().config))
        body = msgspec.json.encode(team.routes(), order="deterministic")
        routes = Payload(digest(body), body)
        if edits.touches("inputs", "request"):
            first = first_message(config.scenario)
            content = Payload(digest(first), first)
        if edits.touches("model.name", "model.endpoint"):
            live.append("model")
    return ForkOrder(
        parent=parent,
        point=point,
        edits=edits.asked,
        content=content,
        spec=spec,
        routes=routes,
        live=live,
        allow=order.allow,
        versions=versions(),
    )


async def content_at(journal: Journal, point: Point, edits: Edits) -> Payload | None:
    """The content at the fork's event, with its edits; None where the fork begins at none."""
    match point.event:
        case MessageSent(payload=name) | MessagePublished(payload=name):
            message = cast("dict[str, Json]", parse(await journal.blob(name)))
            return Payload.of({**message, "data": edited(message["data"], edits)})
        case StepCompleted(result=name):
            before = parse(await journal.blob(name)) if name is not None else None
            return Payload.of(edited(before, edits))
        case None:
            return None
