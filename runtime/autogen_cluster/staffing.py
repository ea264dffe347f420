"""On which nodes hosts are made. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence


def hires(nodes: Sequence[str], staffed: Sequence[str], joined: Collection[str], wanted: int) -> list[str]:
    """The nodes for the hosts that are to be made now, one for each.

    `nodes` are those that live, `staffed` the nodes of the hosts that there are. Each node that has `joined` gets one
    where it has none; then there are more, on the nodes with the fewest, until there are so many as `wanted`.
    """
    counts = Counter(staffed)
    found = [node for node in nodes if node in joined and not counts[node]]
    counts.update(found)
    while nodes and len(staffed) + len(found) < wanted:
        found.append(min(nodes, key=counts.__getitem__))
        counts[found[-1]] += 1
    return found
