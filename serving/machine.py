"""What this machine offers a model server: cores, memory, GPUs, and the libraries that speed vLLM up on CPUs."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})
"""Flags of processors that multiply bfloat16 themselves, as Linux names them."""

INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
"""Flags of processors that multiply int8 themselves."""

_PRELOADED = ("libtcmalloc_minimal.so*", "libtcmalloc.so*", "libiomp5.so")
_LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib")


@dataclass(frozen=True)
class Machine:
    """The facts that decide how a model is served here."""

    cores: tuple[int, ...]
    """The numbers of the processor cores that this process may use."""
    memory_bytes: int
    """Memory that is free or can be freed without swapping."""
    gpus: int
    """GPUs that the installed vLLM can use and CUDA_VISIBLE_DEVICES shows; 0 with vLLM for CPUs."""
    has_bf16: bool
    """Whether the processor multiplies bfloat16 itself; where not, float32 reads prompts about seven times faster."""
    has_int8: bool
    """Whether the processor multiplies int8 itself; where not, a single answer comes several times slower in int8."""
    preload: tuple[str, ...]
    """Libraries for LD_PRELOAD: an allocator and Intel's OpenMP, where they are found."""


def this_machine() -> Machine:
    """The facts as they are now."""
    flags = _processor_flags(Path("/proc/cpuinfo"))
    return Machine(
        cores=tuple(sorted(os.sched_getaffinity(0))),
        memory_bytes=psutil.virtual_memory().available,
        gpus=_gpus(),
        has_bf16=not BF16_FLAGS.isdisjoint(flags),
        has_int8=not INT8_FLAGS.isdisjoint(flags),
        preload=_preload(),
    )


def _gpus() -> int:
    try:
        importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        return 0
    return visible_gpus(len(list(Path("/dev").glob("nvidia[0-9]*"))), os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible_gpus(found: int, shown: str | None) -> int:
    """How many of the machine's GPUs Ray will hand out where CUDA_VISIBLE_DEVICES shows only some; None shows all."""
    return found if shown is None else min(found, len([name for name in shown.split(",") if name.strip()]))


def _processor_flags(cpuinfo: Path) -> set[str]:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return set(flags.partition(":")[2].split())


def _preload() -> tuple[str, ...]:
    """At most one allocator, then OpenMP: of the environment first, then of the system."""
    folders = [Path(sys.prefix) / "lib", *(Path(folder) for folder in _LIBRARY_FOLDERS)]
    found: dict[str, str] = {}
    for pattern in _PRELOADED:
        for folder in folders:
            for library in sorted(folder.glob(pattern))[:1]:
                found.setdefault(pattern.partition(".")[0].removesuffix("_minimal"), str(library))
    return tuple(found.values())
