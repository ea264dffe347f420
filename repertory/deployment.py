"""The model server of this machine, as the commands use it: weights fetched, Ray started, vLLM deployed or found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repertory.long_work import shown
from repertory.settings import Settings
from serving.blueprint import ServeRequest
from serving.catalog import shipped_catalog
from serving.deploy import DEFAULT_MODEL, Deployment, serve_down, serve_status, serve_up
from serving.weights import pull


def pulled(model: str, settings: Settings) -> Path:
    """The directory of a model's weights; fetched, checked and converted unless it is there.

    Raises:
        UsageError: no such model, or no room for it.
        RepertoryError: no source gave it.
    """
    catalog = shipped_catalog()
    entry = catalog.model(catalog.default if model == DEFAULT_MODEL else model)
    with shown() as report:
        return pull(entry, settings.models, report)


def served(request: ServeRequest, settings: Settings) -> Deployment:
    """A server of the model that answers; one that is up already is used as it is.

    Raises:
        UsageError: no such model, it does not fit into memory, or the port is taken.
        RepertoryError: it could not be fetched or deployed.
    """
    with shown() as report:
        return serve_up(request, settings.home, report)


def serve_state(settings: Settings) -> list[dict[str, Any]]:
    """What is served and whether it answers; nothing is started."""
    return [
        {
            "model": standing.deployment.model,
            "url": standing.deployment.url,
            "answers": standing.answers,
            "device": standing.deployment.device,
            "tensor_parallel_size": standing.deployment.tensor_parallel_size,
            "replicas": standing.deployment.replicas,
        }
        for standing in serve_status(settings.home)
    ]


def serve_stopped(settings: Settings, model: str | None) -> list[str]:
    """Stop the server of a model, or all of them with the Ray that was started for them; the names of those stopped."""
    return serve_down(settings.home, model)
