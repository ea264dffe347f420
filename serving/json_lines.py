"""Files of one JSON object a line, read into models; each fault names its file, line and field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from runtime.errors import UsageError

M = TypeVar("M", bound=BaseModel)


def read_lines(path: Path, model: type[M]) -> Iterator[tuple[int, M]]:
    """The lines of a file with their numbers, from 1; empty lines and those that begin with # are left out.

    Raises:
        UsageError: the file cannot be read, or a line is not what the model asks for.
    """
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip() and not line.startswith("#"):
            try:
                yield number, model.model_validate_json(line)
            except ValidationError as error:
                raise UsageError(f"{path}, line {number}: {_fault(error, model)}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}), expected a file of JSON lines") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is no UTF-8, expected a file of JSON lines in UTF-8") from None


def _fault(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault: the field, what was found, and what was expected."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return f"{first['msg']}; expected a JSON object"
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"found the field {field!r}, expected one of {', '.join(model.model_fields)}"
    if first["type"] == "missing":
        return f"the field {field!r} is missing"
    return f"field {field!r}: found {str(first['input'])[:80]!r}, but {first['msg'][:1].lower()}{first['msg'][1:]}"
