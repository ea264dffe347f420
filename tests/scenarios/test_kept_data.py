"""A run keeps its scenario's data, and a replay of it needs neither that nor models nor memories of the machine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from agents.planner import Planner
from runtime.errors import RunError, UsageError
from runtime.events import AgentName
from runtime.team import Resources, Team
from scenarios.build import build
from scenarios.kept_data import KeptData
from scenarios.load import load_scenario
from scenarios.team_config import TeamConfig
from scenarios.travel.domain import DATA
from serving.absent import AbsentModel
from serving.canned import Request
from serving.source import ModelSource

FILE = Path(__file__).parents[2] / "scenarios" / "travel" / "beijing_family.yaml"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the travel data, on a machine whose temporary files are the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return Path(shutil.copytree(DATA, tmp_path / "data"))


def config(data: Path, kept: KeptData | None) -> TeamConfig:
    scenario = load_scenario(FILE).scenario.model_copy(update={"data": str(data)})
    model = ModelSource(kind="scripted", name="scripted", file=str(data / "no such answers.json"))
    return TeamConfig(
        scenario=scenario, folder=str(FILE.parent), model=model, memory=str(data.parent / "memory"), kept_data=kept
    )


def replayed(made: TeamConfig) -> Team:
    return build(made.spec().config, Resources("run", engine="replay"))


async def test_a_replay_has_the_data_of_its_run_though_the_files_are_gone(data: Path) -> None:
    kept = KeptData.of(str(data))
    assert kept is not None and set(kept.files) == {"attractions.csv", "hotels.csv", "restaurants.csv"}
    team = replayed(config(data, kept))
    shutil.rmtree(data)
    hosted = await team.agents["planner"].factory(AgentName("planner"))
    assert isinstance(getattr(hosted, "agent", None), Planner)
    for kind in ("executor", "critic", "retriever"):
        await team.agents[kind].factory(AgentName(kind))
    assert not (data.parent / "memory").exists(), "no memory is opened"


def test_data_that_was_not_kept_and_is_not_here_is_named(data: Path) -> None:
    made = config(data, None)
    shutil.rmtree(data)
    with pytest.raises(UsageError, match=f"data: found no directory {data}.*put the files there"):
        replayed(made)


def test_what_is_restored_is_what_was_kept_and_made_once(data: Path) -> None:
    kept = KeptData.of(str(data))
    assert kept is not None
    restored = kept.restored()
    assert {path.name: path.read_bytes() for path in restored.iterdir()} == {
        path.name: path.read_bytes() for path in data.glob("*.csv")
    }
    (restored / "hotels.csv").write_text("tampered")
    assert kept.restored() == restored
    assert (restored / "hotels.csv").read_bytes() == (data / "hotels.csv").read_bytes()


@pytest.mark.parametrize("directory", [None, "/no/such/directory"])
def test_no_data_is_no_data(directory: str | None) -> None:
    assert KeptData.of(directory) is None


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    kept = KeptData(directory="d", files={"../escape.csv": "x"})
    with pytest.raises(UsageError, match="escape"):
        kept.restored()


def test_an_absent_model_is_never_asked() -> None:
    model = AbsentModel(ModelSource(kind="endpoint", name="qwen", context_length=4096))
    assert model.remaining_tokens([]) == 4096
    with pytest.raises(RunError, match="asked in a replay"):
        model.answer(Request([], [], {}))
