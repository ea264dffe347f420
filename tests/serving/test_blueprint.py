from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import UsageError
from serving.blueprint import Blueprint, ServeRequest, draw
from serving.machine import Machine, this_machine
from serving.model_folder import ModelFolder, read_model_folder
from tests.serving.folders import write_folder

LAPTOP = Machine(
    cores=(0, 1), memory_bytes=24_000_000_000, gpus=0, has_bf16=False, has_int8=False, preload=("/lib/libiomp5.so",)
)
SERVER = Machine(cores=tuple(range(32)), memory_bytes=256_000_000_000, gpus=2, has_bf16=True, has_int8=True, preload=())


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return read_model_folder(write_folder(tmp_path / "small", weights_bytes=1_260_000_000), "small")


def _model(blueprint: Blueprint) -> dict[str, Any]:
    configs: list[dict[str, Any]] = blueprint.app["llm_configs"]
    return configs[0]


def _engine(blueprint: Blueprint) -> dict[str, Any]:
    engine: dict[str, Any] = _model(blueprint)["engine_kwargs"]
    return engine


def test_two_cores_without_bf16_compute_in_float32_and_get_one_worker_each(folder: ModelFolder) -> None:
    blueprint = draw(folder, ServeRequest("small"), LAPTOP)
    assert blueprint.device == "cpu"
    assert blueprint.tensor_parallel_size == 2
    assert _engine(blueprint)["dtype"] == "float32"
    environment = _model(blueprint)["runtime_env"]["env_vars"]
    assert environment["VLLM_CPU_OMP_THREADS_BIND"] == "0|1"
    assert environment["LD_PRELOAD"] == "/lib/libiomp5.so"


def test_a_processor_with_bf16_computes_in_bfloat16(folder: ModelFolder) -> None:
    machine = dataclasses.replace(LAPTOP, has_bf16=True)
    assert _engine(draw(folder, ServeRequest("small"), machine))["dtype"] == "bfloat16"


def test_where_float32_does_not_fit_into_memory_it_is_bfloat16(folder: ModelFolder) -> None:
    machine = dataclasses.replace(LAPTOP, memory_bytes=7_500_000_000)
    assert _engine(draw(folder, ServeRequest("small"), machine))["dtype"] == "bfloat16"


def test_cores_are_shared_out_evenly_among_the_workers(folder: ModelFolder) -> None:
    machine = dataclasses.replace(LAPTOP, cores=(2, 3, 6, 7))
    one = draw(folder, ServeRequest("small", tensor_parallel_size=1), machine)
    two = draw(folder, ServeRequest("small", tensor_parallel_size=2), machine)
    assert _model(one)["runtime_env"]["env_vars"]["VLLM_CPU_OMP_THREADS_BIND"] == "2,3,6,7"
    assert _model(two)["runtime_env"]["env_vars"]["VLLM_CPU_OMP_THREADS_BIND"] == "2,3|6,7"


def test_gpus_are_used_where_there_are_some(folder: ModelFolder) -> None:
    blueprint = draw(folder, ServeRequest("small"), SERVER)
    assert blueprint.device == "gpu"
    assert blueprint.tensor_parallel_size == 1
    assert _model(blueprint)["accelerator_config"] == {"kind": "gpu"}
    assert "kv_cache_memory_bytes" not in _engine(blueprint)
    assert "VLLM_CPU_OMP_THREADS_BIND" not in _model(blueprint)["runtime_env"]["env_vars"]


def test_gpus_that_serve_other_models_are_not_given_to_another_one(folder: ModelFolder) -> None:
    assert draw(folder, ServeRequest("small"), SERVER, taken=1).device == "gpu"
    with pytest.raises(UsageError, match=r"needs 1 GPU\(s\), found 0: 2 of 2 serve other models.*serve down"):
        draw(folder, ServeRequest("small"), SERVER, taken=2)
    assert draw(folder, ServeRequest("small"), LAPTOP, taken=0).device == "cpu"


def test_on_gpus_nothing_has_to_be_compiled_by_a_cuda_toolkit(folder: ModelFolder) -> None:
    environment = _model(draw(folder, ServeRequest("small"), SERVER))["runtime_env"]["env_vars"]
    assert environment["VLLM_USE_FLASHINFER_SAMPLER"] == "0"


@pytest.mark.parametrize("machine", [LAPTOP, SERVER])
def test_guided_json_never_has_free_whitespace(folder: ModelFolder, machine: Machine) -> None:
    options = _engine(draw(folder, ServeRequest("small"), machine))["structured_outputs_config"]
    assert options == {"backend": "xgrammar", "disable_any_whitespace": True}


def test_what_ray_is_told_is_plain_json(folder: ModelFolder) -> None:
    app = draw(folder, ServeRequest("small"), LAPTOP).app
    assert json.loads(json.dumps(app)) == app


def test_on_cpus_a_prompt_is_never_read_in_pieces(folder: ModelFolder) -> None:
    engine = _engine(draw(folder, ServeRequest("small"), LAPTOP))
    assert engine["enable_chunked_prefill"] is False
    assert engine["max_num_batched_tokens"] >= engine["max_model_len"]


def test_a_model_that_does_not_fit_into_memory_is_refused_with_both_sizes(folder: ModelFolder) -> None:
    machine = dataclasses.replace(LAPTOP, memory_bytes=3_000_000_000)
    with pytest.raises(UsageError, match=r"small needs about \d\.\d GB of memory to be served, found 3\.0 GB"):
        draw(folder, ServeRequest("small"), machine)


def test_each_replica_needs_memory_of_its_own(folder: ModelFolder) -> None:
    one = draw(folder, ServeRequest("small"), LAPTOP)
    two = draw(folder, ServeRequest("small", replicas=2), LAPTOP)
    assert two.memory_bytes == 2 * one.memory_bytes
    assert _model(two)["deployment_config"]["num_replicas"] == 2


@pytest.mark.parametrize(
    ("machine", "request_", "message"),
    [
        (LAPTOP, ServeRequest("small", tensor_parallel_size=4), r"needs 4 processor cores, found 2"),
        (SERVER, ServeRequest("small", tensor_parallel_size=2, replicas=2), r"needs 4 GPUs, found 2"),
        (
            dataclasses.replace(LAPTOP, cores=(0, 1, 2)),
            ServeRequest("small", tensor_parallel_size=3),
            r"14 attention heads \(2 for keys and values\), which 3 workers cannot share",
        ),
    ],
)
def test_a_split_that_does_not_fit_is_refused(
    folder: ModelFolder, machine: Machine, request_: ServeRequest, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        draw(folder, request_, machine)


def test_this_machine_has_cores_and_memory() -> None:
    machine = this_machine()
    assert machine.cores
    assert machine.memory_bytes > 0
