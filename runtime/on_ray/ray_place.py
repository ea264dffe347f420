"""Where on a Ray cluster actors live: a sequencer near its journal, a host on a node of its own or by its resources."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import ray as untyped_ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runtime.journals.journal_address import JournalAddress

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


async def nodes_for_hosts() -> list[str]:
    """The ids of the nodes that live and offer processors, in a fixed order; where none does, of all that live."""
    nodes = [node for node in await asyncio.to_thread(ray.nodes) if node["Alive"]]
    able = [node for node in nodes if node["Resources"].get("CPU", 0)] or nodes
    return sorted(node["NodeID"] for node in able)


def _on_node(node: str) -> dict[str, Any]:
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=node, soft=False)}
