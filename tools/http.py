"""HTTP tools for hosts that the scenario allows: GET (a read) and POST of JSON (irreversible unless said otherwise).

    HttpAccess(hosts=["api.example.com", "http://localhost:8080"], secret_headers={"Authorization": token}).tools()

Redirects are not followed, since they may lead to a host that is not allowed. Secret headers go to the server and
nowhere else.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from runtime.errors import UsageError
from runtime.events import EffectClass
from tools.errors import ToolFault, TransientFault
from tools.outcome import ToolRetry
from tools.signature import CallId
from tools.tool import SingleTool, tool

_BUSY = (429,)
_DOWN = (500, 502, 503, 504)
_WRONG = (400, 405, 406, 409, 415, 422)
_SHOWN = 300

Url = Annotated[str, Field(description="Full address, e.g. https://api.example.com/v1/items")]


class HttpAnswer(BaseModel):
    """What a server answered."""

    model_config = ConfigDict(frozen=True)

    status: int
    """The HTTP status, 200 to 299."""
    body: JsonValue
    """The body: JSON where the server sent JSON, text otherwise."""


@dataclass(frozen=True)
class HttpAccess:
    """Which hosts may be asked, and how."""

    hosts: Sequence[str]
    """Hosts, with a port where it is not the usual one; only those that begin with "http://" are asked without TLS."""
    secret_headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Sent with each request; never part of arguments, results or messages."""
    post_effect: EffectClass = "irreversible"
    """What a POST does. Each carries the call's id as its Idempotency-Key: say idempotent where the host heeds it."""
    timeout_s: float = 30.0
    max_bytes: int = 1_000_000

    def tools(self) -> list[SingleTool]:
        """The tools http_get and http_post_json.

        Raises:
            UsageError: a host is not given as host, host:port or http://host:port.
        """
        asker = self.asker()
        read = tool(asker.http_get, effect="read", timeout_s=self.timeout_s)
        post = tool(asker.http_post_json, effect=self.post_effect, timeout_s=self.timeout_s)
        return [read, post]

    def asker(self) -> HttpAsker:
        """What asks these hosts.

        Raises:
            UsageError: a host is not given as host, host:port or http://host:port.
        """
        return HttpAsker(self, frozenset(_origin(host) for host in self.hosts))


def _origin(host: str) -> str:
    url = httpx.URL(host if "://" in host else f"https://{host}")
    if url.scheme not in ("http", "https") or not url.host or url.path != "/" or url.userinfo or url.query:
        raise UsageError(f"hosts: found {host!r}, expected a host such as api.example.com or http://localhost:8080")
    return _origin_of(url)


def _origin_of(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


class HttpAsker:
    """Asks the allowed hosts; its methods are the tools' functions."""

    def __init__(self, access: HttpAccess, origins: frozenset[str]) -> None:
        self._access, self._origins = access, origins

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made once: reading the certificates takes long."""
        return httpx.create_ssl_context()

    async def http_get(
        self,
        url: Url,
        query: Annotated[dict[str, str] | None, Field(description="Query parameters")] = None,
    ) -> HttpAnswer | ToolRetry:
        """Fetches an address of an allowed host and returns its JSON or text."""
        return await self.ask("GET", url, params=query)

    async def http_post_json(
        self,
        url: Url,
        body: Annotated[dict[str, JsonValue], Field(description="The JSON object to send")],
        key: CallId,
    ) -> HttpAnswer | ToolRetry:
        """Sends a JSON object to an address of an allowed host and returns its answer."""
        return await self.ask("POST", url, json=body, headers={"Idempotency-Key": key})

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, **content: Any
    ) -> HttpAnswer | ToolRetry:
        """One request; `content` is what httpx calls `params` and `json`.

        Raises:
            ToolFault: the host cannot be reached, or answers that it will not.
            TimeoutError, ConnectionError: whether the request was heeded is not known.
        """
        target = self._allowed(url)
        if isinstance(target, ToolRetry):
            return target
        try:
            return await self._sent(method, target, {**(headers or {}), **self._access.secret_headers}, content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise TransientFault(f"{_origin_of(target)} cannot be reached") from None
        except httpx.TimeoutException:
            raise TimeoutError from None
        except httpx.TransportError:
            raise ConnectionError from None

    def _allowed(self, text: str) -> httpx.URL | ToolRetry:
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL:
            return ToolRetry(f"url: found {text!r}, expected a full address")
        if url.userinfo or _origin_of(url) not in self._origins:
            return ToolRetry(f"url: {text!r} is not allowed; allowed are {', '.join(sorted(self._origins))}")
        return url

    async def _sent(
        self, method: str, url: httpx.URL, headers: dict[str, str], content: dict[str, Any]
    ) -> HttpAnswer | ToolRetry:
        async with (
            httpx.AsyncClient(timeout=self._access.timeout_s, verify=self._tls) as client,
            client.stream(method, url, headers=headers, **content) as response,
        ):
            body = await self._body(response)
        return self._answer(method, response, body)

    async def _body(self, response: httpx.Response) -> str:
        read = bytearray()
        async for part in response.aiter_bytes():
            read += part
            if len(read) > self._access.max_bytes:
                raise ToolFault("out_of_range", f"the answer is larger than {self._access.max_bytes} bytes")
        return self._without_secrets(read.decode(response.encoding or "utf-8", errors="replace"))

    def _without_secrets(self, text: str) -> str:
        for secret in self._access.secret_headers.values():
            text = text.replace(secret, "***") if secret else text
        return text

    def _answer(self, method: str, response: httpx.Response, body: str) -> HttpAnswer | ToolRetry:
        status, words = response.status_code, f"HTTP {response.status_code}: {body[:_SHOWN]}"
        if response.is_success:
            return HttpAnswer(status=status, body=_parsed(response, body))
        if status in _BUSY or (status in _DOWN and method == "GET"):
            raise TransientFault(words)
        if status in _DOWN:
            raise ConnectionError
        if status in _WRONG:
            return ToolRetry(words)
        if response.is_redirect:
            raise ToolFault("failed", f"HTTP {status}: redirects are not followed")
        raise ToolFault("not_found" if status in (404, 410) else "failed", words)


def _parsed(response: httpx.Response, body: str) -> JsonValue:
    if "json" not in response.headers.get("content-type", ""):
        return body
    try:
        value: JsonValue = json.loads(body)
    except ValueError:
        return body
    return value
