"""The tools of a scenario by name; hands out what agents get: each tool with its fallbacks behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from autogen_core.tools import Tool

from runtime.errors import UsageError
from runtime.events import EffectClass
from tools.chain import ToolChain
from tools.execute import Surroundings
from tools.faults import nearest
from tools.load import load_reference
from tools.tool import SingleTool, adopted, tool

Wrap = Callable[[Tool], Tool]
"""Puts something around a single tool: the runtime's journal. The result must return what the tool returns."""


class ToolRegistry:
    """Tools by name, in the order in which they were added."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, SingleTool] = {}
        for each in tools:
            self.add(each)

    def add(self, added: Tool) -> SingleTool:
        """Adds a tool; one of autogen-core's own is adopted (its effect class is then irreversible).

        Raises:
            UsageError: there is a tool of this name already.
        """
        if added.name in self._tools:
            raise UsageError(f"tool {added.name!r} is there twice; give one of them another name")
        self._tools[added.name] = adopted(added)
        return self._tools[added.name]

    def load(self, reference: str, *, folder: Path | None = None, effect: EffectClass | None = None) -> SingleTool:
        """Adds the function or tool that `module:function` names; `folder` is searched beside the Python path.

        Raises:
            UsageError: the reference, the module, the function or its types are not as they have to be.
        """
        found = load_reference(reference, folder)
        made = adopted(found) if isinstance(found, Tool) else tool(found)
        return self.add(made if effect is None else made.changed(effect=effect))

    def get(self, name: str) -> SingleTool:
        """The tool of this name, without its fallbacks.

        Raises:
            UsageError: there is none; the nearest names are offered.
        """
        if name not in self._tools:
            raise UsageError(f"tool: found {name!r}, expected {nearest(name, self._tools)}")
        return self._tools[name]

    def names(self) -> list[str]:
        """The names in the order in which the tools were added."""
        return list(self._tools)

    def check(self) -> None:
        """Returns when every fallback and undoing tool exists and no chain of fallbacks comes back to its start.

        Raises:
            UsageError: names the unknown tool or the cycle.
        """
        for name, single in self._tools.items():
            self._chain(name)
            if single.spec.undo is not None:
                self.undo_parameter(name)

    def undo_parameter(self, name: str) -> str:
        """The parameter of the undoing tool that takes the key of the call to undo.

        Raises:
            UsageError: the undoing tool is unknown or takes something else, or the tool is not compensable.
        """
        spec = self._tools[name].spec
        if spec.effect != "compensable":
            raise UsageError(f"tool {name!r}: undo: found effect {spec.effect!r}, expected compensable")
        if spec.undo not in self._tools:
            known = nearest(spec.undo or "", self._tools)
            raise UsageError(f"tool {name!r}: undo: found {spec.undo!r}, expected {known}; list it among the tools")
        fields = self._tools[spec.undo].spec.args_type.model_fields
        required = [field for field, info in fields.items() if info.is_required()]
        if len(required) != 1 or fields[required[0]].annotation is not str:
            raise UsageError(
                f"tool {spec.undo!r} undoes {name!r}: expected one required parameter, a str, for the step"
            )
        return required[0]

    def wrapped(self, wrap: Wrap = lambda single: single, around: Surroundings | None = None) -> list[Tool]:
        """The tools for agents: each asks its single tool, then its fallbacks, each one through `wrap`.

        `around` holds the run's fault rules. What `wrap` returned for a tool is shared by all that fall back on it.

        Raises:
            UsageError: a fallback is unknown or in a cycle, or a fault rule names something unknown.
        """
        around = around or Surroundings()
        specs = {name: single.spec for name, single in self._tools.items()}
        around = Surroundings(around.faults.resolved(specs), around.sleep)
        wraps = {name: wrap(single.within(around)) for name, single in self._tools.items()}
        return [self._public(name, wraps) for name in self._tools]

    def _public(self, name: str, wraps: Mapping[str, Tool]) -> Tool:
        chain = self._chain(name)
        return ToolChain([self._tools[each] for each in chain], [wraps[each] for each in chain])

    def _chain(self, name: str) -> list[str]:
        """The tool and its fallbacks in order."""
        chain = [name]
        while (fallback := self._tools[chain[-1]].spec.fallback) is not None:
            if fallback.tool not in self._tools:
                known = nearest(fallback.tool, self._tools)
                raise UsageError(f"tool {chain[-1]!r}: fallback: found {fallback.tool!r}, expected {known}")
            if fallback.tool in chain:
                cycle = " → ".join([*chain[chain.index(fallback.tool) :], fallback.tool])
                raise UsageError(f"tools fall back on each other in a cycle: {cycle}; remove one of these fallbacks")
            chain.append(fallback.tool)
        return chain
