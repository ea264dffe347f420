"""DBOS's steps a second: `python bench/rivals/dbos_steps.py FILE`, in an environment with DBOS.

A workflow of steps that do nothing, its system database a SQLite file with DBOS's own settings. In flight: that many
workflows at once, on DBOS's own number of threads.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from bench.step_counts import ALONE, FLIGHT, PER_RUN, WARM_UP

dbos: Any = import_module("dbos").DBOS
logging.disable(logging.CRITICAL)
dbos(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{sys.argv[1]}",
        "run_admin_server": False,
        "log_level": "CRITICAL",
    }
)


def nothing(number: int) -> None:
    return None


step: Any = dbos.step()(nothing)


def steps(count: int) -> None:
    for number in range(count):
        step(number)


work: Any = dbos.workflow()(steps)


def timed(runs: int, count: int) -> float:
    started = time.perf_counter()
    handles = [dbos.start_workflow(work, count) for _ in range(runs)]
    for handle in handles:
        handle.get_result(polling_interval_sec=0.01)
    return runs * count / (time.perf_counter() - started)


dbos.launch()
timed(1, WARM_UP)
print(json.dumps({"alone": timed(1, ALONE), "together": timed(FLIGHT, PER_RUN)}), flush=True)
dbos.destroy()
