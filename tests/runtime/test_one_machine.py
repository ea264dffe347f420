"""A second machine does not get at a SQLite journal, and is told what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import UsageError
from runtime.journals.one_machine import check_machine, shared_file_system, this_machine
from runtime.journals.sql_journal import SqliteJournal

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
35 22 0:31 / /home rw,relatime shared:2 - nfs4 server:/home rw
36 35 8:2 / /home/local\\040disk rw - xfs /dev/sdb rw
37 22 0:40 / /mnt/sync rw - fuse.sshfs ann@server: rw
38 22 0:41 / /tmp rw master:1 - tmpfs tmpfs rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """A table of mounts in which the test's own directory is shared as well."""
    table = tmp_path / "mountinfo"
    table.write_text(f"{MOUNTINFO}39 22 0:42 / {tmp_path.resolve()}/shared rw - nfs server:/x rw\n")
    (tmp_path / "shared").mkdir()
    return table


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/journal.db", ""),
        ("/home/ann/journal.db", "nfs4"),
        ("/home/local disk/journal.db", ""),
        ("/homes/journal.db", ""),
        ("/mnt/sync/journal.db", "fuse.sshfs"),
        ("/tmp/journal.db", ""),
    ],
)
def test_file_systems_that_others_share_are_known(path: str, kind: str, mounts: Path) -> None:
    assert shared_file_system(Path(path), mounts) == kind


def test_where_there_is_no_table_of_mounts_nothing_is_refused(tmp_path: Path) -> None:
    assert shared_file_system(tmp_path, tmp_path / "absent") == ""


def test_on_a_disk_of_its_own_nothing_is_written_or_asked(tmp_path: Path, mounts: Path) -> None:
    path = tmp_path / "journal.db"
    check_machine(path, makes=True, mounts=mounts, machine="one")
    path.touch()
    check_machine(path, makes=True, mounts=mounts, machine="two")
    assert not path.with_name("journal.db.machine").exists()


def test_on_a_shared_file_system_the_first_machine_stays_the_only_one(tmp_path: Path, mounts: Path) -> None:
    path = tmp_path / "shared" / "journal.db"
    check_machine(path, makes=True, mounts=mounts, machine="one")
    path.touch()
    check_machine(path, makes=True, mounts=mounts, machine="one")
    for makes in (True, False):
        with pytest.raises(UsageError, match=r"is that of machine one, this is two: SQLite serves one machine only"):
            check_machine(path, makes=makes, mounts=mounts, machine="two")
    path.with_name("journal.db.machine").write_text("two")
    check_machine(path, makes=True, mounts=mounts, machine="two")


def test_a_journal_that_another_machine_made_on_its_own_disk_is_refused_through_the_network(
    tmp_path: Path, mounts: Path
) -> None:
    path = tmp_path / "shared" / "journal.db"
    path.touch()
    with pytest.raises(UsageError, match=r"shared file system \(nfs\) without a machine's name"):
        check_machine(path, makes=True, mounts=mounts, machine="two")


async def test_a_journal_with_another_machines_name_beside_it_is_neither_read_nor_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    await journal.claim("r")
    await journal.close()
    record = path.with_name("journal.db.machine")
    record.write_text("elsewhere 0123abcd")
    journal = SqliteJournal(path)
    for work in (journal.claim("r"), journal.events("r"), journal.runs()):
        with pytest.raises(UsageError, match=r"elsewhere 0123abcd.*REPERTORY_JOURNAL=postgresql"):
            await work
    record.write_text(this_machine())
    assert await journal.claim("r") == 2
    await journal.close()
