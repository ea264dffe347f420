"""Tools out of plain functions, as autogen-core sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, FunctionTool, Tool
from pydantic import Field

from runtime.errors import UsageError
from tools.spec import Fallback, RetryPolicy
from tools.tool import adopted, tool


@tool(effect="read", error_codes=["sold_out"], timeout_s=5, fallback="other")
def price(
    city: Annotated[str, "the city, in Chinese"], guests: Annotated[int, Field(ge=1, description="how many")] = 2
) -> int:
    """What a night costs, in CNY.

    Raises:
        ToolFault: sold_out.
    """
    return 100 * guests


def test_a_decorated_function_is_an_autogen_tool_with_a_schema() -> None:
    assert isinstance(price, Tool) and isinstance(price, BaseTool)
    assert (price.name, price.description, price.effect) == ("price", "What a night costs, in CNY.", "read")
    parameters = price.schema.get("parameters")
    assert parameters is not None
    assert parameters["properties"]["city"]["description"] == "the city, in Chinese"
    assert parameters["properties"]["guests"] == {
        "default": 2,
        "description": "how many",
        "minimum": 1,
        "title": "Guests",
        "type": "integer",
    }
    assert parameters.get("required") == ["city"] and parameters.get("additionalProperties") is False


def test_the_facts_of_a_tool_are_in_its_spec() -> None:
    spec = price.spec
    assert (spec.timeout_s, spec.error_codes, spec.fallback) == (5, ("sold_out",), Fallback("other"))
    assert spec.result.json_schema() == {"type": "integer"} and spec.retry == RetryPolicy(3, 1.0)


async def test_two_lines_without_docstring_are_a_tool() -> None:
    def opening_hours(name: str) -> str:
        return f"{name}: 9-17"

    made = tool(opening_hours)
    result = await made.run_json({"name": "天坛"}, CancellationToken())
    assert made.description == "opening hours" and made.effect == "irreversible"
    assert made.return_value_as_string(result) == '"天坛: 9-17"'


async def test_what_a_chat_model_reads_of_a_failure_has_the_code() -> None:
    result = await price.run_json({"guests": 1}, CancellationToken())
    assert price.return_value_as_string(result) == "retry: invalid_arguments: price: city: missing"


async def test_parameters_may_be_called_like_pydantic_attributes() -> None:
    def odd(schema: str, copy: int, model_config: bool = False) -> str:
        return f"{schema}{copy}"

    assert (await tool(odd).run_json({"schema": "a", "copy": 1}, CancellationToken()))["value"] == "a1"


def untyped(city) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001 # pyright: ignore
    return 1


def variadic(*cities: str) -> int:
    return 1


def no_schema(callback: Callable[[], None]) -> int:
    return 1


def unknown_hint(city: Nowhere) -> int:  # type: ignore[name-defined]  # noqa: F821 # pyright: ignore
    return 1


IMPOSSIBLE: list[tuple[Callable[..., Any], str]] = [
    (untyped, "parameter 'city' has no type; write for example 'city: str'"),
    (variadic, "cannot be passed by name"),
    (no_schema, "has no JSON schema"),
    (unknown_hint, "a type hint cannot be read: name 'Nowhere'"),
    (lambda: 1, "give name="),
]


@pytest.mark.parametrize(("function", "message"), IMPOSSIBLE)
def test_a_function_that_cannot_be_a_tool_is_refused_clearly(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tool(function)


@pytest.mark.parametrize("options", [{"timeout_s": 0}, {"repairers": {"x": len}}])
def test_impossible_options_are_refused(options: Any) -> None:
    with pytest.raises(UsageError, match="'price'"):
        tool(lambda: 1, name="price", **options)


def test_more_than_three_retries_are_refused() -> None:
    with pytest.raises(UsageError, match="expected 0 to 3"):
        RetryPolicy(retries=4)


async def test_autogens_own_tools_are_adopted() -> None:
    def double(n: int) -> int:
        return 2 * n

    made = adopted(FunctionTool(double, "doubles"), effect="read")
    result = await made.run_json({"n": "4"}, CancellationToken())
    assert (result["status"], result["value"], made.effect) == ("ok", 8, "read")
