"""What a journaled step costs that does nothing, beside LangGraph and DBOS: `python -m bench.steps`.

Each is one process per round, with a new SQLite file on the same disk (or a new database of one PostgreSQL server), its
own durability on, and does the same: one run of 400 steps, then 256 runs at once of 8 steps. Whole runs are timed, from
the first record to the last. Rounds alternate between them; medians of five. The rivals are installed from
`bench/requirements-rivals.txt` into an environment of their own, under `.cache/`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.journal_rate import raw_rate
from bench.step_counts import ALONE
from tests.postgres_server import PostgresServer, running_server

ROUNDS = 5
ROOT = Path(__file__).parents[1]
RIVALS = ROOT / ".cache" / "rivals"
REQUIREMENTS = ROOT / "bench" / "requirements-rivals.txt"

Rates = dict[str, float]


def rivals_python() -> str:
    """The interpreter of the rivals' environment, which is made where it is missing or out of date."""
    python, stamp = RIVALS / "bin" / "python", RIVALS / "installed.txt"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        print(f"installing the rivals into {RIVALS.relative_to(ROOT)}", file=sys.stderr)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--clear", "-p", sys.executable, RIVALS], check=True)
        subprocess.run([*uv, "pip", "install", "-q", "-p", python, "-r", REQUIREMENTS], check=True)
        stamp.write_text(REQUIREMENTS.read_text())
    return str(python)


def rates(*command: str) -> Rates:
    """What a process of its own measured."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: Rates = json.loads(done.stdout.splitlines()[-1])
    return found


def ours(address: str) -> Rates:
    """Repertory's rates with a new journal at this address."""
    return rates(sys.executable, "-m", "bench.step_agent", address)


def contenders(folder: Path, server: PostgresServer) -> dict[str, Callable[[int], Rates]]:
    """By name, what measures one round."""
    python = rivals_python()
    rivals = ROOT / "bench" / "rivals"
    return {
        "Repertory, SQLite": lambda n: ours(str(folder / f"ours-{n}.db")),
        "LangGraph, SQLite, sync": lambda n: rates(
            python, str(rivals / "langgraph_steps.py"), str(folder / f"langgraph-{n}.db")
        ),
        "DBOS, SQLite": lambda n: rates(python, str(rivals / "dbos_steps.py"), str(folder / f"dbos-{n}.db")),
        "Repertory, PostgreSQL": lambda _: ours(server.new_database().url),
        "SQLite itself, one row a commit": lambda _: {"alone": raw(folder)},
    }


def raw(folder: Path) -> float:
    """Commits a second of the disk."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        return raw_rate(Path(name), 1, ALONE)


def measure() -> dict[str, list[Rates]]:
    """All rounds."""
    found: dict[str, list[Rates]] = {}
    with tempfile.TemporaryDirectory() as name, running_server() as server:
        by_name = contenders(Path(name), server)
        for number in range(ROUNDS):
            for contender, once in by_name.items():
                found.setdefault(contender, []).append(once(number))
                print(f"{time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}  {contender}", file=sys.stderr)
    return found


def median(rounds: list[Rates], way: str) -> float | None:
    """The median of one way of measuring."""
    return statistics.median(found[way] for found in rounds) if way in rounds[0] else None


def main() -> None:
    """Prints the table, in Markdown."""
    found = measure()
    base = {way: median(found["Repertory, SQLite"], way) or 0.0 for way in ("alone", "together")}
    print("| steps a second | one at a time | a step costs | times | 256 runs at once | times |")
    print("|---|---|---|---|---|---|")
    for name, rounds in found.items():
        cells = [name]
        for way in ("alone", "together"):
            rate = median(rounds, way)
            cells += ["", ""] if rate is None else [f"{rate:,.0f}", f"{base[way] / rate:.1f}"]
        alone = median(rounds, "alone") or 1.0
        cells.insert(2, f"{1000 / alone:.2f} ms")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
