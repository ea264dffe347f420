"""A tool that asks one address of an HTTP server, as a scenario describes it: no code is needed.

    HttpEndpoint(name="weather", url="https://api.example.com/weather/{city}", parameters={"city": {"type": "string"}})

Parameters whose names stand in the address's path become parts of it; the others are the query of GET and DELETE, and
the JSON body of POST, PUT and PATCH. The host is fixed, redirects are not followed, and secret headers reach the server
only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, JsonValue, TypeAdapter

from runtime.errors import UsageError
from runtime.events import EffectClass
from tools.execute import CallContext
from tools.http import HttpAccess, HttpAnswer, HttpAsker
from tools.json_schema import arguments_model
from tools.outcome import ToolRetry
from tools.spec import ToolSpec
from tools.tool import SingleTool

HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_IN_QUERY = ("GET", "DELETE")
_PLACE = re.compile(r"\{([^{}]*)\}")
_NO_PART = ("", ".", "..")
"""What would make another path of the address."""


@dataclass(frozen=True, kw_only=True)
class HttpEndpoint:
    """One address and how it is asked."""

    name: str
    """The tool's name."""
    url: str
    """The address; `{parameter}` may stand in its path."""
    method: HttpMethod = "GET"
    description: str = ""
    """What the tool promises, for the model."""
    parameters: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """The JSON Schema of each parameter."""
    required: Sequence[str] | None = None
    """Parameters that must be given; None: all."""
    constants: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """Sent like parameters; the model neither sees nor chooses them."""
    secret_headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Sent with each request; never part of arguments, results or messages."""
    effect: EffectClass | None = None
    """None: a GET is a read, everything else irreversible."""
    timeout_s: float = 30.0
    """The limit of one attempt."""

    def tool(self) -> SingleTool:
        """The tool.

        Raises:
            UsageError: the address has a placeholder outside of its path, or one that is no required parameter.
        """
        schema: dict[str, Any] = {
            "type": "object",
            "properties": dict(self.parameters),
            "required": list(self._required()),
            "additionalProperties": False,
        }
        self._check()
        spec = ToolSpec(
            name=self.name,
            description=self.description or self.name.replace("_", " "),
            args_type=arguments_model(self.name, schema),
            result=TypeAdapter(HttpAnswer),
            effect=self.effect or ("read" if self.method == "GET" else "irreversible"),
            timeout_s=self.timeout_s,
        )
        return SingleTool(spec, self._performer(self._access().asker()))

    def _access(self) -> HttpAccess:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.url))
        return HttpAccess(hosts=[origin], secret_headers=self.secret_headers, timeout_s=self.timeout_s)

    def _performer(self, asker: HttpAsker) -> Any:
        async def perform(args: BaseModel, ctx: CallContext) -> HttpAnswer | ToolRetry:
            given = args.model_dump(mode="json", exclude_unset=True)
            address = self._address(given)
            if isinstance(address, ToolRetry):
                return address
            rest = {**self.constants, **{name: given[name] for name in given if name not in self._places()}}
            if self.method in _IN_QUERY:
                content: dict[str, Any] = {"params": _query(rest)} if rest else {}
            else:
                content = {"json": rest}
            headers = {} if self.method == "GET" else {"Idempotency-Key": ctx.call_id}
            return await asker.ask(self.method, address, headers, **content)

        return perform

    def _address(self, given: Mapping[str, JsonValue]) -> str | ToolRetry:
        """The address with its placeholders filled; no value can lead to another path than the one that is meant."""
        address = self.url
        for name in self._places():
            text = _text(given[name])
            if text in _NO_PART:
                return ToolRetry(f"{name}: found {text!r}, expected a part of an address")
            address = address.replace(f"{{{name}}}", quote(text, safe=""))
        return address

    def _places(self) -> list[str]:
        return _PLACE.findall(urlsplit(self.url).path)

    def _required(self) -> Sequence[str]:
        return list(self.parameters) if self.required is None else self.required

    def _check(self) -> None:
        parts = urlsplit(self.url)
        if any(sign in f"{parts.scheme}{parts.netloc}" for sign in "{}"):
            raise UsageError(f"url: found {self.url!r}, expected a fixed host; a parameter may stand in the path only")
        if missing := [name for name in self._places() if name not in self._required()]:
            raise UsageError(f"url: found {{{missing[0]}}}, expected a required parameter ({self._known()})")
        if missing := [name for name in self._required() if name not in self.parameters]:
            raise UsageError(f"required: found {missing[0]!r}, expected a parameter ({self._known()})")

    def _known(self) -> str:
        return ", ".join(self._required()) or "it has none"


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _query(values: Mapping[str, JsonValue]) -> dict[str, str | list[str]]:
    """A list is repeated, what is null is left out."""
    return {
        name: [_text(each) for each in value] if isinstance(value, list) else _text(value)
        for name, value in values.items()
        if value is not None
    }
