"""A Ray head on this machine: started once as a daemon, found again by the next command, stopped by its own process.

Engines and the model server call `ensure_ray`. A cluster of the user's (RAY_ADDRESS, or an address from the scenario)
is used as it is and never started or stopped from here. Nothing in this file imports ray: finding a running head again
costs milliseconds. One process, `ray start --head --block`, owns all others of the head; ending it ends them, and no
other cluster on the machine is touched.

Ray listens on every interface of a machine, whatever address it is given, and runs what it is sent. So the head takes
nothing without a token, which only this user can read; `ensure_ray` and `find_ray` put it into the environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from runtime import clock
from runtime.errors import RepertoryError

LOGICAL_CPUS = 16
"""What the head says it has: slots for sequencers, hosts, the model server and its workers, which mostly wait."""
OBJECT_STORE_BYTES = 512 * 1024 * 1024
"""Shared memory for the objects of runs; Ray takes it as it is used."""
START_LIMIT_S = 90.0
STOP_LIMIT_S = 10.0

_LOOPBACK = "127.0.0.1"
_ROOT = Path(__file__).resolve().parents[2]
_QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


@dataclass(frozen=True)
class RayAddress:
    """Where a Ray cluster answers."""

    address: str
    """What `ray.init(address=…)` takes."""
    owned: bool
    """Whether this project started it on this machine; a user's cluster is not ours to stop."""


@dataclass(frozen=True)
class _Head:
    """What the state file says of the head that was started."""

    address: str
    pid: int
    """Of `ray start --block`, which owns the head's processes."""
    created: float
    """When that process began, by the system: a pid alone may have been given to another since."""
    temp_dir: str
    root: str = ""
    """The folder of the code that its workers import; two checkouts can share a home, but not a head."""


def ensure_ray(home: Path, progress: Callable[[str], None] | None = None) -> RayAddress:
    """A running Ray: the user's where RAY_ADDRESS names one, else this machine's own head, started when it is not up.

    Calls from several processes at once start one head. The head stays up after this process ends.

    Raises:
        RepertoryError: the head did not come up (the message holds the end of its log), or the one that runs imports
            the code of another checkout.
    """
    if foreign := os.environ.get("RAY_ADDRESS"):
        return RayAddress(foreign, owned=False)
    folder = _folder(home)
    _carry_token(folder)
    head = _running(folder)
    if head is None:
        with _exclusive(folder):
            head = _running(folder) or _start(folder, progress)
    _refuse_other_code(head)
    return RayAddress(head.address, owned=True)


def _refuse_other_code(head: _Head) -> None:
    if head.root != str(_ROOT):
        raise RepertoryError(
            f"found the Ray head of this home (process {head.pid}) running the code in "
            f"{head.root or 'an older version'}, expected {_ROOT}; stop it with `repertory serve down`, "
            "or give this checkout a home of its own by REPERTORY_HOME"
        )


def find_ray(home: Path) -> RayAddress | None:
    """The Ray that `ensure_ray` would return, or None when it would have to start one."""
    if foreign := os.environ.get("RAY_ADDRESS"):
        return RayAddress(foreign, owned=False)
    head = _running(home / "ray")
    if head is None:
        return None
    _carry_token(home / "ray")
    return RayAddress(head.address, owned=True)


def stop_ray(home: Path) -> bool:
    """Stop the head that `ensure_ray` started for this home, with all its processes; whether there was one.

    A cluster named by RAY_ADDRESS, or started by anyone else, is left alone.
    """
    folder = home / "ray"
    head = _running(folder)
    if head is not None:
        _end(psutil.Process(head.pid))
    (folder / "head.json").unlink(missing_ok=True)
    return head is not None


def session_logs(home: Path) -> Path | None:
    """Where the running head of this home writes the logs of its workers; None when none runs or it is not ours."""
    head = _running(home / "ray")
    return None if head is None else Path(head.temp_dir) / "session_latest" / "logs"


