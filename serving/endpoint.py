"""An endpoint as a fact, and what its failures mean: where it is, what was found, what to do, and never the key.

`serving/client.py` turns what the libraries raise into the errors of this file; nothing is asked here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx2  # what openai 3 speaks HTTP with
import openai

from runtime.errors import RunError, Unreachable, UsageError

SECRET = "[secret]"
SHOWN = 400
"""How many characters of a server's own words an error shows."""


class NoCompletion(Exception):
    """A server says that all is well, but what it sent is no answer of a model; for `explain` only."""


FAULTS = (NoCompletion, openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, json.JSONDecodeError)
"""What is raised when an endpoint does not answer as it should; the texts may hold the key."""

_ADVICE = {
    400: "the request does not suit this model; where it is too long, give the model a longer context",
    401: "set REPERTORY_API_KEY to a key that it takes",
    403: "set REPERTORY_API_KEY to a key that may use this model",
    404: "does the address end with /v1, and does the server know this model?",
    408: "try again when the server has less to do",
    422: "the server cannot take this request; is it OpenAI-compatible?",
    429: "wait, or have the server allow more requests",
}


class EndpointError(RunError):
    """A model's server did not answer: `status` is its HTTP status, if any, `is_transient` whether to ask again."""

    def __init__(self, message: str, *, status: int | None = None, is_transient: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.is_transient = is_transient


class EndpointGone(EndpointError, Unreachable):
    """A model's server did not answer for as long as it was asked again: not the request's fault."""


def gone(error: EndpointError, tried: str) -> EndpointGone:
    """The error of a server that was asked again and again; `tried` says how often."""
    return EndpointGone(f"{error}; {tried}", status=error.status, is_transient=True)


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server and the model to ask there.

    Raises:
        UsageError: the address is none of a web server.
    """

    url: str
    """Its address, up to and including `/v1`."""
    model: str
    """The model's name as the server knows it."""
    context_length: int
    """The longest prompt with its answer, in tokens."""
    timeout_s: float = 300.0
    """How long one answer may take."""
    restart_s: float = 0.0
    """How long the server may take to be back when it is started again by itself: so long it is asked again."""

    def __post_init__(self) -> None:
        try:
            address = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise UsageError(f"endpoint: the address is not valid ({error}), expected http://HOST:PORT/v1") from None
        if address.scheme not in ("http", "https") or not address.host:
            raise UsageError(f"endpoint: found {_shown(address)!r}, expected an address such as http://HOST:PORT/v1")

    def __str__(self) -> str:
        """Model and address, without what may be secret in the latter."""
        return f"model {self.model} at {_shown(httpx2.URL(self.url))}"


def explain(error: Exception, endpoint: Endpoint, secret: str) -> EndpointError:
    """What a fault means; the secret is blotted out of whatever the server said."""
    status, found, advice, is_transient = _meaning(error, endpoint)
    message = f"{endpoint}: {found}; {advice}"
    return EndpointError(
        message.replace(secret, SECRET) if secret else message, status=status, is_transient=is_transient
    )


async def check_answer(response: httpx2.Response) -> None:
    """Lets a good answer pass, and a refusal, which the client understands; for the client's hook on responses.

    Raises:
        NoCompletion: the server says that all is well, but this is no answer of a model.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if not response.is_success or kind == "text/event-stream":
        return
    await response.aread()
    try:
        is_answer = len(response.json()["choices"]) > 0
    except (ValueError, KeyError, TypeError):
        is_answer = False
    if not is_answer:
        raise NoCompletion(f"{kind or 'something'} that is no completion ({_clipped(response.text)!r})")


def _meaning(error: Exception, endpoint: Endpoint) -> tuple[int | None, str, str, bool]:
    """Status, what was found, what to do, and whether asking again may help."""
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        advice = _ADVICE.get(status, "look into the server's log")
        return status, f"answers with {status} ({_said(error)})", advice, status == 429 or status >= 500
    cause = error.__cause__ or error
    if isinstance(error, NoCompletion):
        return 200, f"answers with {error}", "is it OpenAI-compatible, and does the address end with /v1?", False
    if isinstance(cause, httpx2.TimeoutException) and not isinstance(cause, httpx2.ConnectTimeout):
        found = f"no answer within {endpoint.timeout_s:g} s"
        return None, found, "give the model more time (timeout_s), or the server less to do at once", False
    reason = _clipped(str(cause)) or type(cause).__name__
    if isinstance(cause, httpx2.ReadError | httpx2.WriteError | httpx2.RemoteProtocolError):
        return None, f"the connection broke ({reason})", "look into the server's log", True
    if isinstance(error, openai.APIConnectionError):
        return None, f"cannot be reached ({reason})", "is the server up, and is the address right?", True
    return None, f"its answer cannot be read ({reason})", "is the server OpenAI-compatible?", False


def _said(error: openai.APIStatusError) -> str:
    """The server's own words."""
    body: object = error.body
    if isinstance(body, Mapping):
        fields = cast(Mapping[str, Any], body)
        inner = fields.get("error", fields)
        said = inner.get("message") if isinstance(inner, Mapping) else inner  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # any JSON
        return _clipped(str(said or fields))  # pyright: ignore[reportUnknownArgumentType]  # any JSON
    return _clipped(str(body or error.response.reason_phrase))


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"


def _shown(url: httpx2.URL) -> str:
    """An address without user, password and query."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))
