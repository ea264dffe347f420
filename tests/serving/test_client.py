"""The client of an endpoint: what it sends, what it makes of failures, and that it keeps the key to itself."""

from __future__ import annotations

import logging
import pickle
import traceback
from typing import Any

import pytest
from autogen_core.models import AssistantMessage, CreateResult, LLMMessage, SystemMessage, UserMessage
from pydantic import BaseModel

from runtime.errors import RunError, UsageError
from runtime.failures import describe, revive
from serving.client import EndpointModel, make_client
from serving.endpoint import Endpoint, EndpointError
from tests.serving.completions import Reply, Server, completions, refusal, said, streamed

KEY = "sk-test-1234567890"
PROMPT: list[LLMMessage] = [SystemMessage(content="be brief"), UserMessage(content="你好", source="提问者")]

pytestmark = pytest.mark.usefixtures("live_calls")


class Waits:
    """Waits no time, and keeps how long it should have been."""

    def __init__(self) -> None:
        self.waited_s: list[float] = []

    async def __call__(self, delay_s: float) -> None:
        self.waited_s.append(delay_s)


def client_of(server: Server, waits: Waits | None = None, *, timeout_s: float = 5.0) -> EndpointModel:
    return EndpointModel(Endpoint(server.url, "m", 4096, timeout_s), KEY, sleep=waits or Waits())


async def refused(server: Server, waits: Waits | None = None) -> EndpointError:
    with pytest.raises(EndpointError) as caught:
        await client_of(server, waits).create(PROMPT)
    return caught.value


