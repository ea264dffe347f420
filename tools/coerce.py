"""Converts values whose meaning is clear to the declared type: "5岁" → 5, "2026年12月5日" → 2026-12-05. Pure."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue

_NOTHING = {"", "null", "none", "nil", "n/a", "无", "不限", "没有", "任意", "any"}
_YES = dict.fromkeys(("true", "yes", "y", "1", "是", "要", "需要", "有"), True)
_NO = dict.fromkeys(("false", "no", "n", "0", "否", "不", "不要", "不需要", "没有"), False)
_BOOLS: dict[str, bool] = {**_YES, **_NO}
_NUMBER = re.compile(
    r"(?:约|大约|¥|￥|rmb|cny)?\s*(?P<sign>-?)(?P<digits>\d{1,3}(?:[,，]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s*(?P<wan>万?)\s*"
    r"(?:元|块钱|块|人民币|周岁|岁|个人|个|人|位|名|天|日|晚|家|分钟|公里|km|rmb|cny|yuan|years? old|years?|days?)?",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(\d{4})\s*[-年/.]\s*(\d{1,2})\s*[-月/.]\s*(\d{1,2})\s*[日号]?(?:[T\s]\s*00:00(?::00)?Z?|\s*[(（].{1,4}[)）])?"
)
_COMPACT_DATE = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
_SEPARATORS = re.compile(r"[,，、;；]|(?<=岁)和|\s和\s|\sand\s")
_DIGITS = {char: number for number, char in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10000}


def coerced(annotation: Any, value: JsonValue) -> JsonValue:
    """The value in the shape that the annotation asks for, where that is clear; otherwise the value as it is.

    Never raises, and leaves a value of the right type alone. Dates come back as ISO text.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return coerced(get_args(annotation)[0], value)
    if origin in (Union, types.UnionType):
        return _coerced_union(get_args(annotation), value)
    if origin is Literal:
        return _coerced_literal(get_args(annotation), value)
    if origin in (list, tuple, set, frozenset) or annotation in (list, tuple, set, frozenset):
        return _coerced_list(get_args(annotation), value)
    if isinstance(annotation, type):
        return _coerced_plain(annotation, value)
    return value


def means_nothing(value: JsonValue) -> bool:
    """Whether the text says that there is no value: "", "null", 不限 …"""
    return isinstance(value, str) and value.strip().casefold() in _NOTHING


def allows_none(annotation: Any) -> bool:
    """Whether None is a value of the type."""
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _coerced_union(arms: tuple[Any, ...], value: JsonValue) -> JsonValue:
    if type(None) in arms and means_nothing(value):
        return None
    results = [coerced(arm, value) for arm in arms if arm is not type(None)]
    changed = [result for result in results if not _same(result, value)]
    return changed[0] if len(changed) == 1 else value


def _coerced_literal(choices: tuple[Any, ...], value: JsonValue) -> JsonValue:
    wanted = str(value).strip().casefold()
    fitting = [choice for choice in choices if str(choice).casefold() == wanted]
    return fitting[0] if len(fitting) == 1 else value


def _coerced_list(arguments: tuple[Any, ...], value: JsonValue) -> JsonValue:
    if value is None:
        return value
    item_type = arguments[0] if arguments else Any
    items: list[JsonValue]
    if isinstance(value, list):
        items = value
    elif isinstance(value, str):
        items = _split(value)
    else:
        items = [value]
    return [coerced(item_type, item) for item in items]


def _split(text: str) -> list[JsonValue]:
    loaded = _loaded(text)
    if isinstance(loaded, list):
        return loaded
    if means_nothing(text):
        return []
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]


def _coerced_plain(annotation: type, value: JsonValue) -> JsonValue:
    if annotation is bool:
        return _as_bool(value)
    if annotation in (int, float):
        number = _as_number(value)
        return int(number) if annotation is int and isinstance(number, float) and number.is_integer() else number
    if annotation is date and isinstance(value, str | int):
        return _as_date(str(value)) or value
    if annotation is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if issubclass(annotation, BaseModel):
        return _coerced_model(annotation, value)
    if annotation is dict and isinstance(value, str):
        loaded = _loaded(value)
        return loaded if isinstance(loaded, dict) else value
    return value


def _coerced_model(model: type[BaseModel], value: JsonValue) -> JsonValue:
    found = _loaded(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        return value
    fields = model.model_fields
    return {name: coerced(fields[name].annotation, item) if name in fields else item for name, item in found.items()}


def _as_bool(value: JsonValue) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return value
    return _BOOLS.get(str(value).strip().casefold(), value)


def _as_number(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return value
    text = value.strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return _chinese_number(text.rstrip("岁元个人位名天块"), value)
    number = float(found["sign"] + re.sub("[,，]", "", found["digits"])) * (10_000 if found["wan"] else 1)
    return int(number) if number.is_integer() else number


def _chinese_number(text: str, otherwise: JsonValue) -> JsonValue:
    """The number that Chinese digits below 100,000 spell, e.g. 两千五百; `otherwise` when they spell none."""
    total, section, digit = 0, 0, 0
    if not text or any(char not in _DIGITS and char not in _UNITS for char in text):
        return otherwise
    for before, char in zip("零" + text, text, strict=False):
        if char in _DIGITS:
            if _DIGITS.get(before, 0) != 0:
                return otherwise
            digit = _DIGITS[char]
        elif char == "万":
            total, section, digit = (section + digit) * 10_000, 0, 0
        else:
            section, digit = section + (digit or 1) * _UNITS[char], 0
    return total + section + digit


def _as_date(text: str) -> str | None:
    found = _DATE.fullmatch(text.strip()) or _COMPACT_DATE.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    except ValueError:
        return None


def _loaded(text: JsonValue) -> JsonValue:
    try:
        loaded: JsonValue = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return loaded


def _same(left: JsonValue, right: JsonValue) -> bool:
    return type(left) is type(right) and left == right
