"""Which model answers, and what is told when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from repertory.model_choice import choose_model, known_name
from repertory.settings import Settings
from runtime.errors import RunError, UsageError
from scenarios.build import wants_model
from scenarios.load import LoadedScenario, load_scenario
from serving.source import open_model
from tests.repertory.endpoint import endpoint
from tests.repertory.small import write_scenario

KEY = "sk-verysecret"


def loaded(directory: Path, *sets: str) -> LoadedScenario:
    return load_scenario(write_scenario(directory), sets=sets)


def test_an_endpoint_is_asked_for_its_models() -> None:
    with endpoint(["small", "large"]) as url:
        assert known_name(url, "large", None) == "large"
        with pytest.raises(
            UsageError, match=r"found 'larg', expected a model of .* \(small, large\); did you mean large"
        ):
            known_name(url, "larg", None)
        with pytest.raises(UsageError, match=r"found 'default', expected a model of"):
            known_name(url, "default", None)


def test_the_only_model_of_an_endpoint_needs_no_name() -> None:
    with endpoint(["only"]) as url:
        assert known_name(url, "default", None) == "only"


def test_an_endpoint_that_lists_nothing_is_believed() -> None:
    with endpoint([], status=404) as url:
        assert known_name(url, "mine", None) == "mine"
        with pytest.raises(UsageError, match=r"expected the name that .* knows the model by"):
            known_name(url, "default", None)


def test_a_refused_key_and_a_broken_server_are_told_apart() -> None:
    with endpoint(["m"], key=KEY) as url:
        assert known_name(url, "m", KEY) == "m"
        with pytest.raises(UsageError, match="the key was refused; set REPERTORY_API_KEY"):
            known_name(url, "m", None)
    with endpoint(["m"], status=500) as url, pytest.raises(RunError, match="answers with 500"):
        known_name(url, "m", None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1", "http://[/v1"])
def test_an_endpoint_that_is_not_there_is_told_with_its_address(url: str) -> None:
    with pytest.raises(UsageError, match="cannot be reached") as caught:
        known_name(url, "m", None)
    assert url in str(caught.value)


def test_the_key_goes_with_the_choice_and_never_into_the_source(tmp_path: Path) -> None:
    with endpoint(["m"], key=KEY) as url:
        settings = Settings(home=tmp_path, api_key=KEY)
        choice = choose_model(loaded(tmp_path, "model.name=m", f"model.endpoint={url}"), settings)
    assert choice.secrets == {"api_key": KEY}
    assert KEY not in choice.source.model_dump_json()
    assert KEY not in repr(choice)


def test_files_of_answers_are_relative_to_whoever_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.json").write_text("[]")
    (tmp_path / "own").mkdir()
    settings = Settings(home=tmp_path)
    scenario = loaded(tmp_path / "own")
    assert choose_model(scenario, settings).source.file == str(tmp_path / "own" / "answers.json")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert choose_model(loaded(tmp_path / "own", "model.name=recorded:mine.json"), settings).source.kind == "recorded"


def test_no_model_is_served_where_no_agent_wants_one(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, "model.name=default")
    source = choose_model(scenario, Settings(home=tmp_path)).source
    assert source.kind == "none"
    with pytest.raises(UsageError, match="start the run again"):
        open_model(source, {})
    assert not wants_model(scenario.scenario, tmp_path)
    assert wants_model(loaded(tmp_path, "agents.planner.kind=tests.repertory.small:Judge").scenario, tmp_path)
    assert wants_model(loaded(tmp_path, "agents.planner.kind=executor").scenario, tmp_path)


def test_a_scenario_may_not_read_answers_from_outside_its_directory(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("[]")
    (tmp_path / "own").mkdir()
    file = write_scenario(tmp_path / "own")
    file.write_text(file.read_text().replace("answers.json", "../secret.json"))
    with pytest.raises(UsageError, match=r"small\.yaml:4: model\.name: found the path '\.\./secret\.json'"):
        choose_model(load_scenario(file), Settings(home=tmp_path))
