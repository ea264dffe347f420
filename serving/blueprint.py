"""Decides, purely from facts, how a model is served: what Ray Serve's LLM application is told, and the memory it takes.

Everything that can be known to fail is refused here, in milliseconds, before any process is started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from runtime.errors import UsageError
from serving.machine import Machine
from serving.model_folder import ModelFolder

MAX_CONTEXT = 8192
"""Prompt and answer together, in tokens, unless the model takes less: more is memory that nobody uses here."""
MAX_SEQUENCES = 16
"""Requests that are answered at the same time on CPUs; more wait. Above 16 two cores gain nothing."""
KV_CONTEXTS = 2
"""How many requests of full length the cache of keys and values holds; shorter ones share it."""
PROCESS_BYTES = 1_000_000_000
"""What one Python process with vLLM takes beside weights and cache, measured."""
READY_LIMIT_S = 900.0
"""How long a deployment may take to its first token; a busy machine with two cores needs up to six minutes."""

Device = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class ServeRequest:
    """What a person asks for; None leaves the choice to the machine."""

    model: str
    """A name of the catalogue, or the path of a folder in the layout of the model hub."""
    tensor_parallel_size: int | None = None
    """Over how many GPUs (or groups of CPU cores) each replica is split."""
    replicas: int = 1
    port: int | None = None
    """Where Serve listens on 127.0.0.1; a free port when None."""


@dataclass(frozen=True)
class Blueprint:
    """How a model will be served."""

    model: str
    device: Device
    tensor_parallel_size: int
    replicas: int
    memory_bytes: int
    """What all replicas together are expected to take."""
    app: dict[str, Any]
    """What `ray.serve.llm.build_openai_app` is given: plain JSON."""


def draw(folder: ModelFolder, request: ServeRequest, machine: Machine, *, taken: int = 0) -> Blueprint:
    """The way to serve a model on a machine, of whose GPUs so many are `taken` by other models.

    Raises:
        UsageError: the split does not fit the model or the machine, or the model does not fit into memory.
    """
    device: Device = "gpu" if machine.gpus else "cpu"
    size = request.tensor_parallel_size or _default_split(folder, machine)
    _check_split(folder, machine, size, request.replicas, taken)
    if device == "gpu":
        app = _app(folder, request.replicas, _gpu_engine(folder, size), _GPU_ENVIRONMENT, device)
        return Blueprint(folder.name, device, size, request.replicas, 0, app)
    value_bytes = _value_bytes(folder, request.replicas, machine, size)
    memory = request.replicas * _cpu_memory(folder, size, value_bytes)
    _check_memory(folder, machine, memory)
    engine = _cpu_engine(folder, size, value_bytes)
    app = _app(folder, request.replicas, engine, _cpu_environment(machine, size, request.replicas), device)
    return Blueprint(folder.name, device, size, request.replicas, memory, app)


def _value_bytes(folder: ModelFolder, replicas: int, machine: Machine, size: int) -> int:
    """The size of the type to compute in: float32 where the processor has no bfloat16 and memory suffices."""
    fits = replicas * _cpu_memory(folder, size, value_bytes=4) <= machine.memory_bytes
    return 4 if fits and not machine.has_bf16 else 2


def _default_split(folder: ModelFolder, machine: Machine) -> int:
    """Two on CPUs where it divides the model: one thread per worker never waits for another thread of its own."""
    return 2 if not machine.gpus and len(machine.cores) >= 2 and folder.heads % 2 == 0 else 1


def _check_split(folder: ModelFolder, machine: Machine, size: int, replicas: int, taken: int) -> None:
    have, what = (machine.gpus, "GPUs") if machine.gpus else (len(machine.cores), "processor cores")
    need = size * (replicas if machine.gpus else 1)
    if need > have:
        raise UsageError(
            f"tensor parallel size {size} with {replicas} replica(s) needs {need} {what}, found {have}; "
            "choose a smaller --tensor-parallel-size or fewer --replicas"
        )
    if machine.gpus and need > have - taken:
        raise UsageError(
            f"{folder.name} needs {need} GPU(s), found {have - taken}: {taken} of {have} serve other models, and a "
            "model takes all memory of its GPU; stop one of them (`repertory serve status`, `serve down --model NAME`)"
        )
    if folder.heads % size or (folder.kv_heads % size and size % folder.kv_heads):
        raise UsageError(
            f"{folder.name} has {folder.heads} attention heads ({folder.kv_heads} for keys and values), which "
            f"{size} workers cannot share evenly; choose another --tensor-parallel-size"
        )


def _context(folder: ModelFolder) -> int:
    return min(folder.context_length, MAX_CONTEXT)


def _cpu_memory(folder: ModelFolder, size: int, value_bytes: int) -> int:
    """Weights, cache, and the processes: one per worker, the engine, the replica and the ingress."""
    return folder.loaded_bytes(value_bytes) + _kv_bytes(folder, value_bytes) + (size + 3) * PROCESS_BYTES


def _kv_bytes(folder: ModelFolder, value_bytes: int) -> int:
    return KV_CONTEXTS * _context(folder) * folder.kv_bytes_per_token(value_bytes)


def _check_memory(folder: ModelFolder, machine: Machine, need: int) -> None:
    if need > machine.memory_bytes:
        raise UsageError(
            f"{folder.name} needs about {need / 1e9:.1f} GB of memory to be served, found "
            f"{machine.memory_bytes / 1e9:.1f} GB available; choose a smaller model (`repertory models list`), fewer "
            "replicas, or stop what is served (`repertory serve down`)"
        )


def _common_engine(folder: ModelFolder, size: int) -> dict[str, Any]:
    return {
        "tensor_parallel_size": size,
        "max_model_len": _context(folder),
        "enable_prefix_caching": True,
        "enable_auto_tool_choice": True,
        "tool_call_parser": folder.tool_parser,
        # A third of a small model's tokens are blanks when it may write them into JSON.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "disable_log_stats": True,
    }


def _gpu_engine(folder: ModelFolder, size: int) -> dict[str, Any]:
    return {**_common_engine(folder, size), "dtype": "auto", "gpu_memory_utilization": 0.85}


def _cpu_engine(folder: ModelFolder, size: int, value_bytes: int) -> dict[str, Any]:
    return {
        **_common_engine(folder, size),
        "dtype": "bfloat16" if value_bytes == 2 else "float32",
        "kv_cache_memory_bytes": _kv_bytes(folder, value_bytes) // min(size, folder.kv_heads),
        "max_num_seqs": MAX_SEQUENCES,
        # A prompt is read in one piece: vLLM 0.29 on CPUs dies at a request with a seed whose prompt is cut
        # ("CPU Generator does not use offset").
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": _context(folder),
        "enforce_eager": True,
    }


def _cpu_environment(machine: Machine, size: int, replicas: int) -> dict[str, str]:
    """Each worker gets cores of its own; several replicas share the cores as the system schedules them."""
    per_worker = len(machine.cores) // size
    groups = [machine.cores[rank * per_worker : (rank + 1) * per_worker] for rank in range(size)]
    binding = "|".join(",".join(map(str, group)) for group in groups) if replicas == 1 else "nobind"
    preload = {"LD_PRELOAD": ":".join(machine.preload)} if machine.preload else {}
    return {"VLLM_CPU_OMP_THREADS_BIND": binding, **preload}


def _app(
    folder: ModelFolder, replicas: int, engine: dict[str, Any], environment: dict[str, str], device: Device
) -> dict[str, Any]:
    return {
        "llm_configs": [
            {
                "model_loading_config": {"model_id": folder.name, "model_source": str(folder.path)},
                "accelerator_config": {"kind": device},
                "engine_kwargs": engine,
                "runtime_env": {"env_vars": {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", **environment}},
                "log_engine_metrics": False,
                "callback_config": {"callback_class": "serving.ray_app:LocalWeights"},
                "deployment_config": {"num_replicas": replicas, **_DEPLOYMENT},
            }
        ],
        "ingress_deployment_config": {"num_replicas": 1, **_DEPLOYMENT},
    }


_GPU_ENVIRONMENT = {
    # FlashInfer, vLLM's first choice for top-k and top-p, compiles its sampler while the server starts. That takes a
    # CUDA toolkit on the machine (the compiler among the pinned wheels is not found, and refuses their headers), and
    # minutes. vLLM's own sampler takes neither.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
}

_DEPLOYMENT: dict[str, Any] = {
    "max_ongoing_requests": 256,
    # A replica whose cores are all busy answers late; it must not be taken for dead.
    "health_check_period_s": 30,
    "health_check_timeout_s": 120,
    "graceful_shutdown_timeout_s": 10,
    # What failed once, fails again in the same way a minute later.
    "max_constructor_retry_count": 1,
}
