"""A team of AutoGen's own in a JSON file: what `dump_component` writes, or AutoGen Studio exports; it is not trusted.

Nothing of it is loaded before all that it names has been looked through (`runtime/autogen_teams/component.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.autogen_teams.component import loaded, providers_of, read_component
from runtime.autogen_teams.effects import effect_names
from runtime.codec import Json
from runtime.errors import UsageError
from scenarios.json_file import read_json

_PLACEHOLDER = "no secret is needed to look at a team"


@dataclass(frozen=True)
class TeamFile:
    """A team that was read from a file."""

    name: str
    component: Json
    secrets: tuple[str, ...]
    """The environment variables that hold its secrets."""
    participants: tuple[str, ...]
    providers: tuple[str, ...]
    """All classes that it is made of."""
    effects: frozenset[str] | None
    """Of what in it a person may say what its effect is, by name; None where that cannot be known."""

    def missing(self, variables: Mapping[str, str]) -> list[str]:
        """Its secrets that an environment does not have."""
        return [name for name in self.secrets if not variables.get(name)]

    def secrets_in(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Its secrets, out of an environment.

        Raises:
            UsageError: some are not there.
        """
        if missing := self.missing(variables):
            raise UsageError(
                f"the team needs {', '.join(missing)}, which its file leaves out; set the environment "
                f"variable{'s' if len(missing) > 1 else ''}"
            )
        return {name: variables[name] for name in self.secrets}


def read_team_file(path: Path, allow: Sequence[str] = ()) -> TeamFile:
    """The team of a file, which was loaded once to see that it can be.

    Raises:
        UsageError: the file cannot be read, holds no team, or names what may not be loaded; nothing of it was loaded
            then but what may be.
    """
    try:
        component, secrets = read_component(read_json(path), allow)
        team: Any = loaded(component, dict.fromkeys(secrets, _PLACEHOLDER))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return TeamFile(
        team.name,
        component,
        tuple(secrets),
        tuple(team._participant_names),
        providers_of(component),
        effect_names(team),
    )
