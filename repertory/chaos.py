"""Proves on a person's own scenario that a crash loses nothing and repeats nothing: `repertory chaos`."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from repertory.check import check_scenario
from repertory.model_choice import FILE_KINDS, choose_model
from repertory.output import print_json, print_table, say
from repertory.perform import first_message, first_recipient, learn_knowledge
from repertory.settings import Settings
from runtime import clock
from runtime.chaos import Account, Point, Trial
from runtime.errors import RunError, UsageError
from runtime.journals.journal_address import JournalAddress, journal_address, open_journal
from runtime.killing.chaos_local import LocalChaos
from runtime.performance import Performance
from scenarios.build import wants_model
from scenarios.load import LoadedScenario
from scenarios.outside import tool_secrets
from scenarios.team_config import TeamConfig
from tools.travel.booking import LEDGER, Ledger

RAY_SAMPLE = 20
"""How many points are tried on Ray when nobody says how many."""


@dataclass(frozen=True, kw_only=True)
class ChaosOrder:
    """What a person asked for."""

    loaded: LoadedScenario
    engine: str
    sample: int | None
    """How many points, chosen at random; None for all of them."""
    seed: int
    point: Point | None
    """The only point to try."""
    hosts: int
    json: bool
    command: Sequence[str]
    """The command line without `--point`, `--sample` and `--seed`: how to try one point again."""


class Chaos(Protocol):
    """Kills and recovers a run; see `runtime.killing.chaos_local.LocalChaos`."""

    async def undisturbed(self) -> tuple[Account, list[Point]]:
        """What the undisturbed run leaves behind, and the points at which it may be killed."""
        ...

    async def trials(self, undisturbed: Account, points: Sequence[Point], on_trial: Callable[[], None]) -> list[Trial]:
        """Tries points and calls back after each; those are missing which the run ended before."""
        ...

    async def close(self) -> None:
        """Lets go of what all points have shared."""
        ...


async def chaos(order: ChaosOrder, settings: Settings) -> int:
    """Try the points and tell how it went; 0 when nothing was lost and nothing happened twice, else 1.

    Raises:
        UsageError: the scenario or its model cannot be used for this.
        RunError: the run fails even when nothing disturbs it.
    """
    listed = await check_scenario(order.loaded, settings.variables)
    _check_model(order.loaded)
    choice = choose_model(order.loaded, settings)
    scenario = order.loaded.scenario
    await learn_knowledge(scenario, settings)
    secrets = {**choice.secrets, **tool_secrets(scenario, settings.variables)}

    run = f"chaos-{clock.new_id()[:8]}"

    def performance(state: Path) -> Performance:
        config = TeamConfig(
            scenario=scenario,
            folder=str(order.loaded.path.parent),
            model=choice.source,
            memory=settings.memory if scenario.memory.knowledge else None,
            state=str(state),
            mcp=listed,
        )
        return Performance(run, config.spec(), first_recipient(scenario), first_message(scenario), secrets)

    with tempfile.TemporaryDirectory(prefix="repertory-chaos-") as folder, _journal(settings, Path(folder)) as journal:
        engine = _engine(order, settings, performance, Path(folder), journal)
        try:
            return await _try(order, engine)
        finally:
            await engine.close()


@contextmanager
def _journal(settings: Settings, folder: Path) -> Generator[JournalAddress]:
    """A journal that nobody keeps: in a database of its own where the person's is on a server, else in the folder."""
    if settings.journal.path is not None:
        yield journal_address(folder / "journal.db")
        return
    from runtime.journals.scratch_database import scratch_database

    with scratch_database(settings.journal) as address:
        yield address


def _engine(
    order: ChaosOrder,
    settings: Settings,
    performance: Callable[[Path], Performance],
    folder: Path,
    journal: JournalAddress,
) -> Chaos:
    if order.engine == "local":
        in_memory = LocalChaos(performance, folder, bookings)
        return in_memory if journal.path else replace(in_memory, journal=partial(open_journal, journal))
    from memory.ray_blackboard import RayBlackboard
    from runtime.killing.chaos_ray import RayChaos
    from runtime.on_ray.ray_local import ensure_ray

    address = ensure_ray(settings.home, progress=say).address
    return RayChaos(
        performance, folder, journal, address, order.hosts, bookings, lambda run: RayBlackboard(run).close()
    )


def bookings(state: Path) -> dict[str, int]:
    """How often each thing is booked according to the booking office's own ledger, in a scenario's state directory."""
    if not (state / LEDGER).exists():
        return {}
    return dict(Counter(f"{row['kind']} {row['what']} {row['state']}" for row in Ledger(state).rows()))


