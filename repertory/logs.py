"""Logs: structlog and the standard library's, on stderr, quiet unless asked for, without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from typing import Any, cast

import structlog

HIDDEN = "***"
_SECRET_NAMES = re.compile(r"(?i)^(.*[_-])?(api[_-]?key|authorization|password|secret|token)$")
_BEARER = re.compile(r"(?i)\b(bearer\s+)\S+")

Processor = Callable[[Any, str, MutableMapping[str, Any]], Mapping[str, Any]]


def configure_logs(verbosity: int, secrets: Collection[str] = ()) -> None:
    """Send logs to stderr: errors only, from 1 on also information, from 2 on everything."""
    level = (logging.ERROR, logging.INFO, logging.DEBUG)[min(max(verbosity, 0), 2)]
    hide = redaction(secrets)
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide,
    ]
    structlog.configure(
        processors=[*shared, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                hide,
                structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def redaction(secrets: Collection[str]) -> Processor:
    """A processor that hides values named like secrets, bearer tokens, and the given secrets wherever they stand."""
    known = sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True)

    def hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return _cleaned_mapping(event, known)

    return hide


def cleaned(value: object, secrets: Sequence[str]) -> object:
    """A copy of plain data without the secrets."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return _BEARER.sub(rf"\g<1>{HIDDEN}", value)
    if isinstance(value, Mapping):
        return _cleaned_mapping(cast("Mapping[str, object]", value), secrets)
    if isinstance(value, list | tuple):
        return [cleaned(inner, secrets) for inner in cast("Sequence[object]", value)]
    return value


def _cleaned_mapping(values: Mapping[str, object], secrets: Sequence[str]) -> dict[str, object]:
    return {name: HIDDEN if _is_secret(name) else cleaned(value, secrets) for name, value in values.items()}


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and bool(_SECRET_NAMES.match(name))
