"""What the environment says."""

from __future__ import annotations

from pathlib import Path

from repertory.settings import read_settings


def test_everything_lies_below_one_directory() -> None:
    settings = read_settings({"REPERTORY_HOME": "/somewhere"})
    assert (settings.models, settings.journal) == (Path("/somewhere/models"), Path("/somewhere/journal.db"))
    assert settings.memory == Path("/somewhere/memory")


def test_without_variables_it_is_the_home_directory() -> None:
    assert read_settings({"REPERTORY_HOME": ""}).home == Path.home() / ".repertory"


def test_the_key_is_taken_from_either_variable_and_never_shown() -> None:
    settings = read_settings({"OPENAI_API_KEY": "sk-1"})
    assert settings.secrets == {"api_key": "sk-1"}
    assert "sk-1" not in repr(settings)
    assert read_settings({"OPENAI_API_KEY": "sk-1", "REPERTORY_API_KEY": "sk-2"}).api_key == "sk-2"
    assert read_settings({}).secrets == {}