def free_port() -> int:
    """A TCP port on the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _folder(home: Path) -> Path:
    folder = home / "ray"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RepertoryError(f"cannot make {folder} for Ray's state: {error.strerror}") from error
    return folder


def _carry_token(folder: Path) -> None:
    """Make this process, and those that it starts, show the head's token; the token is made where there is none."""
    path = folder / "token"
    if not path.exists():
        draft = folder / f"token.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)  # whole at once, and the first of several processes wins
        draft.unlink()
    if os.environ.get("RAY_AUTH_TOKEN_PATH") != str(path):
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(path))
        if (raylet := sys.modules.get("ray._raylet")) is not None:
            raylet.Config.initialize("")  # Ray reads the mode once, when it is imported; its own start does the same
            raylet.AuthenticationTokenLoader.instance().reset_cache()  # and keeps the first token that it has read


@contextlib.contextmanager
def _exclusive(folder: Path) -> Generator[None]:
    with (folder / "head.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _running(folder: Path) -> _Head | None:
    """The head of the state file, if its process is still the same one and its port answers."""
    try:
        head = _Head(**json.loads((folder / "head.json").read_text(encoding="utf-8")))
        same = abs(psutil.Process(head.pid).create_time() - head.created) < 1.0
    except (OSError, ValueError, TypeError, psutil.Error):
        return None
    return head if same and _answers(head.address) else None


def _answers(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=1.0):
            return True
    except OSError:
        return False


def _start(folder: Path, progress: Callable[[str], None] | None) -> _Head:
    if progress:
        progress("starting Ray on this machine")
    address = f"{_LOOPBACK}:{free_port()}"
    temp_dir = _temp_dir(folder)
    log = folder / "head.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(address, temp_dir),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
            env=_environment(),
        )
    _await_start(process, log)
    head = _Head(address, process.pid, psutil.Process(process.pid).create_time(), str(temp_dir), str(_ROOT))
    _write_atomically(folder / "head.json", json.dumps(asdict(head)))
    process.returncode = 0  # it outlives this process on purpose: no warning that it still runs
    return head


def _temp_dir(folder: Path) -> Path:
    """A short path of its own: the socket paths below it must stay under the 107 bytes that the system allows."""
    name = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=4).hexdigest()
    return Path(tempfile.gettempdir()) / f"rep-ray-{os.getuid()}-{name}"


def _command(address: str, temp_dir: Path) -> list[str]:
    port = address.rsplit(":", 1)[1]
    return [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        f"--node-ip-address={_LOOPBACK}",
        f"--port={port}",
        f"--num-cpus={LOGICAL_CPUS}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        f"--temp-dir={temp_dir}",
        f"--ray-client-server-port={free_port()}",
        f"--dashboard-agent-listen-port={free_port()}",
        "--include-dashboard=false",
        "--include-log-monitor=false",
        "--no-monitor",
        "--disable-usage-stats",
    ]


def _environment() -> dict[str, str]:
    """This process's environment, in which workers find the project's packages from any directory.

    The journal's password is left out: workers run tools, and the sequencer gets it from the driver.
    """
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    inherited = {name: value for name, value in os.environ.items() if name not in ("REPERTORY_JOURNAL", "PGPASSWORD")}
    return {**inherited, **_QUIET_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)}


def _await_start(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = clock.monotonic() + START_LIMIT_S
    while "Ray runtime started" not in (text := log.read_text(errors="replace")):
        if process.poll() is not None:
            raise RepertoryError(f"Ray did not start (exit code {process.returncode}):\n{_last_lines(text)}")
        if clock.monotonic() > deadline:
            _end(psutil.Process(process.pid))
            raise RepertoryError(
                f"Ray did not start within {START_LIMIT_S:.0f} s; its log {log} ends:\n{_last_lines(text)}"
            )
        time.sleep(0.1)


def _last_lines(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-12:])


def _write_atomically(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _end(owner: psutil.Process) -> None:
    """Ask the owner, which ends what it started; end by force what is left."""
    family = [owner, *owner.children(recursive=True)]
    _signal(owner, signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=STOP_LIMIT_S)
    for process in left:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=STOP_LIMIT_S)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
