"""Whether a person's words contain what a model has read in them: nothing unsaid becomes part of a task."""

from __future__ import annotations

import re
import unicodedata

from tools.travel.catalogue import Catalogue

_DIGITS = "零一二三四五六七八九"
_UNIT = {"万": 10_000, "千": 1_000, "百": 100, "十": 10}
_COUNT = r"(二?十[一二三四五六七八九]?|[一二三四五六七八九]|\d{1,2})"
_HEADS = re.compile(rf"一家{_COUNT}口|(?<![一每]){_COUNT}个?(?:人|位)(?!均)")
_ADULTS = re.compile(rf"{_COUNT}个?(?:大人|成人|成年人|大)(?:{_COUNT}个?小)?")
_CHILD = re.compile(r"孩|儿子|女儿|娃|宝宝|小朋友|儿童")


def is_said(text: str, request: str) -> bool:
    """Whether the request contains the text, whatever its spaces and width."""
    return bool(_plain(text)) and _plain(text) in _plain(request)


def numbers_said(request: str) -> tuple[int, ...]:
    """The numbers that the request contains, in figures (5000, 1.2万) or in Chinese numerals (五千二), ascending."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", _plain(request))
    found = {int(figures) for figures in re.findall(r"\d+", text)}
    found |= {int(float(figures) * _UNIT[unit]) for figures, unit in re.findall(r"(\d+(?:\.\d+)?)([万千百])", text)}
    found |= {value(word) for word in re.findall(r"[一二三四五六七八九十][零一二三四五六七八九十百千万]*", text)}
    return tuple(sorted(found))


def value(word: str) -> int:
    """The number that figures or a Chinese numeral below 100,000,000 mean: 五千二百, 五千二, 十二, 一万二."""
    if word.isdigit():
        return int(word)
    high, has_myriads, low = word.rpartition("万")
    if has_myriads:
        return (value(high) or 1) * 10_000 + (value(low) * 1_000 if len(low) == 1 else value(low))
    total, digit, unit = 0, 0, 1
    for char in low:
        if char in _UNIT:
            total, digit, unit = total + (digit or 1) * _UNIT[char], 0, _UNIT[char]
        else:
            digit, unit = _DIGITS.index(char), 1 if char == "零" else unit
    return total + digit * max(1, unit // 10)


def is_length_said(days: int, request: str) -> bool:
    """Whether the request contains so many days: 3天, 三日游; or the bare number as an answer of its own."""
    return _is_counted(days, r"(?<![\d月])", r"个?[天日晚夜]", request)


def is_age_said(age: int, request: str) -> bool:
    """Whether the request contains the age: 5岁, 3、5岁, 五周岁; or the bare number as an answer of its own."""
    return _is_counted(age, r"(?<!\d)", rf"(?:岁?[、,，和与及]{_COUNT})*周?岁", request)


def _is_counted(number: int, before: str, after: str, request: str) -> bool:
    pattern = re.compile(rf"{before}{_COUNT}(?={after}|$)")
    return any(value(found[1]) == number for line in request.splitlines() for found in pattern.finditer(_plain(line)))


def counted(request: str, children: int) -> int | None:
    """How many people the request counts: 一家三口, 3个人, 两大一小, 两个大人 (and the children); None: it does not."""
    text = _plain(request)
    if adults := _ADULTS.search(text):
        return value(adults[1]) + (value(adults[2]) if adults[2] else children)
    heads = _HEADS.search(text)
    return value(heads[1] or heads[2]) if heads else None


def has_child(request: str) -> bool:
    """Whether the request speaks of children."""
    return bool(_CHILD.search(request))


def mentioned(request: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The words of the request that name attractions, in their order; longer names win over those inside them."""
    text = request
    found: list[tuple[int, str]] = []
    for name in sorted(_names(catalogue), key=lambda name: (-len(name), name)):
        place = text.find(name)
        if place >= 0:
            found.append((place, name))
            text = text.replace(name, "\0" * len(name))
    return tuple(name for _, name in sorted(found))


def _names(catalogue: Catalogue) -> set[str]:
    names = (name for row in catalogue.attractions for name in (row.name, *row.aliases))
    return {name for name in names if len(name) > 1 and not name.isascii()}


def _plain(text: str) -> str:
    """The text in one width, without spaces, with 两 as 二."""
    return "".join(unicodedata.normalize("NFKC", text).split()).replace("两", "二")
