"""Several rankings made one. Pure.

Reciprocal rank fusion adds up 1 / (k + rank) over the rankings that hold an item, so that scores of different kinds
(BM25, cosine) need not be compared: Cormack, Clarke, Büttcher, "Reciprocal rank fusion outperforms Condorcet and
individual rank learning methods", SIGIR 2009. Their k of 60 is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

RRF_K = 60


def fuse(rankings: Sequence[Sequence[str]], *, k: int = RRF_K) -> list[tuple[str, float]]:
    """Items with their fused score, best first; an item counts once in each ranking, at its best place.

    Ties go to the item that the first ranking places better, then the second, and so on; equal input, equal output.
    """
    places = [{item: place for place, item in enumerate(dict.fromkeys(ranking), start=1)} for ranking in rankings]
    items = {item for ranking in places for item in ranking}
    scores = {item: sum(1.0 / (k + ranking[item]) for ranking in places if item in ranking) for item in items}

    def order(entry: tuple[str, float]) -> tuple[float, list[float]]:
        item, score = entry
        return -score, [ranking.get(item, inf) for ranking in places]

    return sorted(scores.items(), key=order)
