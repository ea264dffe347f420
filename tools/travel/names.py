"""Finds the place that a name means: exact names and aliases first, then what is clearly a misspelling. Pure.

A misspelling is repaired only when it is clear. 故官 is 故宫 (the characters look alike), 故宫博物馆 is 故宫博物院
(one generic ending for another), 中国科技技术馆 is 中国科学技术馆 (one character of seven). 月坛 is not 天坛, although
only one character differs: where several places are near, or the nearest is not near enough, the candidates go back to
the model.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tools.spec import Match

_ALIKE = (
    "宫官馆管宮官", "园圆院苑元園", "坛谈坦檀壇", "城程成诚", "长常场", "故古固", "博搏薄", "物勿务", "科料课", "学雪",
    "技支枝", "术木述", "国囯國图", "海每诲", "北背比", "颐姬宜怡", "和合河何", "明名鸣", "景井京", "香相乡", "雍拥庸",
    "恭公功", "王玉旺", "府付俯", "天夭添", "地第池", "动东", "鸟乌岛", "巢槽", "水冰", "立力丽", "方芳坊", "欢观",
    "谷古", "八巴", "达大打", "岭领令", "慕幕暮", "田甸", "峪裕俗谷", "居屠", "关观", "南男", "锣罗", "鼓股", "巷港",
    "前钱", "门们", "刹杀", "未末", "士土", "己已", "墙强", "店点", "季李",
)  # fmt: skip
"""Characters that are written or pronounced alike and stand in for each other in typing."""
SIGHT_ENDINGS = (
    "风景名胜区", "旅游度假区", "旅游景区", "遗址公园", "博物馆", "博物院", "风景区", "旅游区", "游览区", "景区",
    "公园", "门票",
)  # fmt: skip
"""Endings that say what a sight is and not which one, longest first."""
HOTEL_ENDINGS = ("国际大酒店", "大酒店", "大饭店", "酒店", "饭店", "宾馆")
"""The same for hotels."""
_ONE_EDIT, _TWO_EDITS_FROM = 1.0, 10
_CLEAR, _MARGIN, _NEAR, _CANDIDATES = 0.72, 0.1, 0.34, 5
_ALIKE_COST = 0.3
_PREFIX_SHARE, _PREFIX_COUNT = 0.1, 3


def normal(name: str) -> str:
    """A name without case, width, spaces and punctuation."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in text if char.isalnum())


def distance(left: str, right: str, limit: float = 99.0) -> float:
    """The edit distance; characters that look or sound alike cost 0.3, others 1; `limit` + 1 when it is above it."""
    row = [float(column) for column in range(len(right) + 1)]
    for number, char in enumerate(left, start=1):
        before, row = row, [float(number)]
        for column, other in enumerate(right, start=1):
            cost = 0.0 if char == other else _ALIKE_COST if (char, other) in _PAIRS else 1.0
            row.append(min(before[column - 1] + cost, before[column] + 1, row[-1] + 1))
        if min(row) > limit:
            return limit + 1
    return row[-1]


def _alike_pairs() -> frozenset[tuple[str, str]]:
    return frozenset((one, other) for group in _ALIKE for one in group for other in group)


_PAIRS = _alike_pairs()
_ALIKE_TO = {one: frozenset(other for first, other in _PAIRS if first == one) for one, _ in _PAIRS}


