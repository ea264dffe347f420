"""Reads of a folder of weights what decides whether and how it can be served: shapes and sizes, from config.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from runtime.errors import UsageError


@dataclass(frozen=True)
class ModelFolder:
    """A model as it lies on the disk, ready for vLLM."""

    name: str
    """What the endpoint answers to."""
    path: Path
    weights_bytes: int
    """Of all safetensors files."""
    int8: bool
    """Whether the linear layers are stored as int8."""
    layers: int
    heads: int
    """Attention heads; tensor parallelism splits them, so their number must be divisible by it."""
    kv_heads: int
    head_size: int
    vocabulary: int
    hidden_size: int
    context_length: int
    """The longest prompt and answer together, in tokens."""
    tool_parser: str
    """vLLM's name for the way it writes tool calls."""

    def kv_bytes_per_token(self, bytes_per_value: int) -> int:
        """Memory that one token takes in the cache of keys and values."""
        return 2 * self.layers * self.kv_heads * self.head_size * bytes_per_value

    def loaded_bytes(self, bytes_per_value: int) -> int:
        """Memory of the weights once they are loaded, in a type of that size; int8 layers stay as they are."""
        if not self.int8:
            return self.weights_bytes * bytes_per_value // 2
        embedding = self.vocabulary * self.hidden_size
        return self.weights_bytes + 2 * embedding * (bytes_per_value - 2)


def read_model_folder(path: Path, name: str, tool_parser: str = "hermes") -> ModelFolder:
    """The facts of a folder in the layout of the model hub (config.json and safetensors).

    Raises:
        UsageError: a file or field is missing; the message names it.
    """
    config = _read_config(path / "config.json")
    weights = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    if not weights:
        raise UsageError(f"{path}: expected weights as *.safetensors, found none; pull the model again")
    heads = _number(path, config, "num_attention_heads")
    hidden = _number(path, config, "hidden_size")
    return ModelFolder(
        name=name,
        path=path,
        weights_bytes=weights,
        int8="quantization_config" in config,
        layers=_number(path, config, "num_hidden_layers"),
        heads=heads,
        kv_heads=_number(path, config, "num_key_value_heads", heads),
        head_size=_number(path, config, "head_dim", hidden // heads),
        vocabulary=_number(path, config, "vocab_size"),
        hidden_size=hidden,
        context_length=_number(path, config, "max_position_embeddings"),
        tool_parser=tool_parser,
    )


def _read_config(path: Path) -> dict[str, object]:
    try:
        config: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the model's configuration: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{path}: expected a JSON object")
    return cast("dict[str, object]", config)


def _number(path: Path, config: dict[str, object], field: str, default: int = 0) -> int:
    value = config.get(field) or default
    if not isinstance(value, int) or value <= 0:
        raise UsageError(f"{path / 'config.json'}: {field}: expected a positive whole number, found {value!r}")
    return value
