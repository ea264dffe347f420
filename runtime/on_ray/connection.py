"""This process's connection to a Ray cluster, which all share who need one.

Ray ends a process whose head has been silent for a minute, whatever else that process does. So who was connected here
lets go of a head that is gone, and may connect to another one.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from typing import Any

import ray as untyped_ray
import structlog

from runtime.on_ray.ray_head import HeadLost, watch_head

LET_GO_AFTER_S = 20.0
"""How long a head must have been silent: those who use it are told before (`runtime/on_ray/ray_head.py`)."""

log = structlog.get_logger(__name__)

ray: Any = untyped_ray
"""Ray's signatures are partly untyped."""

_changing = threading.Lock()
_given_up: set[str] = set()
"""The heads that were found to be gone."""


async def connect(address: str) -> None:
    """Connects this process to a Ray cluster, quietly; nothing when it is connected to one already.

    A head that was given up is let go of before.
    """
    if not is_connected():
        await asyncio.to_thread(_let_go)
    with _changing:
        if not is_connected():
            ray.init(address=address, namespace="repertory", log_to_driver=False, logging_level=logging.ERROR)
            # Ray prints on stdout that a worker has died, which is for the program that reads it; the log says it too.
            ray._private.ray_logging.stdout_deduplicator.skip_re = re.compile("")
            threading.Thread(target=_mind, args=(head_address(),), name="ray-head", daemon=True).start()


def is_connected() -> bool:
    """Whether this process is connected, whoever has done that, to a head that was not given up."""
    return bool(ray.is_initialized()) and head_address() not in _given_up


def head_address() -> str:
    """Where the head is that this process is connected to (`host:port`)."""
    return str(ray.get_runtime_context().gcs_address)


def give_up(head: str) -> None:
    """Says that a head was found to be gone; the next `connect` makes a new connection."""
    _given_up.add(head)


def _let_go() -> None:
    """Leaves a head that was given up; as it is gone, this takes Ray up to fifteen seconds."""
    with _changing:
        if not is_connected():
            ray.shutdown()
            _given_up.clear()


def _mind(head: str) -> None:
    """Lets go of a head when it is lost, also where no crew is there to find out."""
    try:
        asyncio.run(watch_head(head, LET_GO_AFTER_S))
    except HeadLost:
        if ray.is_initialized() and head_address() == head:
            log.warning("head.let_go", head=head)
            give_up(head)
            _let_go()
