"""Two runs laid side by side by cause and effect. Pure.

What follows from equal things is compared with what follows from the same things there. Ids say where a thing came
from, so equal runs have equal ids; where something was added or left out the ids after it differ, and things are
matched by their contents, then by their roles. Times and the interleaving of agents are no differences by themselves;
the order in which one agent was told things is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

from runtime.events import AgentName, Failure
from runtime.reading.run_tree import DeliveryNode, Doing, MessageNode, RunTree, StepNode

Node: TypeAlias = StepNode | MessageNode | DeliveryNode

Status = Literal["same", "changed", "only in A", "only in B"]

Aspect = Literal["asked", "said", "result", "answer", "failure", "presence", "order", ""]
"""What differs: a step's request, a message, a step's result, a handler's answer, how it failed, whether it is there
at all, or the order in which an agent was told of it."""


@dataclass(slots=True)
class Row:
    """One thing in both runs, or in one of them."""

    a: Node | None
    b: Node | None
    status: Status
    aspect: Aspect = ""
    depth: int = 0
    position: float = 0.0
    """Where in A the difference shows: a seq, or a place after one."""

    @property
    def node(self) -> Node:
        """The thing, as A has it where A has it."""
        found = self.a if self.a is not None else self.b
        assert found is not None, "a row has at least one side"
        return found


@dataclass(frozen=True, slots=True)
class Alignment:
    """Everything of two runs, side by side, in the order of A."""

    rows: tuple[Row, ...]
    first: Row | None
    """Where they part; None for runs that did the same."""
    reordered: tuple[AgentName | None, ...] = ()
    """The agents that were told the same in another order and did nothing else for that."""

    def count(self, status: Status) -> int:
        """How many rows stand so."""
        return sum(row.status == status for row in self.rows)


def aligned(a: RunTree, b: RunTree) -> Alignment:
    """Two runs side by side; `first` is the difference that came before all others.

    That an agent was told the same in another order is where they part only if the agent then did something else, or
    if nothing else differs: answers to what was asked at once come in any order.
    """
    rows = _Aligner().run(a, b)
    places = _Places(rows)
    for row in rows:
        if row.a is None and row.b is not None:
            row.position = places.in_a(row.b.seq)
    differing = [row for row in rows if row.status != "same"]
    first = min(differing, key=lambda row: row.position, default=None)
    orders = in_other_order(a, b, rows)
    if first is None:
        first = min(orders.values(), key=lambda row: row.position, default=None)
    elif _is_done_by_agent(first):
        told = orders.get(_doer(first, a, b))
        first = told if told is not None and told.position < first.position else first
    reordered = tuple(agent for agent, row in orders.items() if row is not first)
    return Alignment(tuple(rows), first, reordered)


def _is_done_by_agent(row: Row) -> bool:
    """Whether what differs is an agent's doing, and not what came from outside."""
    return not (isinstance(row.node, StepNode) and row.aspect in ("result", "failure"))


def _doer(row: Row, a: RunTree, b: RunTree) -> AgentName | None:
    tree, node = (a, row.a) if row.a is not None else (b, row.b)
    match node:
        case StepNode(started=started):
            return tree.deliveries[started.delivery].agent
        case MessageNode(event=event):
            return event.sender
        case DeliveryNode():
            return node.agent
        case None:
            return None


@dataclass(slots=True)
class _Aligner:
    rows: list[Row] = field(default_factory=list[Row])

    def run(self, a: RunTree, b: RunTree) -> list[Row]:
        self._doings(a.roots, b.roots, 0)
        return self.rows

    def _doings(self, a: Sequence[Doing], b: Sequence[Doing], depth: int) -> None:
        for one, other in matched(a, b):
            if isinstance(one, StepNode) and isinstance(other, StepNode):
                self._row(one, other, *_step_difference(one, other), depth)
            elif isinstance(one, MessageNode) and isinstance(other, MessageNode):
                is_same = one.content == other.content
                self._row(one, other, "" if is_same else "said", one.seq, depth)
                self._deliveries(one, other, depth + 1)
            else:
                self._alone(one, other, depth)

    def _deliveries(self, one: MessageNode, other: MessageNode, depth: int) -> None:
        is_sent = one.role[1:] == other.role[1:] and len(one.deliveries) == len(other.deliveries) == 1
        there = {node.agent: node for node in other.deliveries}
        for node in one.deliveries:
            found = other.deliveries[0] if is_sent else there.pop(node.agent, None)
            if found is None:
                self._alone(node, None, depth)
                continue
            there.pop(found.agent, None)
            self._doings(node.doings, found.doings, depth)
            self._row(node, found, *_end_difference(node, found), depth)
        for node in there.values():
            self._alone(None, node, depth)

    def _alone(self, one: Node | None, other: Node | None, depth: int) -> None:
        node = one if one is not None else other
        assert node is not None
        if isinstance(node, DeliveryNode):
            self._all_alone(node.doings, depth, is_in_a=other is None)
        status: Status = "only in B" if one is None else "only in A"
        began = node.started.seq if isinstance(node, DeliveryNode) else node.seq
        self.rows.append(Row(one, other, status, "presence", depth, float(began)))
        if isinstance(node, MessageNode):
            self._all_alone(node.deliveries, depth + 1, is_in_a=other is None)

    def _all_alone(self, nodes: Sequence[Node], depth: int, *, is_in_a: bool) -> None:
        for node in nodes:
            self._alone(node if is_in_a else None, None if is_in_a else node, depth)

    def _row(self, one: Node, other: Node, aspect: Aspect, seq: int, depth: int) -> None:
        self.rows.append(Row(one, other, "changed" if aspect else "same", aspect, depth, float(seq)))


