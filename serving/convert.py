"""Makes of a GGUF file the folder that vLLM loads; run as a process of its own, so that its memory is given back.

    python -m serving.convert FILE.gguf FOLDER [--int8]

The weights are dequantised to bfloat16 safetensors with tokenizer and configuration. With `--int8` each linear layer
(except the output head) becomes int8 with one float32 scale per output channel, in the "int-quantized" format of
compressed-tensors; vLLM then quantises activations per token as it runs (W8A8). Only `serving/weights.py` calls this.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

QUANTIZATION_CONFIG: dict[str, object] = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
            "input_activations": {
                "num_bits": 8,
                "type": "int",
                "symmetric": True,
                "strategy": "token",
                "dynamic": True,
            },
        }
    },
}
"""What config.json says of int8 weights; the names are those of compressed-tensors."""


def convert(source: Path, folder: Path, *, int8: bool) -> None:
    """Write the folder; it must not be used before this returns.

    Raises:
        OSError: the folder cannot be written, for instance because the disk is full.
    """
    import torch
    import transformers

    library: Any = transformers  # its signatures are only partly typed
    tokenizer: Any = library.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model: Any = library.AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        quantization_config=library.GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    if int8:
        save_int8(model, folder)
    else:
        model.save_pretrained(folder)


def save_int8(model: Any, folder: Path) -> None:
    """Write a transformers model with its linear layers as int8, but for the output head."""
    import safetensors.torch

    library: Any = safetensors.torch
    linear = {f"{name}.weight" for name, module in model.named_modules() if type(module).__name__ == "Linear"}
    linear.discard("lm_head.weight")
    tensors: dict[str, Any] = {}
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        if name in linear:
            tensors[name], tensors[f"{name}_scale"] = quantise_rows(weight)
        else:
            tensors[name] = weight.contiguous()
    library.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    _add_to_config(folder / "config.json", type(model).__name__)


def quantise_rows(weight: Any) -> tuple[Any, Any]:
    """int8 values and the float32 scale of each row: `[out, in]` gives `[out, in]` and `[out, 1]`."""
    import torch

    rows = weight.to(torch.float32)
    scale = rows.abs().amax(dim=1, keepdim=True).clamp_min(1e-8) / 127.0
    return torch.clamp(torch.round(rows / scale), -127, 127).to(torch.int8), scale


def _add_to_config(path: Path, architecture: str) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    config["architectures"] = [architecture]
    config["quantization_config"] = QUANTIZATION_CONFIG
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")


def main() -> None:
    """Read the command line and convert."""
    parser = argparse.ArgumentParser(description="GGUF to a folder that vLLM loads")
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--int8", action="store_true")
    arguments = parser.parse_args()
    convert(arguments.source, arguments.folder, int8=arguments.int8)


if __name__ == "__main__":
    main()
