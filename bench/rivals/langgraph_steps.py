"""LangGraph's steps a second: `python bench/rivals/langgraph_steps.py FILE`, in an environment with LangGraph.

A graph of one node that does nothing and leads to itself, its state an integer, every step a checkpoint in SQLite that
is written before the next one begins (durability "sync"). In flight: that many threads of the same graph, in one loop.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

sys.path.insert(0, str(Path(__file__).parents[2]))
from bench.step_counts import ALONE, FLIGHT, PER_RUN, WARM_UP

graphs: Any = import_module("langgraph.graph")
sqlite: Any = import_module("langgraph.checkpoint.sqlite")


class State(TypedDict):
    """What the graph carries: how many steps are left."""

    left: int


def step(state: State) -> State:
    return {"left": state["left"] - 1}


def further(state: State) -> str:
    return "step" if state["left"] else str(graphs.END)


def graph(saver: Any) -> Any:
    builder = graphs.StateGraph(State)
    builder.add_node("step", step)
    builder.add_edge(graphs.START, "step")
    builder.add_conditional_edges("step", further)
    return builder.compile(checkpointer=saver)


def config(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}, "recursion_limit": 10_000}


def rate(compiled: Any, name: str, runs: int, count: int) -> float:
    def run(number: int) -> None:
        compiled.invoke({"left": count}, config(f"{name} {number}"), durability="sync")

    started = time.perf_counter()
    with ThreadPoolExecutor(runs) as threads:
        list(threads.map(run, range(runs)))
    return runs * count / (time.perf_counter() - started)


with sqlite.SqliteSaver.from_conn_string(sys.argv[1]) as opened:
    idle = graph(opened)
    rate(idle, "warm", 1, WARM_UP)
    print(json.dumps({"alone": rate(idle, "alone", 1, ALONE), "together": rate(idle, "together", FLIGHT, PER_RUN)}))
