"""A tool that is one address, asked over a real connection."""

from __future__ import annotations

from typing import Any

import pytest
from autogen_core import CancellationToken
from pydantic import JsonValue

from runtime.errors import UsageError
from tests.tools.test_http import origin, seen
from tools.http_endpoint import HttpEndpoint
from tools.outcome import ToolOutcome

__all__ = ["origin"]

TEXT: JsonValue = {"type": "string"}


async def ask(endpoint: HttpEndpoint, **arguments: Any) -> ToolOutcome:
    return ToolOutcome.model_validate(await endpoint.tool().run_json(arguments, CancellationToken(), "call-7"))


async def test_what_is_not_in_the_path_is_the_query(origin: str) -> None:
    parameters: Any = {"city": TEXT, "tags": {"type": "array", "items": TEXT}, "limit": {"type": "integer"}}
    endpoint = HttpEndpoint(
        name="find", url=f"{origin}/echo/{{city}}", parameters=parameters, required=["city"], constants={"a": True}
    )
    got = await ask(endpoint, city="x/y", tags=["p", "q"], limit="3")
    assert got.status == "ok", got
    assert seen[-1][0] == "/echo/x%2Fy?a=true&tags=p&tags=q&limit=3"
    await ask(endpoint, city="z")
    assert seen[-1][0] == "/echo/z?a=true"


@pytest.mark.parametrize("city", ["..", ".", ""])
async def test_no_value_leads_to_another_path(origin: str, city: str) -> None:
    before = len(seen)
    got = await ask(HttpEndpoint(name="find", url=f"{origin}/echo/{{city}}", parameters={"city": TEXT}), city=city)
    assert got.status == "retry"
    assert len(seen) == before


@pytest.mark.parametrize(
    ("url", "required", "words"),
    [
        ("http://a/{b}", None, r"found \{b\}, expected a required parameter \(city\)"),
        ("http://a/{city}", [], r"found \{city\}, expected a required parameter \(it has none\)"),
        ("http://a/", ["town"], "required: found 'town', expected a parameter"),
        ("http://{city}/", None, "expected a fixed host"),
    ],
)
def test_a_wrong_address_is_refused(url: str, required: list[str] | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        HttpEndpoint(name="find", url=url, parameters={"city": TEXT}, required=required).tool()


def test_only_a_get_is_a_read() -> None:
    made = {method: HttpEndpoint(name="x", url="http://a", method=method).tool().effect for method in ("GET", "DELETE")}
    assert made == {"GET": "read", "DELETE": "irreversible"}
    assert HttpEndpoint(name="x", url="http://a", method="PUT", effect="idempotent").tool().effect == "idempotent"
