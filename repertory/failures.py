"""What a person is told when something went wrong, and with which exit code the command ends."""

from __future__ import annotations

import errno

from runtime.errors import RepertoryError

_SYSTEM = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EACCES: "permission denied; choose another place or change its permissions",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EADDRINUSE: "the port is in use; choose another or stop what uses it",
}


def explained(error: Exception) -> tuple[str, int]:
    """One message and the exit code."""
    if isinstance(error, RepertoryError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.errno is not None:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{_SYSTEM.get(error.errno, error.strerror or str(error))}", 1
    hint = "this is a fault of Repertory; REPERTORY_DEBUG=1 shows where"
    return f"unexpected {type(error).__name__}: {error}\n{hint}", 1
