"""Clients of OpenAI-compatible servers: vLLM on this machine or any endpoint of the person's.

autogen-ext's client does the talking. Added are: errors that say what to do and never hold the key, retries of what is
transient, an estimate of tokens that needs no network, and the switch that forbids live calls.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NoReturn, TypeVar, cast

import httpx2  # what openai 3 speaks HTTP with
import openai
import structlog
import tenacity
from autogen_core import CancellationToken
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]  # an abstract property of the client wants it
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from autogen_ext.models.openai import BaseOpenAIChatCompletionClient
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel

from runtime.errors import UsageError
from serving.canned import MODEL_INFO
from serving.endpoint import FAULTS, Endpoint, EndpointError, check_answer, explain, gone
from serving.live import require_live_calls
from serving.tokens import tokens_of_prompt

RETRIES = 3
"""How often a request is sent again after a transient error."""
FIRST_WAIT_S = 1.0
"""How long to wait before the first time; then twice as long, and so on: 1, 2, 4 s."""
LONGEST_WAIT_S = 15.0
"""How long to wait at most."""
CONNECT_TIMEOUT_S = 10.0
"""How long a server may take to accept a connection."""
NO_KEY = "none"
"""What is sent where no key is needed; an empty one is refused by the library."""
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
"""Hosts that no proxy of the environment can reach."""

Sleep = Callable[[float], Awaitable[None]]

T = TypeVar("T")

log = structlog.get_logger(__name__)


def make_client(
    url: str, name: str, api_key: str | None, *, context_length: int, timeout_s: float = 300.0, restart_s: float = 0.0
) -> ChatCompletionClient:
    """The client of a model at an endpoint; nothing is asked yet, and the key is kept out of all it shows.

    Its calls raise `EndpointError` when the server refuses the request; `EndpointGone` when it cannot answer, after
    three retries of what is transient, or as many as fit into `restart_s` for a server that starts again by itself; and
    `LiveCallForbidden` where live calls are forbidden. Usage is the server's own count.

    Raises:
        UsageError: the address is none of a web server, or the key has characters that no key has.
    """
    return EndpointModel(Endpoint(url, name, context_length, timeout_s, restart_s), api_key)


class EndpointModel(BaseOpenAIChatCompletionClient):
    """A model client of an endpoint. It cannot be dumped or pickled, since it would have to bring its key along."""

    component_type = "model"

    def __init__(self, endpoint: Endpoint, api_key: str | None, *, sleep: Sleep = asyncio.sleep) -> None:
        self._secret = _checked_key(api_key)
        self._endpoint = endpoint
        self._sleep = sleep
        super().__init__(
            _connection(endpoint, self._secret),
            create_args={"model": endpoint.model},
            model_info=MODEL_INFO,
            include_name_in_message=False,
        )
        self._resolved_model = None  # else upstream warns of servers that answer with the model's longer name

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._endpoint}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} may hold a key and cannot be pickled; make one where it is needed (make_client)")

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """See `ChatCompletionClient.create`.

        Raises:
            EndpointGone: the server cannot be reached, or is too busy, however often it is asked.
            EndpointError: it refuses the request, or answers something else.
            LiveCallForbidden: live calls are forbidden.
        """
        ask = super().create
        return await self._persistently(
            lambda: ask(
                _unnamed(messages),
                tools=tools,
                tool_choice=tool_choice,
                json_output=None if isinstance(json_output, type) else json_output,
                extra_create_args=_with_schema(extra_create_args, json_output),
                cancellation_token=cancellation_token,
            )
        )

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
        max_consecutive_empty_chunk_tolerance: int = 0,
        include_usage: bool | None = True,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """See `ChatCompletionClient.create_stream`; only what fails before the first piece is tried again.

        Raises:
            EndpointGone: the server cannot be reached, or is too busy, however often it is asked; or the connection
                breaks after the first piece.
            EndpointError: it refuses the request, or answers something else.
            LiveCallForbidden: live calls are forbidden.
        """
        ask = super().create_stream

        async def start() -> tuple[str | CreateResult, AsyncGenerator[str | CreateResult, None]]:
            pieces = ask(
                _unnamed(messages),
                tools=tools,
                tool_choice=tool_choice,
                json_output=None if isinstance(json_output, type) else json_output,
                extra_create_args=_with_schema(extra_create_args, json_output),
                cancellation_token=cancellation_token,
                max_consecutive_empty_chunk_tolerance=max_consecutive_empty_chunk_tolerance,
                include_usage=include_usage,
            )
            return await anext(pieces), pieces

        piece, pieces = await self._persistently(start)
        yield piece
        while (following := await self._next(pieces)) is not None:
            yield following

    async def _next(self, pieces: AsyncGenerator[str | CreateResult, None]) -> str | CreateResult | None:
        try:
            return await self._explained(lambda: anext(pieces, None))
        except EndpointError as error:
            if not error.is_transient:
                raise
            fault = gone(error, "the answer had begun, so it was not asked again")
        raise fault

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """An estimate, see `serving/tokens.py`."""
        return tokens_of_prompt(messages, tools)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """How many tokens of the context are left, by the same estimate; negative when it is too small."""
        return self._endpoint.context_length - self.count_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]  # abstract there
        """What the model can do, in the older form."""
        return cast(ModelCapabilities, self.model_info)  # pyright: ignore[reportDeprecated]  # abstract there

    async def _persistently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks, and asks again after a while when that may help."""
        retrying = tenacity.AsyncRetrying(
            stop=self._is_enough,
            wait=tenacity.wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, EndpointError) and error.is_transient),
            before_sleep=_log_retry,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(self._explained, ask)
        except EndpointError as error:
            if not error.is_transient:
                raise
            tried, waited_s = retrying.statistics["attempt_number"], retrying.statistics["idle_for"]
            fault = gone(error, f"asked {tried} times in {waited_s:.0f} s")
        raise fault

    def _is_enough(self, state: tenacity.RetryCallState) -> bool:
        """Whether it was asked often enough, and long enough where the server may be on its way back."""
        return state.attempt_number > RETRIES and state.idle_for >= self._endpoint.restart_s

    async def _explained(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks once; the libraries' error, which knows the key, is neither cause nor context of ours."""
        require_live_calls(str(self._endpoint))
        try:
            return await ask()
        except FAULTS as error:
            fault = explain(error, self._endpoint, self._secret)
        raise fault


def _connection(endpoint: Endpoint, secret: str) -> openai.AsyncOpenAI:
    """The library's client: it retries nothing by itself, and finds this machine whatever proxy is set."""
    return openai.AsyncOpenAI(
        api_key=secret or NO_KEY,
        base_url=endpoint.url,
        timeout=httpx2.Timeout(endpoint.timeout_s, connect=min(CONNECT_TIMEOUT_S, endpoint.timeout_s)),
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            trust_env=httpx2.URL(endpoint.url).host not in LOOPBACK_HOSTS,
            verify=_certificates(),
            event_hooks={"response": [check_answer]},
        ),
    )


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """The certificates to trust, loaded once: every agent has a client, and loading takes long."""
    return httpx2.create_ssl_context()


def _with_schema(arguments: Mapping[str, Any], json_output: bool | type[BaseModel] | None) -> Mapping[str, Any]:
    """The arguments with a model's schema in them: upstream's way of its own warns, and fails for streams."""
    if not isinstance(json_output, type):
        return arguments
    schema = {"name": json_output.__name__, "schema": to_strict_json_schema(json_output), "strict": True}
    return {**arguments, "response_format": {"type": "json_schema", "json_schema": schema}}


def _unnamed(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    """The messages without their sources: they are not sent, but upstream refuses those that are not ASCII."""
    return [
        message.model_copy(update={"source": "unnamed"})
        if isinstance(message, UserMessage | AssistantMessage)
        else message
        for message in messages
    ]


def _checked_key(api_key: str | None) -> str:
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            "the endpoint's key has characters that no key has (line breaks, or letters beyond ASCII); "
            "set REPERTORY_API_KEY to the key and nothing else"
        )
    return key


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("model_asked_again", attempt=state.attempt_number, error=str(error))
