"""The model server of this machine, as the commands use it: weights fetched, Ray started, vLLM deployed or found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repertory.output import say
from repertory.settings import Settings


@dataclass(frozen=True)
class ServeOrder:
    """What shall be served."""

    model: str = "default"
    """A name of the catalogue; `default` is the catalogue's own."""
    tensor_parallel_size: int | None = None
    """Over how many devices a replica is spread; none leaves it to the machine."""
    replicas: int = 1
    port: int | None = None
    """None: the usual one, or another when that is taken."""


@dataclass(frozen=True)
class Served:
    """A model that answers."""

    url: str
    """Up to and including `/v1`."""
    model: str


def pulled(model: str, settings: Settings) -> Path:
    """The directory of a model's weights, fetched, checked and converted unless they are there."""
    raise UsageErrorPending


def served(order: ServeOrder, settings: Settings) -> Served:
    """A server of the model; one that is up already is used as it is."""
    say("")
    raise UsageErrorPending


def serve_state(settings: Settings) -> dict[str, Any]:
    """What is served, for people and programs."""
    raise UsageErrorPending


def serve_stopped(settings: Settings) -> bool:
    """Stop the model server and the Ray that was started for it; whether anything was up."""
    raise UsageErrorPending