async def test_an_answer_comes_with_the_servers_count_of_tokens() -> None:
    with completions(said('{"ok":true}')) as server:
        client = make_client(server.url, "m", KEY, context_length=4096)
        result = await client.create(PROMPT)
    assert result.content == '{"ok":true}'
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (11, 7)
    assert client.total_usage() == client.actual_usage() == result.usage
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_schema_temperature_seed_and_limit_reach_the_server() -> None:
    schema = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    arguments = {
        "response_format": {"type": "json_schema", "json_schema": schema},
        "temperature": 0.0,
        "seed": 7,
        "max_tokens": 99,
    }
    with completions(said("{}")) as server:
        await client_of(server).create(PROMPT, extra_create_args=arguments)
    sent = server.requests[0]
    assert {name: sent[name] for name in arguments} == arguments
    assert sent["model"] == "m"
    assert sent["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "你好"}]


async def test_a_pydantic_model_may_be_the_schema() -> None:
    class Answer(BaseModel):
        ok: bool

    with completions(said('{"ok":true}'), streamed('{"ok":true}')) as server:
        assert (await client_of(server).create(PROMPT, json_output=Answer)).content == '{"ok":true}'
        pieces = [piece async for piece in client_of(server).create_stream(PROMPT, json_output=Answer)]
    assert isinstance(pieces[-1], CreateResult)
    sent = [request["response_format"]["json_schema"] for request in server.requests]
    assert [schema["name"] for schema in sent] == ["Answer", "Answer"]
    assert sent[0]["schema"]["additionalProperties"] is False


async def test_system_messages_may_stand_anywhere() -> None:
    messages = [*PROMPT, AssistantMessage(content="hi", source="a"), SystemMessage(content="more")]
    with completions(said("x")) as server:
        await client_of(server).create(messages)
    assert [message["role"] for message in server.requests[0]["messages"]] == ["system", "user", "assistant", "system"]


@pytest.mark.parametrize("key", [None, ""])
async def test_an_endpoint_without_a_key_gets_a_dummy(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-everyone")
    with completions(said("x")) as server:
        await make_client(server.url, "m", key, context_length=1).create(PROMPT)
    assert server.headers[0]["authorization"] == "Bearer none"


async def test_this_machine_is_reached_whatever_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with completions(said("x")) as server:
        assert (await client_of(server).create(PROMPT)).content == "x"


async def test_a_server_may_know_its_model_by_a_longer_name() -> None:
    with completions(said("x", model="m-2026-01-01")) as server:
        assert (await client_of(server).create(PROMPT)).content == "x"


async def test_a_stream_comes_in_pieces_and_ends_with_the_result() -> None:
    with completions(streamed("be", "ij", "ing")) as server:
        pieces = [piece async for piece in client_of(server).create_stream(PROMPT)]
    assert pieces[:-1] == ["be", "ij", "ing"]
    assert isinstance(result := pieces[-1], CreateResult)
    assert (result.content, result.usage.prompt_tokens, result.usage.completion_tokens) == ("beijing", 11, 7)
    assert server.requests[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_transient_errors_are_tried_again_after_1_2_and_4_seconds(status: int) -> None:
    waits = Waits()
    with completions(*[refusal(status, "busy")] * 3, said("at last")) as server:
        assert (await client_of(server, waits).create(PROMPT)).content == "at last"
    assert waits.waited_s == [1, 2, 4]


async def test_a_server_that_is_started_again_is_asked_until_it_is_back() -> None:
    waits = Waits()
    with completions(*[refusal(503, "no replica is ready")] * 7, said("back")) as server:
        client = EndpointModel(Endpoint(server.url, "m", 4096, 5.0, restart_s=60.0), KEY, sleep=waits)
        assert (await client.create(PROMPT)).content == "back"
    assert waits.waited_s == [1, 2, 4, 8, 15, 15, 15]


async def test_a_server_that_does_not_come_back_in_time_is_given_up() -> None:
    waits = Waits()
    with completions(refusal(503, "no replica is ready")) as server:
        client = EndpointModel(Endpoint(server.url, "m", 4096, 5.0, restart_s=20.0), KEY, sleep=waits)
        with pytest.raises(EndpointError, match="503"):
            await client.create(PROMPT)
    assert waits.waited_s == [1, 2, 4, 8, 15]


async def test_after_three_retries_the_error_says_what_was_found_and_what_to_do() -> None:
    waits = Waits()
    with completions(refusal(503, "no replica is ready")) as server:
        error = await refused(server, waits)
        assert len(server.requests) == 4
    assert waits.waited_s == [1, 2, 4]
    assert error.status == 503
    assert str(error) == (
        f"model m at {server.url}: answers with 503 (no replica is ready); look into the server's log; "
        "asked 4 times in 7 s"
    )


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (400, "maximum context length is 4096 tokens", "longer context"),
        (401, "no such key", "set REPERTORY_API_KEY"),
        (403, "not for you", "set REPERTORY_API_KEY"),
        (404, "no model m", "does the server know this model"),
        (422, "extra field", "OpenAI-compatible"),
    ],
)
async def test_refusals_are_told_at_once(status: int, message: str, advice: str) -> None:
    waits = Waits()
    with completions(refusal(status, message)) as server:
        error = await refused(server, waits)
        assert len(server.requests) == 1
    assert waits.waited_s == []
    assert error.status == status
    with pytest.raises(RunError, match=rf"model m at {server.url}: answers with {status} \({message}\); .*({advice})"):
        raise error


async def test_a_stream_is_tried_again_only_before_its_first_piece() -> None:
    waits = Waits()
    with completions(refusal(503, "busy"), streamed("only", is_cut=True)) as server:
        pieces = client_of(server, waits).create_stream(PROMPT)
        assert await anext(pieces) == "only"
        with pytest.raises(EndpointError, match="the connection broke"):
            await anext(pieces)
        assert len(server.requests) == 2
    assert waits.waited_s == [1]


async def test_a_server_that_is_not_there_is_told_with_its_address() -> None:
    with completions(said("x")) as server:
        pass
    waits = Waits()
    error = await refused(server, waits)
    assert waits.waited_s == [1, 2, 4]
    assert f"model m at {server.url}: cannot be reached" in str(error)
    assert "is the server up" in str(error)


async def test_a_server_that_takes_too_long_is_not_asked_again() -> None:
    waits = Waits()
    late = pytest.raises(EndpointError, match=r"no answer within 0\.05 s; give the model more time")
    with completions(Reply("", is_late=True)) as server, late:
        await client_of(server, waits, timeout_s=0.05).create(PROMPT)
    assert waits.waited_s == []


async def test_a_connection_that_breaks_is_tried_again() -> None:
    with completions(Reply("", is_cut=True), said("x")) as server:
        assert (await client_of(server).create(PROMPT)).content == "x"


@pytest.mark.parametrize(
    "reply",
    [
        Reply("<html>welcome</html>", kind="text/html"),
        Reply('{"hello": "world"}'),
        Reply('{"choices": []}'),
        Reply('["choices"]'),
        Reply("{"),
    ],
)
async def test_what_is_no_completion_is_told_from_one(reply: Reply) -> None:
    with completions(reply) as server:
        error = await refused(server)
    assert f"model m at {server.url}: answers with {reply.kind} that is no completion" in str(error)
    assert "does the address end with /v1?" in str(error)


@pytest.mark.parametrize("url", ["", "localhost:8000/v1", "ftp://host/v1", "http:///v1", "http://host:port/v1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError, match=r"endpoint: .*expected .*http://HOST:PORT/v1"):
        make_client(url, "m", KEY, context_length=100)


@pytest.mark.parametrize("key", [f"{KEY}\nX: 1", f"{KEY}，", "密钥"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError, match="REPERTORY_API_KEY") as caught:
        make_client("http://127.0.0.1:1/v1", "m", key, context_length=100)
    assert key not in str(caught.value)


@pytest.mark.parametrize("reply", [refusal(401, f"bad key {KEY}"), Reply(f"{KEY} ?", 500), Reply(f'["{KEY}"]')])
async def test_the_key_is_in_no_error_and_no_log(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), completions(reply) as server:
        error = await refused(server)
    shown = "".join(traceback.format_exception(error))
    assert KEY not in shown
    assert KEY not in caplog.text
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_the_key_is_in_no_dump_of_the_client() -> None:
    client: Any = make_client(f"http://user:{KEY}@127.0.0.1:1/v1?key={KEY}", "m", KEY, context_length=100)
    assert KEY not in f"{client!r} {client}"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)
    with pytest.raises(NotImplementedError):
        client.dump_component()


def test_the_error_comes_back_from_a_record_of_it() -> None:
    error = revive(describe(EndpointError("model m: gone", status=503, is_transient=True)))
    assert isinstance(error, EndpointError)
    assert str(error) == "model m: gone"


def test_tokens_are_estimated_without_the_network() -> None:
    client = make_client("http://127.0.0.1:1/v1", "m", None, context_length=4096)
    short, long = (client.count_tokens([UserMessage(content=text, source="u")]) for text in ("北京", "北京" * 50))
    assert 2 < short < long <= 110
    assert client.remaining_tokens([UserMessage(content="北京", source="u")]) == 4096 - short
