"""Folders of weights that look real to everything but a model server."""

from __future__ import annotations

import json
from pathlib import Path

QWEN = {
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "hidden_size": 896,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
}


def write_folder(path: Path, config: dict[str, object] | None = None, weights_bytes: int = 1_000) -> Path:
    """A folder with that configuration and weights of that size, which take no room on the disk."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(QWEN if config is None else config), encoding="utf-8")
    with (path / "model.safetensors").open("wb") as file:
        file.truncate(weights_bytes)
    return path
