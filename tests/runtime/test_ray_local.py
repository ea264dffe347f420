from __future__ import annotations

import importlib
import json
import os
import socket
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.errors import RepertoryError
from runtime.on_ray.ray_local import RayAddress, ensure_ray, find_ray, session_logs, stop_ray


@pytest.fixture(autouse=True)
def own_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):  # what a found head puts there goes again after the test
        monkeypatch.setenv(name, os.environ.get(name, ""))


@pytest.fixture
def listener() -> Generator[str]:
    """The address of something that answers on this machine and is no Ray."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def _write_state(home: Path, address: str, pid: int, created: float, root: str | None = None) -> None:
    (home / "ray").mkdir(parents=True)
    head = {"address": address, "pid": pid, "created": created, "temp_dir": str(home / "session")}
    if root is not None:
        head["root"] = root
    (home / "ray" / "head.json").write_text(json.dumps(head), encoding="utf-8")


def test_a_cluster_of_the_user_is_used_and_never_started_or_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray.example:6379")
    assert ensure_ray(tmp_path) == RayAddress("ray.example:6379", owned=False)
    assert find_ray(tmp_path) == RayAddress("ray.example:6379", owned=False)
    assert stop_ray(tmp_path) is False
    assert list(tmp_path.iterdir()) == []


def test_without_a_state_file_nothing_is_found_and_nothing_stopped(tmp_path: Path) -> None:
    assert find_ray(tmp_path) is None
    assert session_logs(tmp_path) is None
    assert stop_ray(tmp_path) is False


def test_a_head_is_found_again_by_its_process_and_port(tmp_path: Path, listener: str) -> None:
    _write_state(tmp_path, listener, os.getpid(), psutil.Process().create_time())
    assert find_ray(tmp_path) == RayAddress(listener, owned=True)
    assert session_logs(tmp_path) == tmp_path / "session" / "session_latest" / "logs"


@pytest.mark.parametrize(("root", "named"), [("/else/where", "/else/where"), (None, "an older version")])
def test_a_head_that_runs_other_code_is_refused_but_can_be_found_and_stopped(
    tmp_path: Path, listener: str, root: str | None, named: str
) -> None:
    _write_state(tmp_path, listener, os.getpid(), psutil.Process().create_time(), root)
    with pytest.raises(RepertoryError, match=rf"running the code in {named}, expected .*`repertory serve down`"):
        ensure_ray(tmp_path)
    assert find_ray(tmp_path) == RayAddress(listener, owned=True)


def test_a_process_that_was_given_the_heads_number_later_is_not_the_head(tmp_path: Path, listener: str) -> None:
    _write_state(tmp_path, listener, os.getpid(), psutil.Process().create_time() - 100)
    assert find_ray(tmp_path) is None
    assert stop_ray(tmp_path) is False


def test_a_head_whose_port_is_silent_is_not_running(tmp_path: Path) -> None:
    _write_state(tmp_path, "127.0.0.1:9", os.getpid(), psutil.Process().create_time())
    assert find_ray(tmp_path) is None


def test_a_torn_state_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "head.json").write_text('{"address": "127.0', encoding="utf-8")
    assert find_ray(tmp_path) is None


def test_the_token_can_be_read_by_this_user_only_and_stays_the_same(tmp_path: Path, listener: str) -> None:
    _write_state(tmp_path, listener, os.getpid(), psutil.Process().create_time())
    find_ray(tmp_path)
    token = tmp_path / "ray" / "token"
    first = token.read_text(encoding="ascii")
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(token)
    find_ray(tmp_path)
    assert token.read_text(encoding="ascii") == first


def test_a_process_that_has_met_another_head_shows_the_token_of_this_one(tmp_path: Path, listener: str) -> None:
    raylet: Any = importlib.import_module("ray._raylet")
    for home in (tmp_path / "one", tmp_path / "other"):
        _write_state(home, listener, os.getpid(), psutil.Process().create_time())
        find_ray(home)
        shown = raylet.AuthenticationTokenLoader.instance().get_token_for_http_header()
        assert (home / "ray" / "token").read_text(encoding="ascii") in str(shown)


def test_a_home_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RepertoryError, match=r"cannot make .* for Ray's state: Not a directory"):
        ensure_ray(tmp_path / "file")


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_a_head_starts_once_outlives_its_starter_and_stops_with_all_its_processes(tmp_path: Path) -> None:
    stages: list[str] = []
    address = ensure_ray(tmp_path, stages.append)
    try:
        state = json.loads((tmp_path / "ray" / "head.json").read_text(encoding="utf-8"))
        family = psutil.Process(state["pid"]).children(recursive=True)
        assert address.owned
        assert stages == ["starting Ray on this machine"]
        assert ensure_ray(tmp_path, stages.append) == address
        assert len(stages) == 1
        assert any("raylet" in process.name() for process in family)
    finally:
        assert stop_ray(tmp_path)
    assert find_ray(tmp_path) is None
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
