"""Serves models on this machine: Ray Serve's own LLM application with vLLM, which stays up between runs.

    <home>/ray/serving/<model>.json   what was deployed, and where it answers
    <home>/ray/serving/<model>.log    what the deployment said while it was made
    <home>/ray/serving/lock           one deployment at a time

A deployment that answers is found again with two small HTTP requests; Ray is imported only in the process that deploys
(`serving/ray_app.py`). Each model is an application of its own under `/<model>`, so that several can stand side by side
where memory allows.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
from collections.abc import Generator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from runtime.errors import RepertoryError, UsageError
from runtime.on_ray import ray_local
from serving.blueprint import Blueprint, ServeRequest, draw
from serving.catalog import shipped_catalog
from serving.evidence import replica_logs
from serving.machine import this_machine
from serving.model_folder import ModelFolder, read_model_folder
from serving.orders import carry_out, ray_app
from serving.progress import Progress, Report, silent
from serving.weights import pull

DEFAULT_MODEL = "default"
"""Stands for the model that the catalogue calls its default."""
FOUND_LIMIT_S = 2.0
"""How long a deployment may take to say that it is there."""
BUSY_LIMIT_S = 10.0
"""How long its first token may take before it counts as busy, not as dead."""


@dataclass(frozen=True)
class Deployment:
    """A model that is served on this machine."""

    url: str
    """The OpenAI-compatible address, up to and including `/v1`."""
    model: str
    """What to call the model in a request."""
    device: str
    """`cpu` or `gpu`."""
    tensor_parallel_size: int
    replicas: int
    port: int
    ray: str
    """The address of the Ray cluster that it runs on."""


@dataclass(frozen=True)
class Standing:
    """What is known of a deployment now."""

    deployment: Deployment
    answers: bool


def serve_up(request: ServeRequest, home: Path, report: Report = silent) -> Deployment:
    """A deployment of the model that answers: the one that stands already when it is as asked for, else a new one.

    Returns when the first token has come. Weights are fetched where they are not there. A deployment of the same model
    that differs from the request is replaced; other models stay. Interrupted, it leaves nothing half deployed.

    Raises:
        UsageError: no such model, it does not fit into memory, the split does not fit, or the port is taken.
        RepertoryError: weights, Ray or the deployment failed; the message holds the last lines of the log.
    """
    name = _name(request.model)
    if found := _found(name, request, home):
        return found
    folder = _folder(request.model, home, report)
    with _exclusive(home, report):
        if found := _found(name, request, home):
            return found
        if _read(home, name):
            report(Progress(f"replacing the deployment of {name}"))
            serve_down(home, name, keep_ray=True)
        blueprint = draw(folder, request, this_machine(), taken=_gpus_taken(home))
        port = _port(request, home)
        return _deploy(blueprint, port, home, report)


def serve_status(home: Path) -> list[Standing]:
    """All deployments of this home, and whether each answers; nothing is started."""
    return [Standing(each, is_answering(each)) for each in _all(home)]


def serve_down(home: Path, model: str | None = None, *, keep_ray: bool = False) -> list[str]:
    """Stop the deployment of a model, or all; what was stopped, by name.

    With the last deployment goes the Ray head that was started on this machine, `Ray` by name, unless `keep_ray`.
    """
    gone = [each for each in _all(home) if model is None or each.model == _name(model)]
    rest = [each for each in _all(home) if each not in gone]
    ray = ray_local.find_ray(home)
    has_stopped_ray = ray is not None and ray.owned and not rest and not keep_ray
    if has_stopped_ray:
        ray_local.stop_ray(home)
    elif ray is not None and gone:
        names = [each.model for each in gone if each.ray == ray.address]
        command = ray_app("down", {"address": ray.address, "names": names})
        carry_out(command, _states(home) / "down.log", silent, f"stopping {', '.join(names)}")
    for each in gone:
        _state(home, each.model).unlink(missing_ok=True)
    return [each.model for each in gone] + ["Ray"] * has_stopped_ray


def is_answering(deployment: Deployment) -> bool:
    """Whether the deployment answers: it lists the model, and gives a token or is busy with other requests."""
    try:
        with _loopback() as http:
            listed = http.get(f"{deployment.url}/models", timeout=FOUND_LIMIT_S)
        if listed.status_code != HTTPStatus.OK or deployment.model not in listed.text:
            return False
        return _one_token(deployment, BUSY_LIMIT_S).is_success
    except httpx.ReadTimeout:
        return True
    except httpx.HTTPError:
        return False


def _one_token(deployment: Deployment, limit_s: float) -> httpx.Response:
    body = {"model": deployment.model, "messages": [{"role": "user", "content": "1"}], "max_tokens": 1}
    with _loopback() as http:
        return http.post(f"{deployment.url}/chat/completions", json=body, timeout=limit_s)


def _loopback() -> httpx.Client:
    """A client for this machine: it asks no proxy, and loads no certificates for plain HTTP."""
    return httpx.Client(transport=httpx.HTTPTransport(verify=False, trust_env=False), trust_env=False)


def _name(model: str) -> str:
    if model == DEFAULT_MODEL:
        return shipped_catalog().default
    return Path(model).name if _is_path(model) else model


def _is_path(model: str) -> bool:
    return "/" in model or model.startswith(("~", "."))


def _found(name: str, request: ServeRequest, home: Path) -> Deployment | None:
    """The deployment that stands, when it is as the request wants it and answers."""
    standing = _read(home, name)
    if standing is None or standing.replicas != request.replicas:
        return None
    if request.tensor_parallel_size not in (None, standing.tensor_parallel_size):
        return None
    if request.port not in (None, standing.port):
        return None
    return standing if is_answering(standing) else None


def _gpus_taken(home: Path) -> int:
    """How many GPUs the deployments have that stand on the Ray which runs now."""
    ray = ray_local.find_ray(home)
    standing = [each for each in _all(home) if ray is not None and each.ray == ray.address]
    return sum(each.replicas * each.tensor_parallel_size for each in standing if each.device == "gpu")


def _folder(model: str, home: Path, report: Report) -> ModelFolder:
    if _is_path(model):
        path = Path(model).expanduser().resolve()
        return read_model_folder(path, path.name)
    entry = shipped_catalog().model(_name(model))
    return read_model_folder(pull(entry, home / "models", report), entry.name, entry.tool_parser)


def _deploy(blueprint: Blueprint, port: int, home: Path, report: Report) -> Deployment:
    ray = ray_local.ensure_ray(home, lambda stage: report(Progress(stage)))
    name = blueprint.model
    command = ray_app("up", {"address": ray.address, "port": port, "name": name, "app": blueprint.app})
    log, what = _states(home) / f"{name}.log", f"deploying {name}"
    port = int(carry_out(command, log, report, what, deeper_logs=lambda: _replica_logs(home, name)))
    deployment = Deployment(
        url=f"http://127.0.0.1:{port}/{name}/v1",
        model=name,
        device=blueprint.device,
        tensor_parallel_size=blueprint.tensor_parallel_size,
        replicas=blueprint.replicas,
        port=port,
        ray=ray.address,
    )
    report(Progress(f"waiting for the first token of {name}"))
    _await_token(deployment)
    _write(home, deployment)
    return deployment


def _replica_logs(home: Path, name: str) -> list[Path]:
    folder = ray_local.session_logs(home)
    return [] if folder is None else replica_logs(folder, name)


def _await_token(deployment: Deployment) -> None:
    try:
        _one_token(deployment, limit_s=180.0).raise_for_status()
    except httpx.HTTPError as error:
        raise RepertoryError(
            f"{deployment.model} was deployed but gives no token at {deployment.url}: {error!r}; "
            "`repertory serve down` and try again"
        ) from error


def _port(request: ServeRequest, home: Path) -> int:
    """Serve's own port where it runs already, else the one asked for, else a free one."""
    ray = ray_local.find_ray(home)
    serving = {each.port for each in _all(home) if ray is not None and each.ray == ray.address and _listens(each.port)}
    if serving:
        port = serving.pop()
        if request.port in (None, port):
            return port
        raise UsageError(
            f"--port: found {request.port}, but models are served on port {port} already; leave --port out, or stop "
            "them first with `repertory serve down`"
        )
    if request.port is not None and _listens(request.port):
        raise UsageError(
            f"--port: found {request.port}, which another program uses; choose another, or leave --port out"
        )
    return request.port or ray_local.free_port()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _states(home: Path) -> Path:
    return home / "ray" / "serving"


def _state(home: Path, model: str) -> Path:
    return _states(home) / f"{model}.json"


@contextlib.contextmanager
def _exclusive(home: Path, report: Report) -> Generator[None]:
    """Held by one deployment at a time; the system lets go of it when a process dies."""
    try:
        _states(home).mkdir(parents=True, exist_ok=True)
        lock = (_states(home) / "lock").open("w")
    except OSError as error:
        raise UsageError(f"{_states(home)}: cannot keep the state of deployments here: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(Progress("waiting for another deployment on this machine"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(home: Path, model: str) -> Deployment | None:
    try:
        return Deployment(**json.loads(_state(home, model).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _all(home: Path) -> list[Deployment]:
    names = sorted(path.stem for path in _states(home).glob("*.json"))
    return [each for name in names if (each := _read(home, name))]


def _write(home: Path, deployment: Deployment) -> None:
    path = _state(home, deployment.model)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(deployment)), encoding="utf-8")
    draft.replace(path)
