"""Fetches upstream's tests and runs those that make a runtime on ours: `python -m tests.conformance.upstream`.

`--placement cluster` gives them hosts of a Ray head that is started for them.

They come from the source distributions on the package index, into the user's cache folder, and are never committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime.on_ray.ray_local import stop_ray

Placement = Literal["local", "cluster"]
PLACEMENT = "REPERTORY_CONFORMANCE"
"""The variable that tells `tests/conformance/substitute.py` which."""
PLACED = "agents on hosts"
COPIED = "agents looked at"
"""The properties of a test that say how many."""
TEST_LIMIT_S = 60

VERSION = "0.7.5"
PACKAGES = ("autogen-core", "autogen-agentchat")
FETCH_LIMIT_S = 180
HERE = Path(__file__).parent


class NotFetched(Exception):
    """The index did not answer with the source distribution; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Report:
    """How upstream's tests went."""

    passed: tuple[str, ...]
    failed: dict[str, str]
    """The tests that did not pass, with the first line of why."""
    skipped: tuple[str, ...]
    on_hosts: frozenset[str] = frozenset()
    """The tests of which at least one agent lived on a host."""
    reading: frozenset[str] = frozenset()
    """Those of them that read an agent's object, and were given a copy (`tests/conformance/observed.py`)."""

    def __str__(self) -> str:
        total = len(self.passed) + len(self.failed)
        lines = [f"{len(self.passed)} of {total} passed, {len(self.skipped)} skipped by themselves"]
        if self.on_hosts:
            passed = self.on_hosts.intersection(self.passed)
            copied = len(self.reading & passed)
            lines += [f"  {len(passed)} of these had agents on hosts; {copied} of these looked at copies of them"]
        for name, why in self.failed.items():
            lines.append(f"  {name}{' (looks at a copy)' if name in self.reading else ''}: {why}")
        return "\n".join(lines)


def cache_folder() -> Path:
    """Where fetched tests lie."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repertory" / "upstream"


def fetch(package: str) -> Path:
    """The folder of a package's tests, fetched if it is not there.

    Raises:
        NotFetched: when the index does not answer.
    """
    cache = cache_folder()
    stem = f"{package.replace('-', '_')}-{VERSION}"
    tests = cache / stem / "tests"
    if not tests.is_dir():
        archive = cache / f"{stem}.tar.gz"
        if not archive.is_file():
            _download(package, cache)
        with tarfile.open(archive) as opened:
            opened.extractall(cache, filter="data")
    return tests


def _download(package: str, cache: Path) -> None:
    options = ["--no-deps", "--no-binary", package, "--retries", "1", "--dest", str(cache)]
    command = [sys.executable, "-m", "pip", "download", *options, f"{package}=={VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotFetched(f"the index did not send {package} {VERSION} within {FETCH_LIMIT_S} s") from error
    if done.returncode:
        raise NotFetched(f"the index did not send {package} {VERSION}: {done.stderr.strip().splitlines()[-1:]}")


def files_with_a_runtime(tests: Path) -> list[Path]:
    """The test files that make a runtime."""
    return [path for path in sorted(tests.glob("test_*.py")) if "SingleThreadedAgentRuntime" in path.read_text()]


def run(package: str, work: Path, placement: Placement = "local") -> Report:
    """Runs a package's tests on `RayAgentRuntime`, with `work` for what they write and for Ray's state.

    Raises:
        NotFetched: when they cannot be had.
    """
    tests = fetch(package)
    results = work / f"{package}-{placement}.xml"
    path = os.pathsep.join(str(folder) for folder in (HERE.parent.parent, HERE / "stand_ins", tests))
    environment = {**os.environ, "PYTHONPATH": path, PLACEMENT: placement, "REPERTORY_HOME": str(work)}
    environment.pop("RAY_ADDRESS", None)
    options = ["-p", "tests.conformance.substitute", "-p", "no:cacheprovider", "-c", os.devnull]
    options += ["--rootdir", str(tests), "-o", "anyio_mode=auto", "--timeout", str(TEST_LIMIT_S), "-q"]
    options += ["--import-mode=importlib", "-o", "junit_family=xunit1", f"--junitxml={results}"]
    command = [sys.executable, "-m", "pytest", *options, *map(str, files_with_a_runtime(tests))]
    try:
        subprocess.run(command, cwd=work, env=environment, stdout=sys.stderr, check=False)
    finally:
        stop_ray(work)
    return _read(results)


def _read(results: Path) -> Report:
    passed: list[str] = []
    skipped: list[str] = []
    failed: dict[str, str] = {}
    having: dict[str, set[str]] = {PLACED: set(), COPIED: set()}
    for case in ET.parse(results).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        fault = next((child for child in case if child.tag in ("failure", "error")), None)
        for found in case.iter("property"):
            if found.get("value") != "0":
                having[str(found.get("name"))].add(name)
        if fault is not None:
            failed[name] = (fault.get("message") or "").splitlines()[0]
        elif case.find("skipped") is not None:
            skipped.append(name)
        else:
            passed.append(name)
    return Report(tuple(passed), failed, tuple(skipped), frozenset(having[PLACED]), frozenset(having[COPIED]))


def main() -> None:
    """Prints the figures of each package."""
    import tempfile

    placement: Placement = "cluster" if "cluster" in sys.argv else "local"
    packages = [package for package in PACKAGES if package in sys.argv] or PACKAGES
    for package in packages:
        with tempfile.TemporaryDirectory() as work:
            print(f"{package} {VERSION}, placement {placement}: {run(package, Path(work), placement)}")


if __name__ == "__main__":
    main()
