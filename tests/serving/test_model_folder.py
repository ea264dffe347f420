from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import UsageError
from serving.model_folder import read_model_folder
from tests.serving.folders import QWEN, write_folder


def test_sizes_follow_from_the_configuration(tmp_path: Path) -> None:
    folder = read_model_folder(write_folder(tmp_path / "m", weights_bytes=1_260_000_000), "m")
    assert folder.kv_bytes_per_token(4) == 2 * 24 * 2 * 64 * 4
    assert folder.loaded_bytes(2) == 1_260_000_000
    assert folder.loaded_bytes(4) == 2_520_000_000


def test_int8_weights_stay_as_small_as_they_are_but_for_the_embeddings(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "m", {**QWEN, "quantization_config": {}}, 1_000_000_000)
    folder = read_model_folder(path, "m")
    assert folder.int8
    assert folder.loaded_bytes(2) == 1_000_000_000
    assert folder.loaded_bytes(4) == 1_000_000_000 + 2 * 151936 * 896 * 2


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**QWEN, "hidden_size": "wide"}, r"config\.json: hidden_size: expected a positive whole number, found 'wide'"),
        ({}, r"num_attention_heads: expected a positive whole number, found 0"),
    ],
)
def test_a_configuration_without_a_needed_field_is_refused_by_name(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        read_model_folder(write_folder(tmp_path / "m", config), "m")


def test_a_folder_without_weights_or_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the model's configuration"):
        read_model_folder(tmp_path, "m")
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="not valid JSON"):
        read_model_folder(tmp_path, "m")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"expected weights as \*\.safetensors, found none"):
        read_model_folder(tmp_path, "m")
