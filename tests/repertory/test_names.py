"""Our packages stand at the top level of an environment of their own; whatever else is there has its reason."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

NAMES = {"repertory", "scenarios", "agents", "tools", "memory", "serving", "runtime", "tests", "bench"}
ROOT = Path(__file__).parents[2]


def top_level(distribution: Distribution) -> set[str]:
    """The names that a distribution brings to the top of the import path."""
    parts = [file.parts for file in distribution.files or () if file.suffix in (".py", ".so", ".pth")]
    return {names[0].split(".")[0] for names in parts if names[0] not in ("..", "__pycache__")}


def test_no_installed_distribution_owns_one_of_our_names() -> None:
    taken = {
        f"{distribution.name} brings {name}"
        for distribution in distributions()
        if distribution.name != "repertory"
        for name in top_level(distribution) & NAMES
    }
    assert taken == set()


def test_our_names_are_imported_from_this_directory() -> None:
    for name in NAMES - {"tests", "bench"}:
        module = __import__(name)
        assert [Path(place) for place in module.__path__] == [ROOT / name]


def test_every_dependency_has_its_reason_on_record() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[\[<>=!~ ;]", requirement)[0] for group in groups for requirement in group}
    page = (ROOT / "docs" / "decisions" / "dependencies.md").read_text(encoding="utf-8")
    assert {name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", page)} == set()


def test_the_pins_name_no_index_and_no_machine() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if "://" in line or " @ " in line or line.startswith("-")], file.name