def _step_difference(one: StepNode, other: StepNode) -> tuple[Aspect, int]:
    if one.content != other.content:
        return "asked", one.seq
    a, b = one.completed, other.completed
    if a is None or b is None:
        return ("", one.seq) if a is b else ("result", one.seq if a is None else a.seq)
    if not _is_same_failure(a.failure, b.failure):
        return "failure", a.seq
    return ("", one.seq) if a.result == b.result else ("result", a.seq)


def _end_difference(one: DeliveryNode, other: DeliveryNode) -> tuple[Aspect, int]:
    a, b = one.completed, other.completed
    if a is None or b is None:
        return ("", one.seq) if a is b else ("answer", one.seq if a is None else a.seq)
    if not _is_same_failure(a.failure, b.failure):
        return "failure", a.seq
    return ("", a.seq) if a.response == b.response else ("answer", a.seq)


def _is_same_failure(a: Failure | None, b: Failure | None) -> bool:
    return a is b if a is None or b is None else (a.type, a.code) == (b.type, b.code)


# Matching


def matched(a: Sequence[Doing], b: Sequence[Doing]) -> Iterator[tuple[Doing | None, Doing | None]]:
    """The doings of two deliveries in pairs, in the order of the first; what has no partner comes alone.

    Equal contents are matched first, wherever they stand; then what stands between equals, by its role, in order.
    """
    if [node.content for node in a] == [node.content for node in b]:
        yield from zip(a, b, strict=True)
        return
    partner = _partners(a, b)
    back = {place: n for n, place in partner.items()}
    pairs: list[tuple[int, int, Doing | None, Doing | None]] = [
        (n, 0, node, b[partner[n]] if n in partner else None) for n, node in enumerate(a)
    ]
    last = -1
    for place, node in enumerate(b):
        if place in back:
            last = back[place]
        else:
            pairs.append((last, 1 + place, None, node))
    yield from ((one, other) for _, _, one, other in sorted(pairs, key=lambda pair: pair[:2]))


def _partners(a: Sequence[Doing], b: Sequence[Doing]) -> dict[int, int]:
    """By place in `a`, the place in `b`."""
    partner: dict[int, int] = {}
    _match_in_order([node.content for node in a], [node.content for node in b], range(len(a)), range(len(b)), partner)
    _match_anywhere(a, b, partner)
    for places_a, places_b in _gaps(partner, len(a), len(b)):
        roles_a, roles_b = [a[n].role for n in places_a], [b[n].role for n in places_b]
        _match_in_order(roles_a, roles_b, places_a, places_b, partner)
    return partner


def _match_in_order(
    a: Sequence[Hashable], b: Sequence[Hashable], in_a: Sequence[int], in_b: Sequence[int], partner: dict[int, int]
) -> None:
    if list(a) == list(b):
        partner.update(zip(in_a, in_b, strict=True))
        return
    for block in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks():
        for n in range(block.size):
            partner[in_a[block.a + n]] = in_b[block.b + n]


def _match_anywhere(a: Sequence[Doing], b: Sequence[Doing], partner: dict[int, int]) -> None:
    """Matches equal contents that stand in another order."""
    taken = set(partner.values())
    left: dict[Hashable, list[int]] = {}
    for n, node in enumerate(b):
        if n not in taken:
            left.setdefault(node.content, []).append(n)
    for n, node in enumerate(a):
        if n not in partner and left.get(node.content):
            partner[n] = left[node.content].pop(0)


def _gaps(partner: dict[int, int], size_a: int, size_b: int) -> Iterator[tuple[list[int], list[int]]]:
    """The unmatched places between things that are matched in order."""
    taken = set(partner.values())
    kept: list[tuple[int, int]] = []
    for n in sorted(partner):
        if not kept or partner[n] > kept[-1][1]:
            kept.append((n, partner[n]))
    last_a = last_b = -1
    for end_a, end_b in [*kept, (size_a, size_b)]:
        places_a = [n for n in range(last_a + 1, end_a) if n not in partner]
        places_b = [n for n in range(last_b + 1, end_b) if n not in taken]
        if places_a and places_b:
            yield places_a, places_b
        last_a, last_b = end_a, end_b


class _Places:
    """Where in A something of B would stand."""

    def __init__(self, rows: Sequence[Row]) -> None:
        pairs = sorted((row.b.seq, row.a.seq) for row in rows if row.a is not None and row.b is not None)
        self._in_b = [b for b, _ in pairs]
        self._in_a = [a for _, a in pairs]

    def in_a(self, seq_in_b: int) -> float:
        place = bisect_right(self._in_b, seq_in_b)
        return (self._in_a[place - 1] if place else 0) + 0.5


def in_other_order(a: RunTree, b: RunTree, rows: Sequence[Row]) -> dict[AgentName | None, Row]:
    """For each agent the first thing that it was told in another order than in the other run."""
    partner = {row.b.id: row.a.id for row in rows if row.a is not None and row.b is not None}
    nodes = {row.a.id: row for row in rows if row.a is not None}
    found: dict[AgentName | None, Row] = {}
    for agent, releases in a.releases.items():
        told = [partner[name] for name, _ in b.releases.get(agent, []) if name in partner]
        both = {name for name, _ in releases} & set(told)
        mine = [(name, seq) for name, seq in releases if name in both]
        theirs = [name for name in told if name in both]
        for (name, seq), other in zip(mine, theirs, strict=False):
            if name != other and name in nodes and other in nodes:
                found[agent] = Row(nodes[name].a, nodes[other].b, "changed", "order", 0, float(seq))
                break
    return found
