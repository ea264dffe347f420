"""Where on a Ray cluster actors live: a sequencer near its journal, a host on a node of its own or by its resources."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import ray as untyped_ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runtime.journals.journal_address import JournalAddress

LOOPBACK = "127.0.0.1"

ray: Any = untyped_ray


def sequencer_options(journal: JournalAddress) -> dict[str, Any]:
    """Actor options for a sequencer with this journal.

    A SQLite file is that of the driver's machine, so its sequencer is bound to the driver's node: on another one it
    would begin a second journal under the same path. Hosts of agents may be on any node, since they reach the journal
    through the sequencer.
    """
    if journal.path is None:
        return {}
    return _on_node(ray.get_runtime_context().get_node_id())


def host_options(node: str, resources: Mapping[str, float]) -> dict[str, Any]:
    """Actor options for a host: on that node, or where there is none, wherever its resources are."""
    if node:
        return _on_node(node)
    others = {name: amount for name, amount in resources.items() if name != "GPU"}
    return {"num_gpus": resources.get("GPU", 0.0), "resources": others}


def stand_in(folder: str) -> None:
    """Makes relative paths of this process what they are to the driver, which stands there; not where it is missing."""
    with suppress(OSError):
        os.chdir(folder)


def own_ip() -> str:
    """The address of this process's node."""
    return str(ray.util.get_node_ip_address())


def listening_ip(own: str, callers: str) -> str:
    """Where a process listens for one whose node has the other address; within the machine where it is the same."""
    return LOOPBACK if own == callers else own


async def nodes_for_hosts() -> list[str]:
    """The ids of the nodes that live and offer processors, in a fixed order; where none does, of all that live."""
    nodes = [node for node in await _aside(ray.nodes) if node["Alive"]]
    able = [node for node in nodes if node["Resources"].get("CPU", 0)] or nodes
    return sorted(node["NodeID"] for node in able)


def _on_node(node: str) -> dict[str, Any]:
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=node, soft=False)}


async def _aside(call: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What a call says that may never return: on a thread that nobody waits for.

    Where the head is gone, Ray blocks for a minute. The loop's own threads are waited for when the loop ends, and would
    keep the driver from telling what has happened.
    """
    loop = asyncio.get_running_loop()
    said: asyncio.Future[list[dict[str, Any]]] = loop.create_future()

    def tell(settle: Callable[[Any], None], value: object) -> None:
        if not said.done():
            settle(value)

    def work() -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            try:
                loop.call_soon_threadsafe(tell, said.set_result, call())
            except Exception as error:
                loop.call_soon_threadsafe(tell, said.set_exception, error)

    threading.Thread(target=work, name="ray-nodes", daemon=True).start()
    return await said
