"""A team as component JSON: what is allowed in it, and its secrets taken out and put back.

Component JSON names classes, and loading it imports and calls them: it is looked through before anything is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from autogen_agentchat.teams import BaseGroupChat
from autogen_core import ComponentModel
from autogen_core._component_config import WELL_KNOWN_PROVIDERS
from pydantic import SecretStr, ValidationError
from pydantic_core import to_jsonable_python

from runtime.autogen_teams.function import PROVIDER as NAMED_FUNCTION
from runtime.autogen_teams.function import named
from runtime.autogen_teams.graph import function_tools
from runtime.codec import Json
from runtime.errors import UsageError
from runtime.kinds import is_dict, is_list, is_mapping, is_tuple

ALLOWED = ("autogen_agentchat", "autogen_core", "autogen_ext.models")
"""Modules whose components are loaded without a word: none of them runs what the JSON says or reaches for files."""

FUNCTION_TOOL = "autogen_core.tools.FunctionTool"
SECRET = "$secret"
"""The key of what stands for a secret: `{"$secret": "OPENAI_API_KEY"}`."""
MASK = "**********"
"""What pydantic writes in the place of a secret."""

_SECRET_FIELD = re.compile(r"(?i)(api_?key|token|secret|password|passwd|authorization|credential)s?$|_key$")
_NAMES = (("Azure", "AZURE_OPENAI_API_KEY"), ("OpenAI", "OPENAI_API_KEY"), ("Anthropic", "ANTHROPIC_API_KEY"))
_REPLAYED = "not needed in a replay"


def dumped(team: BaseGroupChat) -> tuple[Json, dict[str, str]]:
    """The team's component JSON without its secrets, and these by name; function tools as the names of their functions.

    Raises:
        Exception: what AutoGen raises where a part cannot be dumped.
    """
    with named(function_tools(team)):
        component = team.dump_component().model_dump(exclude_none=True)
    secrets: dict[str, str] = {}
    return cast(Json, to_jsonable_python(_without_secrets(component, secrets))), secrets


def read_component(data: object, allow: Sequence[str] = ()) -> tuple[Json, list[str]]:
    """The team's component in what was read from a file, and the names of the secrets that it needs.

    AutoGen Studio wraps the same in `{"component": …}` or `{"config": …}`.

    Raises:
        UsageError: it is no team, or names what may not be loaded; the message names the place.
    """
    found = _unwrapped(data)
    try:
        model = ComponentModel.model_validate(found)
    except ValidationError as error:
        raise UsageError(f"found {_shown(data)}, expected the component JSON of a team: {_first(error)}") from error
    if model.component_type not in (None, "team"):
        raise UsageError(f"component_type: found {model.component_type!r}, expected 'team'")
    check(found, allow)
    secrets: dict[str, str] = {}
    without = cast(Json, to_jsonable_python(_without_secrets(found, secrets)))
    return without, sorted({*secrets, *_needed(without)})


def check(component: object, allow: Sequence[str] = ()) -> None:
    """Whether everything in it may be loaded.

    Raises:
        UsageError: at the first provider that may not, with its place.
    """
    for path, provider, config in _providers(component, ""):
        name = WELL_KNOWN_PROVIDERS.get(provider, provider)
        if name == FUNCTION_TOOL or "source_code" in config:
            raise UsageError(
                f"{path}provider: found {provider!r}, which carries Python source code to be executed; expected a "
                f'tool that names its function: {{"provider": "{NAMED_FUNCTION}", "config": {{"function": '
                '"module:function", "name": …, "description": …}}, and `--allow-provider module`'
            )
        wanted = str(config.get("function", "")).partition(":")[0] if name == NAMED_FUNCTION else name
        if not _is_allowed(wanted, (*ALLOWED, *allow)):
            raise UsageError(
                f"{path}provider: found {wanted!r}, expected one of {', '.join(ALLOWED)}; loading a component imports "
                f"and calls the code that it names: if you trust it, add `--allow-provider {_module(wanted)}`"
            )


def loaded(component: Json, secrets: Mapping[str, str], *, is_replay: bool = False) -> BaseGroupChat:
    """The team of a component that was looked through before.

    Raises:
        UsageError: a secret is missing, a class cannot be imported, or its configuration is not right.
    """
    whole = _with_secrets(component, secrets, is_replay)
    try:
        return BaseGroupChat.load_component(cast("dict[str, Any]", whole))
    except ValidationError as error:
        raise UsageError(f"the team cannot be loaded: {error.title}: {_first(error)}") from error
    except (ImportError, AttributeError, TypeError, ValueError, NotImplementedError) as error:
        raise UsageError(f"the team cannot be loaded: {type(error).__name__}: {error}") from error


def providers_of(component: Json) -> tuple[str, ...]:
    """All classes, and all functions of named tools, that a component names."""
    return tuple(
        sorted(
            {
                str(config["function"]).partition(":")[0] if provider == NAMED_FUNCTION else provider
                for _, provider, config in _providers(component, "")
            }
        )
    )


def _module(name: str) -> str:
    return name.rpartition(".")[0] or name


def _is_allowed(name: str, allowed: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in allowed)


def _providers(value: object, path: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every component in it: its path, its provider, its configuration."""
    if is_mapping(value):
        if isinstance(provider := value.get("provider"), str):
            config: Any = value.get("config")
            yield path, provider, config if is_mapping(config) else {}
        for key, inner in value.items():
            yield from _providers(inner, f"{path}{key}.")
    elif is_list(value):
        for index, inner in enumerate(value):
            yield from _providers(inner, f"{path}{index}.")