def _check_model(loaded: LoadedScenario) -> None:
    name = loaded.scenario.model.name
    if name.partition(":")[0] not in FILE_KINDS and wants_model(loaded.scenario, loaded.path.parent):
        raise UsageError(
            f"--model: found {name!r}, expected recorded:FILE or scripted:FILE: a chaos run performs a scenario "
            "hundreds of times and must get the same answers each time; `repertory run --record FILE` makes such a file"
        )


async def _try(order: ChaosOrder, chaos: Chaos) -> int:
    began = clock.monotonic()
    undisturbed, every = await chaos.undisturbed()
    if undisturbed.failure:
        raise RunError(f"the run does not end well even when nothing disturbs it: {undisturbed.failure}")
    points = _chosen(order, every)
    with _progress(len(points), order.json) as step:
        trials = await chaos.trials(undisturbed, points, step)
    if not trials:
        raise UsageError(f"--point: found {points[0]}, but the run has ended by then; it has {len(every)} points")
    return _told(order, trials, len(every), clock.monotonic() - began)


def _chosen(order: ChaosOrder, every: Sequence[Point]) -> list[Point]:
    if order.point is not None:
        return [order.point]
    sample = order.sample if order.sample is not None or order.engine == "local" else RAY_SAMPLE
    if sample is None or sample >= len(every):
        return list(every)
    return sorted(_dealt(every, order.seed)[:sample])


def _dealt(every: Sequence[Point], seed: int) -> list[Point]:
    """All points in an order that the seed decides, in which every victim has its turn."""
    turns: Counter[str] = Counter()
    dealt: list[tuple[int, Point]] = []
    for point in sorted(every, key=lambda point: clock.derived_id(seed, point)):
        turns[point.victim] += 1
        dealt.append((turns[point.victim], point))
    return [point for _, point in sorted(dealt, key=lambda each: each[0])]


@contextmanager
def _progress(total: int, is_quiet: bool) -> Generator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=sys.stderr, quiet=is_quiet)
    columns = (TextColumn("killing and recovering"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def _told(order: ChaosOrder, trials: Sequence[Trial], in_all: int, took_s: float) -> int:
    counts: dict[str, int | float] = {"points_in_all": in_all, **_counts(trials)}
    failed = [trial for trial in trials if trial.verdict == "failed"]
    if order.json:
        recoveries = [{"victim": each, **_recovery(trials, each)} for each in sorted({t.point.victim for t in trials})]
        said = {**counts, "seconds": round(took_s, 1), "recoveries": recoveries}
        print_json({**said, "failed": [_plain(order, each) for each in failed]})
    else:
        rows = [(name.removesuffix("_s").replace("_", " "), _shown(name, value)) for name, value in counts.items()]
        print_table([*rows, *_by_victim(trials), ("took", f"{took_s:.1f} s")], right={1})
    if failed:
        first = failed[0]
        say(f"the first point that fails is {first.point}:")
        for fault in first.findings.faults:
            say(f"  {fault}")
        say(f"try it again: {_again(order, first.point)}")
    return 1 if failed else 0


def _counts(trials: Sequence[Trial]) -> dict[str, int | float]:
    verdicts = [trial.verdict for trial in trials]
    return {
        "points_tried": len(trials),
        "survived": verdicts.count("survived"),
        "left_to_a_person": verdicts.count("waits"),
        "failed": verdicts.count("failed"),
        "duplicated_effects": sum(len(trial.findings.duplicated) for trial in trials),
        "lost_effects": sum(len(trial.findings.lost) for trial in trials),
        "repeated_reads": sum(trial.findings.repeated_reads for trial in trials),
        "sent_again_with_the_same_key": sum(trial.findings.repeated_keys for trial in trials),
        "slowest_recovery_s": round(max(trial.recovery_s for trial in trials), 3),
    }


def _by_victim(trials: Sequence[Trial]) -> list[tuple[str, str]]:
    """A line for each kind of process that was killed, where there are several."""
    victims = sorted({trial.point.victim for trial in trials})
    found = [(victim, _recovery(trials, victim)) for victim in victims if len(victims) > 1]
    return [(f"  {name} killed", f"{said['points']} times, slowest {said['slowest_s']:.3f} s") for name, said in found]


def _recovery(trials: Sequence[Trial], victim: str) -> dict[str, float]:
    times = [trial.recovery_s for trial in trials if trial.point.victim == victim]
    return {"points": len(times), "slowest_s": round(max(times), 3)}


def _shown(name: str, value: float) -> str:
    return f"{value:.3f} s" if name.endswith("_s") else f"{value:,}"


def _plain(order: ChaosOrder, trial: Trial) -> dict[str, object]:
    again = _again(order, trial.point)
    return {"point": str(trial.point), "faults": list(trial.findings.faults), "command": again}


def _again(order: ChaosOrder, point: Point) -> str:
    return shlex.join([*order.command, "--point", str(point)])
