"""Finds what `module:function` names, with a clear word when it does not."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from autogen_core.tools import Tool

from runtime.errors import UsageError
from tools.faults import nearest


def load_reference(reference: str, folder: Path | None = None) -> Any:
    """The function or tool that `module:function` names; `folder` is searched after the Python path.

    Raises:
        UsageError: the reference, the module or the function is not as it has to be.
    """
    module_name, separator, attribute = reference.partition(":")
    if not separator or not module_name or not attribute:
        raise UsageError(f"tool: found {reference!r}, expected module:function, for example mytools:price")
    module = _imported(module_name, reference, folder)
    found = getattr(module, attribute, None)
    if found is None:
        public = {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")}
        place = module.__file__ or module_name
        raise UsageError(f"tool {reference!r}: {place} has no {attribute!r}; expected {nearest(attribute, public)}")
    if not isinstance(found, Tool) and (inspect.isclass(found) or not callable(found)):
        raise UsageError(f"tool {reference!r}: found {type(found).__name__}, expected a function or a tool")
    return found


def _imported(module_name: str, reference: str, folder: Path | None) -> ModuleType:
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        searched = f"{folder} and the Python path" if folder is not None else "the Python path"
        raise UsageError(f"tool {reference!r}: no module {error.name!r} in {searched}") from None
    except Exception as error:
        raise UsageError(
            f"tool {reference!r}: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error
