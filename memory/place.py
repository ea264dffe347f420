"""Where a long-term memory is: a folder of this machine, or object storage that many machines share."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from runtime.blobs import digest

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class MemoryPlace:
    """The place of the tables, and a folder of this machine for its locks and the embeddings it has made."""

    tables: str
    """What LanceDB opens: a folder, or an address such as `s3://bucket/prefix`; credentials are the environment's."""
    folder: Path
    """The same folder; for an address, one beside the machine's temporary files, which may be deleted."""

    @classmethod
    def of(cls, where: Path | str) -> MemoryPlace:
        """The place that a path or an address names."""
        if isinstance(where, Path) or not _ADDRESS.match(where):
            return cls(str(where), Path(where))
        return cls(where, Path(tempfile.gettempdir()) / "repertory-memory" / digest(where.encode())[:16])
