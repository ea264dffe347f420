"""On which nodes hosts are made, and at which address a host is reached. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

LOOPBACK = "127.0.0.1"


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


def listening_ip(own: str, drivers: str) -> str:
    """Where a host waits for the driver's stream: within the machine where both are on it, else at its node's address.

    `own` is the address of the host's node, `drivers` that of the driver's. Nodes of one machine share an address; two
    machines of one cluster cannot.
    """
    return LOOPBACK if own == drivers else own
