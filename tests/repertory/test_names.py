"""Our packages stand at the top level of an environment of their own; nobody else there may own their names."""

from __future__ import annotations

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
