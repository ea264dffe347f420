"""Where on a Ray cluster a sequencer may live: anywhere with a journal that all machines reach, else by its file."""

from __future__ import annotations

from typing import Any

import ray as untyped_ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runtime.journal_address import JournalAddress

ray: Any = untyped_ray


def sequencer_options(journal: JournalAddress) -> dict[str, Any]:
    """Actor options for a sequencer with this journal.

    A SQLite file is that of the driver's machine, so its sequencer is bound to the driver's node: on another one it
    would begin a second journal under the same path. Hosts of agents may be on any node, since they reach the journal
    through the sequencer.
    """
    if journal.path is None:
        return {}
    here = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=here, soft=False)}
