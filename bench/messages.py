"""Messages a second and what one takes, beside AutoGen's runtimes and bare Ray actors: `python -m bench.messages`.

Each contender is a process of its own per round, with a new journal on the same disk. Rounds alternate between them;
medians of five (`--rounds N` for another number). In one process: `RayAgentRuntime` beside AutoGen's single-threaded
runtime; between two: agents on two hosts, of a crew and of a `RayAgentRuntime` with placement `cluster`, beside bare
actor calls and AutoGen's gRPC runtime; then 1 to 4 hosts. `--between` measures only what goes between processes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

Rates = dict[str, float]

LOCAL = {
    "AutoGen, single-threaded, keeps nothing": "autogen",
    "Repertory, journal in memory": "memory",
    "Repertory, SQLite, durable first": "sqlite",
}
HOSTS = {
    "bare Ray actor call": ("ray",),
    "Repertory, two hosts, SQLite, durable first": ("ours",),
    "Repertory, the same, one message at a time per agent": ("one-by-one",),
    "RayAgentRuntime, two hosts, SQLite, durable first": ("cluster",),
    "AutoGen, gRPC, two workers, keeps nothing": ("grpc",),
}
CREWS = {
    "Repertory, 8 pairs, 1 host": ("crew", "1"),
    "Repertory, 8 pairs, 2 hosts": ("crew", "2"),
    "Repertory, 8 pairs, 4 hosts": ("crew", "4"),
}
CLUSTERS = {
    f"RayAgentRuntime, 8 pairs, {n} {'host' if n == 1 else 'hosts'}": ("cluster-pairs", str(n)) for n in (1, 2, 3, 4)
}


def rates(*arguments: str) -> Rates:
    """What a process of its own measured."""
    command = [sys.executable, "-m", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: Rates = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(rounds: int, *, is_local: bool) -> dict[str, list[Rates]]:
    """All rounds, by contender; those in one process only where `is_local`."""
    found: dict[str, list[Rates]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name, kind in LOCAL.items() if is_local else ():
                found.setdefault(name, []).append(rates("bench.message_agents", kind, f"{folder}/{kind}-{number}.db"))
            for name, words in {**HOSTS, **CREWS, **CLUSTERS}.items():
                found.setdefault(name, []).append(rates("bench.message_hosts", *words))
            print(f"{time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}  round {number + 1}", file=sys.stderr)
    return found


def table(found: dict[str, list[Rates]], names: list[str], ways: dict[str, str]) -> None:
    """The medians of some contenders, and how many times the first one's rate they have."""
    print(f"| | {' | '.join(ways.values())} | times the first |")
    print(f"|---|{'---|' * (len(ways) + 1)}")
    base = _median(found[names[0]], "together")
    for name in names:
        cells = [f"{_median(found[name], way):,.2f}" if way == "median_ms" else _rate(found[name], way) for way in ways]
        print(f"| {name} | {' | '.join(cells)} | {_median(found[name], 'together') / base:.2f} |")
    print()


def _median(rounds: list[Rates], way: str) -> float:
    return statistics.median(one[way] for one in rounds)


def _rate(rounds: list[Rates], way: str) -> str:
    return f"{_median(rounds, way):,.0f}"


def main() -> None:
    """Prints the tables, in Markdown."""
    rounds = int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv else 5
    is_local = "--between" not in sys.argv
    found = measure(rounds, is_local=is_local)
    if is_local:
        table(found, list(LOCAL), {"alone": "one at a time, a second", "together": "256 in flight, a second"})
    table(found, list(HOSTS), {"median_ms": "one message, ms", "together": "256 in flight, a second"})
    table(found, list(CREWS), {"together": "256 in flight, a second"})
    table(found, list(CLUSTERS), {"together": "256 in flight, a second"})


if __name__ == "__main__":
    main()
