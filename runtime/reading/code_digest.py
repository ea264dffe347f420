"""A digest of the code that a run is performed by, so that a replay can say whether it has changed since.

It covers the sources and prompts of this project and of the scenario; installed libraries have
versions instead. It decides nothing: only the words of a divergence depend on it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from runtime.team import TeamSpec

PACKAGES = ("agents", "memory", "repertory", "runtime", "scenarios", "serving", "tools")
"""The folders of this project."""

SUFFIXES = (".py", ".md", ".html", ".j2", ".toml")
"""What of them decides how a run goes."""


def code_digest(spec: TeamSpec) -> str:
    """16 hexadecimal digits over all sources that a team may be made of.

    Those of this project, those beside the team's builder, and those in `config["folder"]`, where there is one.
    """
    folder, builder = spec.config.get("folder"), sys.modules.get(spec.builder.partition(":")[0])
    beside = getattr(builder, "__file__", None)
    return _digest(folder if isinstance(folder, str) else "", beside or "")


@lru_cache(maxsize=8)
def _digest(folder: str, builder: str) -> str:
    """The digest over the sources in a folder, and in that of the builder's file."""
    found = hashlib.blake2b(digest_size=8)
    for name, path in _sources((folder, str(Path(builder).parent) if builder else "")):
        found.update(name.encode() + b"\0" + hashlib.blake2b(path.read_bytes()).digest())
    return found.hexdigest()


def _sources(folders: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """The files with the names that they have on every machine."""
    root = Path(__file__).parents[2]
    for package in PACKAGES:
        yield from ((str(path.relative_to(root)), path) for path in _files(root / package, "**/*"))
    for folder in filter(None, folders):
        if not any(Path(folder).is_relative_to(root / package) for package in PACKAGES):
            yield from ((path.name, path) for path in _files(Path(folder), "*"))


def _files(folder: Path, pattern: str) -> list[Path]:
    found = folder.glob(pattern) if folder.is_dir() else ()
    return sorted(path for path in found if path.suffix in SUFFIXES and path.is_file())
