"""The data of a scenario as a run keeps it, so that a replay needs no file of the machine that made the run.

A domain's decisions depend on its data (which places there are): with other rows, or none, a replay would differ. The
texts go into the run's specification, and with it into the journal, which keeps equal texts once for all runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from runtime.blobs import digest
from runtime.codec import canonical
from runtime.errors import UsageError

MAX_BYTES = 4 * 1024 * 1024
"""Larger data is not kept; a replay then needs the directory itself."""

PATTERN = "*.csv"


class KeptData(BaseModel):
    """The files of one directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: str
    """Where they were read."""
    files: Mapping[str, str]
    """Their texts by name."""

    @classmethod
    def of(cls, directory: str | None) -> KeptData | None:
        """The data in a directory; None when there is none, it is too large, or it cannot be read as text."""
        if directory is None:
            return None
        paths = sorted(path for path in Path(directory).glob(PATTERN) if path.is_file())
        if not paths or sum(path.stat().st_size for path in paths) > MAX_BYTES:
            return None
        try:
            return cls(directory=directory, files={path.name: path.read_bytes().decode() for path in paths})
        except (OSError, UnicodeDecodeError):
            return None

    def restored(self) -> Path:
        """A directory with these very files, among the temporary ones of this machine; made once.

        Raises:
            UsageError: a file's name leads elsewhere: the journal was not written by this program.
        """
        if odd := [file for file in self.files if Path(file).name != file]:
            raise UsageError(f"kept data: found the file name {odd[0]!r}, expected one without directories")
        name = digest(canonical(dict(self.files)))
        target = Path(tempfile.gettempdir()) / f"repertory-data-{os.getuid()}" / name
        if not _holds(target, self.files):
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            for file, text in self.files.items():
                draft = target / f".{file}.{os.getpid()}"
                draft.write_text(text, encoding="utf-8", newline="")
                draft.replace(target / file)
        return target


def _holds(directory: Path, files: Mapping[str, str]) -> bool:
    try:
        return all((directory / name).read_bytes() == text.encode() for name, text in files.items())
    except OSError:
        return False
