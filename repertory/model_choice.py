"""Which model answers in a run: a file of answers, an endpoint of the person's, or the model server of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx

from repertory.deployment import served
from repertory.settings import Settings
from runtime.errors import RunError, UsageError
from scenarios.build import wants_model
from scenarios.flaws import ScenarioError, nearest
from scenarios.load import LoadedScenario
from scenarios.scenario import Model
from serving.blueprint import ServeRequest
from serving.source import ModelSource

FILE_KINDS = ("recorded", "scripted")
"""Kinds of models that answer from a file: `recorded:FILE`."""
DEFAULT = "default"
"""The name that leaves the choice to the catalogue, or to an endpoint that serves only one model."""
RESTART_S = 300.0
"""How long a replica of this machine's model server may take to be back when it dies; Ray Serve starts it again."""
ENDPOINT_ANSWERS_WITHIN_S = 10.0


@dataclass(frozen=True)
class Choice:
    """A model that can be asked."""

    source: ModelSource
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What it needs, for the memory of this process and its workers only."""


def choose_model(loaded: LoadedScenario, settings: Settings) -> Choice:
    """The model of a scenario, ready to answer; a model of the catalogue is fetched and served first, if it is wanted.

    Raises:
        UsageError: the file, the model or the endpoint is not there.
        RepertoryError: the model cannot be fetched or served.
    """
    model = loaded.scenario.model
    kind, _, file = model.name.partition(":")
    if kind in FILE_KINDS and file:
        return Choice(_source(model, kind, model.name, file=str(_answers(loaded, file))))
    if model.endpoint is not None:
        name = known_name(model.endpoint, model.name, settings.api_key)
        return Choice(_source(model, "endpoint", name, url=model.endpoint), settings.secrets)
    if not wants_model(loaded.scenario, loaded.path.parent):
        return Choice(_source(model, "none", "none"))
    deployment = served(ServeRequest(model=model.name), settings)
    source = _source(model, "endpoint", deployment.model, url=deployment.url)
    return Choice(source.model_copy(update={"restart_s": RESTART_S}))


def _source(model: Model, kind: str, name: str, *, url: str = "", file: str = "") -> ModelSource:
    values: dict[str, Any] = {"kind": kind, "name": name, "url": url, "file": file, "timeout_s": model.timeout_s}
    if model.context_length is not None:
        values["context_length"] = model.context_length
    return ModelSource.model_validate(values)


def _answers(loaded: LoadedScenario, file: str) -> Path:
    """The file of answers: relative to the scenario where the scenario names it, else to where the person stands."""
    path = ("model", "name")
    if loaded.source.place_of(path).startswith("--"):
        found = Path(file).expanduser().absolute()
    else:
        found = (loaded.path.parent / file).resolve()
        if not found.is_relative_to(loaded.path.parent):
            expected = "a file within the scenario's own directory (`--model` may name any)"
            raise ScenarioError([loaded.flaw(path, f"the path {file!r}", expected)])
    if not found.is_file():
        beside = [entry.name for entry in found.parent.iterdir()] if found.parent.is_dir() else []
        raise ScenarioError([loaded.flaw(path, f"no file {file!r}", f"a file at {found}", nearest(found.name, beside))])
    return found


def known_name(endpoint: str, name: str, api_key: str | None) -> str:
    """The name that an endpoint knows a model by; an endpoint that does not list its models is believed.

    Raises:
        UsageError: it cannot be reached, refuses the key, or does not know the model.
        RunError: it answers, but with a fault of its own.
    """
    names = _names(endpoint, _listing(endpoint, api_key))
    if name == DEFAULT and len(names) == 1:
        return names[0]
    if names and name not in names:
        near = nearest(name, names)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--model: found {name!r}, expected a model of {endpoint} ({', '.join(names)}){hint}")
    if name == DEFAULT:
        raise UsageError(f"--model: found nothing, expected the name that {endpoint} knows the model by")
    return name


def _listing(endpoint: str, api_key: str | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        return httpx.get(f"{endpoint.rstrip('/')}/models", headers=headers, timeout=ENDPOINT_ANSWERS_WITHIN_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UsageError(
            f"endpoint {endpoint}: cannot be reached ({reason}), expected an OpenAI-compatible server; "
            "is it up, and does the address end with /v1?"
        ) from None


def _names(endpoint: str, answer: httpx.Response) -> list[str]:
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise UsageError(f"endpoint {endpoint}: the key was refused; set REPERTORY_API_KEY to a key that it takes")
    if answer.is_server_error:
        raise RunError(f"endpoint {endpoint}: answers with {answer.status_code}; look into its logs")
    try:
        listed = answer.json()["data"]
        return [str(entry["id"]) for entry in cast("list[dict[str, Any]]", listed)]
    except (ValueError, KeyError, TypeError):
        return []
