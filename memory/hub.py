"""Models by name: whether a model hub can give one, and one clear error when it cannot."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import httpx

from runtime.errors import UsageError

HUB_ANSWERS_WITHIN_S = 3.0


def is_within_reach(name: str) -> bool:
    """Whether the model lies in the hub's local cache, or its hub answers within 3 seconds."""
    from huggingface_hub import constants, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return True
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        answer = httpx.head(f"{constants.ENDPOINT}/{name}/resolve/main/config.json", timeout=HUB_ANSWERS_WITHIN_S)
    except httpx.HTTPError:
        return False
    return answer.status_code < httpx.codes.BAD_REQUEST


@contextmanager
def loading(what: str, name: str) -> Generator[None]:
    """Turns whatever a loader raises for a model that it cannot have into one UsageError."""
    try:
        yield
    except (OSError, ValueError, ImportError, RuntimeError, httpx.HTTPError) as fault:
        reason = next(iter(str(fault).strip().splitlines()), type(fault).__name__)
        raise UsageError(
            f"the {what} {name!r} cannot be loaded: {reason}; "
            "expected the name of a sentence-transformers model that a hub answers for, or a folder that holds one"
        ) from fault
