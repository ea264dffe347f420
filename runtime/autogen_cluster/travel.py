"""Whether a factory may leave its process: whether an agent made elsewhere would be the agent that was meant.

That it pickles is not enough. A copy of a list, a queue or an agent that the program holds as well is another one, and
nobody would say so. So a factory leaves only when all that it holds is constant: values, classes and functions, and
what these hold; Ray's pickling decides which of them travel by name and which by their code. What a
module keeps in its own variables, every process has for itself.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import logging
import pathlib
import re
import types
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from autogen_core import AgentId, AgentType, Component, ComponentModel, TopicId
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import FunctionTool
from pydantic import BaseModel

from runtime.autogen_cluster.errors import CannotTravel
from runtime.autogen_cluster.freight import cloudpickle, pack

_IN_GENERATED_INIT: type[object] = vars(dataclasses)["_HAS_DEFAULT_FACTORY"].__class__
CONSTANTS: tuple[type, ...] = (
    *(type(None), bool, int, float, complex, str, bytes, range, type(...), type(NotImplemented)),
    *(enum.Enum, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal, uuid.UUID),
    *(pathlib.PurePath, re.Pattern, logging.Logger, types.ModuleType, types.GenericAlias, types.UnionType),
    *(types.MethodDescriptorType, types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType),
    *(AgentId, AgentType, TopicId),
    _IN_GENERATED_INIT,
)
SCRIPTED = "ReplayChatCompletionClient"
"""The model client whose answers depend on who has asked before, so that a copy would answer otherwise."""

pickling: Any = cloudpickle.cloudpickle


def why_it_stays(factory: Any, expected: type | None = None) -> str | None:
    """What keeps a factory in its process, by name; None when it may leave.

    `expected` is the class that it was registered for, which travels along.
    """
    look = _Look()
    found = look.at(factory, "the factory") or look.at(expected, "the class")
    if found is not None:
        return found
    try:
        pack((factory, expected), "the factory")
    except CannotTravel as error:
        return str(error)
    return None


class _Look:
    """A walk over all that a value holds, which stops at the first thing that is not constant."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}
        """By id; kept alive, so that no id is given twice."""

    def at(self, value: Any, path: str) -> str | None:
        """What is found there, or None."""
        if isinstance(value, CONSTANTS) or id(value) in self._seen or _is_a_hint(value):
            return None
        self._seen[id(value)] = value
        parts = _parts(value, path)
        if parts is None:
            cls: type[Any] = value.__class__
            name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
            return f"{path} is a {name}, which this process may share with it"
        return next((found for part, where in parts if (found := self.at(part, where)) is not None), None)


def _is_a_hint(value: Any) -> bool:
    """Whether it is one of typing's own objects; a protocol is a class, whose class only is of typing."""
    return type(value).__module__ == "typing" and not isinstance(value, type)


Parts = Iterable[tuple[Any, str]]


def _parts(value: Any, path: str) -> Parts | None:
    """What a value holds, with where; None for one that is not constant."""
    match value:
        case tuple() | frozenset():
            return ((item, f"an item of {path}") for item in cast("tuple[Any, ...]", value))
        case type():
            return () if _is_known_everywhere(value) else _of_class(value)
        case types.FunctionType():
            return () if _is_known_everywhere(value) else _of_function(value, path)
        case functools.partial():
            return [(value.func, path), *_named(value.keywords, path), *((item, path) for item in value.args)]
        case staticmethod() | classmethod():
            return [(cast(Any, value).__func__, path)]
        case property():
            return [(part, path) for part in (value.fget, value.fset, value.fdel)]
        case types.MethodType() | types.BuiltinMethodType():
            return [(value.__self__, f"the owner of {path}"), (getattr(value, "__func__", None), path)]
        case _:
            return _of_object(value, path)


def _of_object(value: Any, path: str) -> Parts | None:
    if dataclasses.is_dataclass(value) and cast(Any, value).__dataclass_params__.frozen:
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return [(type(value), path), *_named(fields, path)]
    if isinstance(value, BaseModel):
        return [(type(value), path), *_data(dict(value), path)]
    if isinstance(value, FunctionTool):
        return [(cast(Any, value)._func, f"the function of {path}")]
    if isinstance(value, ChatCompletionClient) and _is_described(value):
        return [(type(value), path)]
    return None


def _is_described(client: ChatCompletionClient) -> bool:
    """Whether a client is no more than its configuration, so that a copy answers as it would."""
    is_scripted = any(cls.__name__ == SCRIPTED for cls in type(client).__mro__)
    if is_scripted or not isinstance(client, Component):
        return False
    try:
        return isinstance(cast(Any, client).dump_component(), ComponentModel)
    except Exception:
        return False


def _data(values: Mapping[str, Any], path: str) -> Iterator[tuple[Any, str]]:
    """The values of a model, which is a copy of data: lists and mappings in it are data too."""
    for part, where in _named(values, path):
        if isinstance(part, list | set):
            yield from ((item, where) for item in cast("list[Any]", part))
        elif isinstance(part, dict):
            yield from _data({str(key): item for key, item in cast("Mapping[object, Any]", part).items()}, where)
        else:
            yield part, where


def _is_known_everywhere(value: Any) -> bool:
    """Whether it travels by its name, which every process looks up for itself."""
    return bool(pickling._should_pickle_by_reference(value))


def _of_function(function: types.FunctionType, path: str) -> Parts:
    if getattr(
        function, "is_message_handler", False
    ):  # autogen-core's wrapper; what it holds itself are lists of types
        wrapped = cast(Any, function)
        return [(wrapped.__wrapped__, path), (wrapped.router, f"the router of {path}")]
    if function.__code__.co_filename == dataclasses.__file__:  # its wrapper of a __repr__, which holds a set of its own
        return [(cast(Any, function).__wrapped__, path)]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    held = {name: cell.cell_contents for name, cell in cells if cell != types.CellType()}
    used = {name: function.__globals__[name] for name in _globals(function) if name in function.__globals__}
    kept = {**held, **used, **(function.__kwdefaults__ or {}), **vars(function)}
    defaults = [(value, f"a default of {path}") for value in function.__defaults__ or ()]
    return [*((value, f"{name!r}, which {path} uses,") for name, value in kept.items()), *defaults]


def _globals(function: types.FunctionType) -> Iterable[str]:
    names: Mapping[str, None] = pickling._extract_code_globals(function.__code__)
    return names


def _of_class(cls: type) -> Parts:
    short = cls.__qualname__.rpartition("<locals>.")[2]
    for name, member in vars(cls).items():
        is_of_python = name.startswith("__") and not isinstance(member, types.FunctionType)
        is_of_autogen = name in ("internal_unbound_subscriptions_list", "internal_extra_handles_types")
        if not (is_of_python or is_of_autogen or name.startswith(("_abc_", "__pydantic", "model_"))):
            yield member, f"{short}.{name}"
    for base in cls.__bases__:
        yield base, base.__name__


def _named(values: Mapping[str, Any], path: str) -> Iterator[tuple[Any, str]]:
    for name, value in values.items():
        yield value, f"{name!r} of {path}"
