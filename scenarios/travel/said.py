"""Whether a person's words contain what a model has read in them: nothing unsaid becomes part of a task."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from tools.travel.catalogue import Catalogue

_DIGITS = "零一二三四五六七八九"
_UNITS = ((10_000, "万"), (1_000, "千"), (100, "百"), (10, "十"))
_CHILD = re.compile(r"孩|儿子|女儿|娃|宝宝|小朋友|儿童")
_N = r"([一两二三四五六七八九]|二?十[一二三四五六七八九]?|\d{1,2})"
_HEADS = re.compile(rf"一家{_N}口|(?<![一每]){_N}个?(?:人|位)(?!均)")
_ADULTS = re.compile(rf"{_N}个?(?:大人|成人|成年人|大)(?:{_N}个?小)?")


def is_said(text: str, request: str) -> bool:
    """Whether the request contains the text, whatever its spaces and width."""
    return bool(_plain(text)) and _plain(text) in _plain(request)


def is_number_said(number: int, request: str) -> bool:
    """Whether the request contains the number, in figures or in Chinese numerals."""
    plain = _plain(request).replace(",", "").replace("两", "二")
    figures = {int(found) for found in re.findall(r"\d+", plain)}
    tens = {int(float(found) * unit) for found, unit in _mixed(plain)}
    return number in figures | tens or numeral(number) in plain or numeral(number).removeprefix("一") in plain


def is_length_said(days: int, request: str) -> bool:
    """Whether the request contains so many days: 3天, 三日游; or the bare number as an answer of its own."""
    words = {str(days), numeral(days), numeral(days).removeprefix("一"), numeral(days).replace("二", "两")} - {""}
    number = rf"(?<![\d月])(?:{'|'.join(sorted(words))})"
    return any(re.search(rf"{number}(?:个?[天日晚夜]|$)", _plain(line)) for line in request.splitlines())


def is_age_said(age: int, request: str) -> bool:
    """Whether the request contains the age: 5岁, 3、5岁, 五周岁; or the bare number as an answer of its own."""
    words = {str(age), numeral(age), numeral(age).removeprefix("一"), numeral(age).replace("二", "两")} - {""}
    listed = rf"(?<!\d)(?:{'|'.join(sorted(words))})(?:岁?[、,，和与及]\d+)*"
    return any(re.search(rf"{listed}(?:周?岁|$)", _plain(line)) for line in request.splitlines())


def numeral(number: int) -> str:
    """The Chinese numeral of a whole number below 100,000,000: 5000 is 五千, 12 is 一十二."""
    if number < 10:
        return _DIGITS[number]
    unit, name = next((unit, name) for unit, name in _UNITS if number >= unit)
    rest = number % unit
    gap = "零" if 0 < rest < unit // 10 else ""
    return numeral(number // unit) + name + (gap + numeral(rest) if rest else "")


def counted(request: str, children: int) -> int | None:
    """How many people the request counts: 一家三口, 3个人, 两大一小, 两个大人 (and children); None: it does not."""
    plain = _plain(request)
    if found := _ADULTS.search(plain):
        return _count(found[1]) + (_count(found[2]) if found[2] else children)
    found = _HEADS.search(plain)
    return _count(found[1] or found[2]) if found else None


def _count(word: str) -> int:
    word = word.replace("两", "二")
    return int(word) if word.isdigit() else next(count for count in range(1, 100) if _same(numeral(count), word))


def _same(one: str, other: str) -> bool:
    return other in (one, one.removeprefix("一"))


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


def _mixed(text: str) -> Sequence[tuple[str, int]]:
    """Figures with a Chinese unit: 1.2万, 5千."""
    units = {name: unit for unit, name in _UNITS}
    return [(figures, units[name]) for figures, name in re.findall(r"(\d+(?:\.\d+)?)([万千百])", text)]


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())