@dataclass(frozen=True)
class NameIndex:
    """Names and aliases of one kind of place; keys are the names that tools use."""

    aliases: Mapping[str, Sequence[str]]
    """By name: its other names."""
    endings: Sequence[str] = ()
    """Generic endings that do not tell these places apart, longest first."""

    def find(self, name: str) -> Match:
        """The name that is meant, or candidates, nearest first, when that is not clear."""
        wanted = normal(name)
        if not wanted:
            return Match(None)
        found = self._exact.get(wanted) or self._same_core(wanted) or self._containing(wanted)
        if len(found) == 1:
            return Match(found[0])
        if found:
            return Match(None, tuple(found[:_CANDIDATES]))
        return self._nearest(wanted)

    def exact(self, name: str) -> Match:
        """The place of exactly this name or alias; candidates when several share the alias."""
        found = self._exact.get(normal(name), [])
        return Match(found[0]) if len(found) == 1 else Match(None, tuple(found))

    @cached_property
    def _exact(self) -> dict[str, list[str]]:
        """By normal name or alias: the places; a place's own name wins over another's alias."""
        own = {normal(name): [name] for name in self.aliases}
        shared: dict[str, list[str]] = {}
        for name, others in self.aliases.items():
            for other in dict.fromkeys(normal(other) for other in others):
                shared.setdefault(other, []).append(name)
        return shared | own

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        """Beginnings that many names share (北京, 中国) and that therefore do not tell places apart."""
        counts = Counter(normal(name)[:2] for name in self.aliases)
        least = max(_PREFIX_COUNT, _PREFIX_SHARE * len(self.aliases))
        return tuple(prefix for prefix, count in counts.items() if count >= least and not prefix.isascii())

    @cached_property
    def _known(self) -> list[tuple[str, str, str]]:
        """(normal name or alias, its core, the place)."""
        pairs = [(key, name) for key, names in self._exact.items() for name in names]
        return [(key, self._core(key), name) for key, name in pairs]

    def _core(self, text: str) -> str:
        """A normal name without shared beginnings and generic endings, when two characters or more remain."""
        for prefix in self._prefixes:
            if text.startswith(prefix) and len(text) - len(prefix) >= 2:
                text = text.removeprefix(prefix)
        for ending in self.endings:
            if text.endswith(ending) and len(text) - len(ending) >= 2:
                return text.removesuffix(ending)
        return text

    def _prefix(self, text: str) -> str:
        return next((prefix for prefix in self._prefixes if text.startswith(prefix)), "")

    def _same_core(self, wanted: str) -> list[str]:
        """Places that differ in generic parts only: 故宫博物馆 is 故宫博物院, but 北京美术馆 is not 中国美术馆."""
        core, prefix = self._core(wanted), self._prefix(wanted)
        same = ((key, name) for key, other, name in self._known if other == core)
        return _unique(name for key, name in same if not prefix or self._prefix(key) in ("", prefix))

    def _containing(self, wanted: str) -> list[str]:
        """Places whose name or alias holds the text as half of it or more; the shortest first."""
        if len(wanted) < 2 or wanted in self._prefixes:
            return []
        holding = sorted((len(key), name) for key, _, name in self._known if wanted in key)
        is_half = bool(holding) and holding[0][0] <= 2 * len(wanted)
        return _unique(name for _, name in holding) if is_half else []

    def _nearest(self, wanted: str) -> Match:
        core = self._core(wanted)
        scores = self._scored(wanted, core)
        ranked = sorted(scores, key=lambda name: (-scores[name][0], -scores[name][1], name))
        if not ranked:
            return Match(None)
        best, second = scores[ranked[0]][0], scores[ranked[1]][0] if len(ranked) > 1 else 0.0
        is_clear = best >= _clear(core) and best - second >= _MARGIN
        return Match(ranked[0]) if is_clear else Match(None, tuple(ranked[:_CANDIDATES]))

    def _scored(self, wanted: str, core: str) -> dict[str, tuple[float, float]]:
        """How near each place is, for those that are near at all: its core, then its whole name, from 0 to 1."""
        wide = frozenset(wanted).union(*(_ALIKE_TO.get(char, ()) for char in wanted))
        scores: dict[str, tuple[float, float]] = {}
        for key, other, name in self._known:
            score = _score(core, other, wanted, key) if _may_be_near(wide, wanted, key) else (0.0, 0.0)
            if score[0] >= _NEAR:
                scores[name] = max(scores.get(name, score), score)
            elif wanted in key:
                scores.setdefault(name, (_NEAR, len(wanted) / len(key)))
        return scores


def _clear(core: str) -> float:
    """The similarity from which a name is clear: one edit, two in a long name, and never half of a short one."""
    edits = 2 if len(core) >= _TWO_EDITS_FROM else _ONE_EDIT
    return max(_CLEAR, 1 - (edits + 0.05) / max(len(core), 1))


def _may_be_near(wide: frozenset[str], wanted: str, key: str) -> bool:
    """False when so few characters are shared that neither names nor cores can be near; spares their comparison."""
    return sum(char in wide for char in key) >= _NEAR * min(len(wanted), len(key)) - 1


def _score(core: str, other_core: str, wanted: str, key: str) -> tuple[float, float]:
    """How near the cores are, then the whole names; these count in full when they differ in alike characters only."""
    cores = _similarity(core, other_core)
    if cores < _NEAR:
        return 0.0, 0.0
    whole = distance(wanted, key)
    names = 1 - whole / max(len(wanted), len(key))
    return (max(cores, names) if whole < _ONE_EDIT else cores), names


def _similarity(left: str, right: str) -> float:
    longest = max(len(left), len(right))
    return 1 - distance(left, right, (1 - _NEAR) * longest) / longest if longest else 0.0


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