def _unwrapped(data: object) -> Any:
    found: Any = data
    for key in ("component", "config"):
        if is_mapping(found) and "provider" not in found and is_mapping(found.get(key)):
            found = found[key]
    return found


def _without_secrets(value: Any, secrets: dict[str, str], provider: str = "") -> Any:
    """The value with a placeholder for each secret; what they are is put into `secrets`."""
    if is_mapping(value):
        own = str(value.get("provider") or provider)
        return {key: _field(str(key), inner, secrets, own) for key, inner in value.items()}
    if is_list(value) or is_tuple(value):
        return [_without_secrets(inner, secrets, provider) for inner in value]
    return value


def _field(key: str, value: Any, secrets: dict[str, str], provider: str) -> Any:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    is_secret = isinstance(value, SecretStr) or _SECRET_FIELD.search(key) or text == MASK
    if not isinstance(text, str) or not is_secret:
        return _without_secrets(value, secrets, provider)
    name = _name(key, text, secrets, provider)
    if text != MASK:
        secrets[name] = text
    return {SECRET: name}


def _name(key: str, text: str, secrets: Mapping[str, str], provider: str) -> str:
    """The environment variable that a secret is usually in; another secret gets another name."""
    known = next((name for word, name in _NAMES if word in provider), None) if "api_key" in key else None
    name, number = known or f"TEAM_{re.sub(r'[^A-Za-z0-9]+', '_', key).upper()}", 2
    candidate = name
    while text != MASK and secrets.get(candidate, text) != text:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _needed(value: object) -> Iterator[str]:
    if is_mapping(value):
        if isinstance(name := value.get(SECRET), str):
            yield name
        for inner in value.values():
            yield from _needed(inner)
    elif is_list(value):
        for inner in value:
            yield from _needed(inner)


def secrets_of(component: Json) -> list[str]:
    """The names of the secrets that a component needs."""
    return sorted(set(_needed(component)))


def _with_secrets(value: Any, secrets: Mapping[str, str], is_replay: bool) -> Any:
    if is_mapping(value):
        if isinstance(name := value.get(SECRET), str):
            if name not in secrets and not is_replay:
                raise UsageError(f"the team needs the secret {name}; set the environment variable of this name")
            return secrets.get(name, _REPLAYED)
        return {key: _with_secrets(inner, secrets, is_replay) for key, inner in value.items()}
    if is_list(value):
        return [_with_secrets(inner, secrets, is_replay) for inner in value]
    return value


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc'])) or 'it'}: {detail['msg']}"


def _shown(data: object) -> str:
    return f"a JSON object with {', '.join(map(repr, sorted(data)[:5]))}" if is_dict(data) else repr(data)[:60]
