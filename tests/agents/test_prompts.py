from __future__ import annotations

from pathlib import Path

import pytest

from agents.prompts import SHIPPED, Prompts
from runtime.errors import UsageError


def test_every_shipped_prompt_has_its_two_parts() -> None:
    names = sorted(path.stem for path in SHIPPED.glob("*.md"))
    assert "plan" in names
    assert all(Prompts().get(name).user for name in names)


def test_a_directory_of_ones_own_comes_first(tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text("mine\n---\n${x}", encoding="utf-8")
    assert Prompts(tmp_path).get("plan").fill({"x": "1"}) == ("mine", "1")


def test_an_unfilled_placeholder_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("s\n---\n${task} ${day}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"prompt p: nothing fills the placeholder 'day'; known are: task"):
        Prompts(tmp_path).get("p").fill({"task": "x"})


def test_a_stray_dollar_sign_is_explained(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("s\n---\ncosts 5$ !", encoding="utf-8")
    with pytest.raises(UsageError, match=r"a dollar sign is \$\$"):
        Prompts(tmp_path).get("p").fill({})


def test_a_missing_prompt_names_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no prompt nothing\.md"):
        Prompts(tmp_path).get("nothing")


def test_a_prompt_without_a_user_part_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("only one part", encoding="utf-8")
    with pytest.raises(UsageError, match="expected a system part"):
        Prompts(tmp_path).get("p")


def test_the_digest_names_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("s\n---\nu", encoding="utf-8")
    (tmp_path / "b.md").write_text("s\n---\nu!", encoding="utf-8")
    prompts = Prompts(tmp_path)
    assert prompts.get("a").digest == Prompts(tmp_path).get("a").digest
    assert prompts.get("a").digest != prompts.get("b").digest
