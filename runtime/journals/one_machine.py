"""Keeps a SQLite journal to one machine.

SQLite's processes meet in memory that one machine shares, so two machines that open the same file through a network
file system would each believe to be alone and damage it. A file on a disk of this machine cannot be seen by another
and needs nothing. On a file system that others may share, the machine that makes the journal puts its name beside it
(`journal.db.machine`), and every other one is refused. Only `runtime/journals/sqlite_file.py` calls this.
"""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from runtime.errors import UsageError

MOUNTS = Path("/proc/self/mountinfo")
_SHARED = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|afs|ceph|lustre|gpfs|glusterfs|beegfs|pvfs2|orangefs|ocfs2|gfs2|ncpfs|9p|virtiofs|vboxsf"
    r"|vmhgfs|prl_fs|fuse\..*"
)
"""File systems that another machine may see as well."""


def check_machine(path: Path, *, makes: bool, mounts: Path = MOUNTS, machine: str = "") -> None:
    """Refuses a journal of another machine; where `makes` is set and there is none yet, it becomes this machine's.

    `mounts` and `machine` are for tests.

    Raises:
        UsageError: the journal is another machine's, or nobody knows whose.
        OSError: the record of the machine cannot be read or written.
    """
    machine = machine or this_machine()
    record = path.with_name(f"{path.name}.machine")
    kind = shared_file_system(path, mounts)
    if kind and makes and not path.exists():
        with suppress(FileExistsError), record.open("x", encoding="utf-8") as made:
            made.write(machine)
    owner = record.read_text(encoding="utf-8").strip() if record.exists() else ""
    if owner == machine or not (owner or (kind and path.exists())):
        return
    found = (
        f"is that of machine {owner}" if owner else f"lies on a shared file system ({kind}) without a machine's name"
    )
    raise UsageError(
        f"journal {path} {found}, this is {machine}: SQLite serves one machine only, and a second one would damage the "
        "file. Use PostgreSQL for several (REPERTORY_JOURNAL=postgresql://USER@HOST/DATABASE), or a directory of this "
        f"machine (REPERTORY_HOME). If no other machine uses this journal any more, write {machine!r} into {record}"
    )


@cache
def this_machine() -> str:
    """A name for this machine that stays the same when it starts again: its host name and id."""
    with suppress(OSError):
        return f"{platform.node()} {Path('/etc/machine-id').read_text(encoding='ascii').strip()[:8]}".strip()
    return platform.node()


def shared_file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system that a path lies on, if other machines may share it; else nothing."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux
        return ""
    place, kind = path.absolute().resolve(), ""
    longest = -1
    for line in lines:
        left, _, right = line.partition(" - ")
        mounted = Path(left.split()[4].encode().decode("unicode_escape"))
        if place.is_relative_to(mounted) and len(mounted.parts) >= longest:
            longest, kind = len(mounted.parts), right.split()[0]
    return kind if _SHARED.fullmatch(kind) else ""
