"""Finds the piece of Python that a scenario names: a domain's class, an agent's class or function."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from runtime.errors import UsageError
from scenarios.flaws import nearest


def find_python(reference: str, folder: Path | None = None) -> Any:
    """What `module:name` names; `folder` is searched after the Python path.

    Raises:
        UsageError: there is no such module or name, or the module cannot be imported.
    """
    module_name, _, name = reference.partition(":")
    module = _imported(module_name, folder)
    if not hasattr(module, name):
        near = nearest(name, [known for known in vars(module) if not known.startswith("_")])
        hint = f"; did you mean {module_name}:{near[0]}?" if near else ""
        raise UsageError(f"found {reference!r}, expected a name of {module.__file__ or module_name}{hint}")
    return getattr(module, name)


def _imported(name: str, folder: Path | None) -> ModuleType:
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        searched = "the Python path" if folder is None else f"the Python path or {folder}"
        raise UsageError(f"found {name!r}, expected a module: there is no {error.name!r} in {searched}") from None
    except Exception as error:
        raise UsageError(f"found {name!r}, which cannot be imported: {type(error).__name__}: {error}") from error
