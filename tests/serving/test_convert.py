from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.convert import QUANTIZATION_CONFIG, quantise_rows, save_int8

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]  # the warnings are those of torch's imports


def _tiny_model() -> Any:
    import transformers

    library: Any = transformers
    config = library.Qwen2Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    )
    return library.Qwen2ForCausalLM(config)


def test_each_row_comes_back_within_half_a_step_of_its_own_scale() -> None:
    import torch

    weight = torch.randn(16, 64) * torch.linspace(0.01, 10.0, 16)[:, None]
    values, scale = quantise_rows(weight)
    assert values.dtype == torch.int8
    assert scale.shape == (16, 1)
    assert bool(((values * scale - weight).abs() <= scale / 2 + 1e-6).all())


def test_an_int8_folder_says_what_it_is_and_leaves_embeddings_and_output_head_alone(tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    library: Any = safetensors.torch
    model = _tiny_model()
    save_int8(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    tensors: dict[str, torch.Tensor] = library.load_file(tmp_path / "model.safetensors")
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert config["quantization_config"] == QUANTIZATION_CONFIG
    assert tensors["model.layers.0.mlp.up_proj.weight"].dtype == torch.int8
    assert tensors["model.layers.0.mlp.up_proj.weight_scale"].shape == (48, 1)
    assert tensors["lm_head.weight"].dtype == torch.float32
    assert tensors["model.embed_tokens.weight"].dtype == torch.float32
    assert "lm_head.weight_scale" not in tensors
