"""Writes the results of a run into a directory: every file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from runtime.errors import UsageError


def prepare(directory: Path, option: str = "--out") -> None:
    """Make sure that results can be written, before anything is spent on them; `option` says who named the directory.

    Raises:
        UsageError: the place is a file, or may not be written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{option} {directory}: found a file on the way, expected a directory or nothing") from None
    except OSError as error:
        raise UsageError(f"{option} {directory}: cannot be written to ({error.strerror}); choose another") from None


def write_all(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files of text, UTF-8, into a directory, and return their paths.

    All are written beside their places first and renamed afterwards, so that a full disk or a stopped process leaves
    what was there before.

    Raises:
        UsageError: a name is no plain file name.
        OSError: they cannot be written; no file of the directory has changed, unless renaming itself failed.
    """
    if odd := [name for name in files if Path(name).name != name]:
        raise UsageError(f"results: found the file name {odd[0]!r}, expected one without directories")
    directory.mkdir(parents=True, exist_ok=True)
    drafts: dict[Path, Path] = {}
    try:
        for name, text in files.items():
            drafts[directory / name] = _draft(directory, name, text)
        for place, draft in drafts.items():
            draft.replace(place)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    return list(drafts)


def write_bytes(place: Path, data: bytes) -> None:
    """Write a file whole or not at all; what was there before is replaced.

    Raises:
        OSError: it cannot be written; nothing has changed.
    """
    _draft(place.parent, place.name, data).replace(place)


def _draft(directory: Path, name: str, content: str | bytes) -> Path:
    """A durable file beside the final one; nothing is left of it when writing fails."""
    number, draft = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
    path = Path(draft)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
        path.chmod(0o644)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path
