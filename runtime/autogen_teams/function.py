"""A function tool that travels as the name of its function, not as its source code."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Self, cast

from autogen_core import Component
from autogen_core.tools import FunctionTool
from pydantic import BaseModel

from runtime.errors import UsageError

PROVIDER = "runtime.autogen_teams.function.NamedFunctionTool"
"""How a component names this module's tool."""


class NamedFunctionToolConfig(BaseModel):
    """What such a tool is made of."""

    function: str
    """`module:function`."""
    name: str
    description: str
    strict: bool = False


class NamedFunctionTool(FunctionTool, Component[NamedFunctionToolConfig]):  # pyright: ignore[reportGeneralTypeIssues]  # a configuration of its own
    """AutoGen's `FunctionTool` around a function that a module has under its own name."""

    component_provider_override = PROVIDER
    component_config_schema = NamedFunctionToolConfig  # type: ignore[assignment]  # as above

    def _to_config(self) -> NamedFunctionToolConfig:  # type: ignore[override]  # as above
        reference = reference_of(self._func)
        assert reference is not None, "only a function with a reference is dumped in this way"
        return NamedFunctionToolConfig(
            function=reference, name=self.name, description=self.description, strict=self._strict
        )

    @classmethod
    def _from_config(cls, config: NamedFunctionToolConfig) -> Self:  # type: ignore[override]  # as above
        function = referenced(config.function)
        return cls(function, description=config.description, name=config.name, strict=config.strict)


def reference_of(function: Any) -> str | None:
    """`module:function`, where other processes can import it by that; None for closures, lambdas and scripts' own."""
    if isinstance(function, functools.partial):
        return None
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if module is None or module == "__main__" or "<" in name or "." in name:
        return None
    return f"{module}:{name}" if getattr(sys.modules.get(module), name, None) is function else None


def referenced(reference: str) -> Callable[..., Any]:
    """The function that `module:function` names.

    Raises:
        UsageError: when there is no such module or function.
    """
    module, _, name = reference.partition(":")
    try:
        return cast(Callable[..., Any], getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"the function {reference!r} cannot be imported here: {error}; PYTHONPATH says where your own modules are"
        ) from error


@contextmanager
def named(tools: Iterable[FunctionTool]) -> Generator[None]:
    """Inside of the block these tools are dumped as the names of their functions."""
    changed = [tool for tool in tools if type(tool) is FunctionTool]
    for tool in changed:
        tool.__class__ = NamedFunctionTool
    try:
        yield
    finally:
        for tool in changed:
            tool.__class__ = FunctionTool
