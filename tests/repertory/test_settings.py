"""What the environment says."""

from __future__ import annotations

from pathlib import Path

from repertory.settings import read_settings


def test_everything_lies_below_one_directory() -> None:
    settings = read_settings({"REPERTORY_HOME": "/somewhere"})
    assert (settings.models, settings.journal.path) == (Path("/somewhere/models"), Path("/somewhere/journal.db"))
    assert settings.memory == "/somewhere/memory"


def test_without_variables_it_is_the_home_directory() -> None:
    assert read_settings({"REPERTORY_HOME": ""}).home == Path.home() / ".repertory"


def test_the_key_is_taken_from_either_variable_and_never_shown() -> None:
    settings = read_settings({"OPENAI_API_KEY": "sk-1"})
    assert settings.secrets == {"api_key": "sk-1"}
    assert "sk-1" not in repr(settings)
    assert read_settings({"OPENAI_API_KEY": "sk-1", "REPERTORY_API_KEY": "sk-2"}).api_key == "sk-2"
    assert read_settings({}).secrets == {}


def test_the_journal_may_be_elsewhere_and_its_password_is_never_shown() -> None:
    given = {"REPERTORY_JOURNAL": "postgresql://ann:geheim@db/runs", "OPENAI_API_KEY": "sk-1"}
    settings = read_settings(given)
    assert (str(settings.journal), settings.journal.url) == ("postgresql://ann@db/runs", given["REPERTORY_JOURNAL"])
    assert "geheim" not in repr(settings)
    assert "geheim" in settings.hidden
    assert settings.secrets == {"api_key": "sk-1"}, "agents get theirs only"
    apart = read_settings({"REPERTORY_JOURNAL": "postgresql://ann@db/runs", "PGPASSWORD": "geheim"})
    assert "password=geheim" in apart.journal.url
    assert "geheim" not in repr(apart)
    assert read_settings({"REPERTORY_JOURNAL": "/elsewhere.db"}).journal.path == Path("/elsewhere.db")
