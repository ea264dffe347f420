"""`repertory validate FILE`: is it right, before anything is spent on it?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from repertory.commands.team_options import refuse_for_scenario, refuse_for_team
from repertory.output import JsonFlag, print_json, print_line


def validate(
    file: Annotated[Path, typer.Argument(help="The scenario file, or a team's component JSON.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Replace a value.")] = None,
    input_: Annotated[list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="Give an input.")] = None,
    allow_provider: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE", help="Trust a team's components, or functions, that this module has."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Check a scenario with all that it names; nothing is performed."""
    import asyncio

    from scenarios.json_file import is_team_file

    if is_team_file(file):
        refuse_for_team({"--set": set_, "--input": input_})
        _validate_team(file, allow_provider or (), json=json)
        return
    refuse_for_scenario({"--allow-provider": allow_provider})

    from repertory.check import check_scenario
    from repertory.settings import read_settings
    from scenarios.load import load_scenario

    loaded = load_scenario(file, sets=set_ or (), inputs=input_ or ())
    asyncio.run(check_scenario(loaded, read_settings().variables))
    scenario = loaded.scenario
    if json:
        print_json(scenario.model_dump(mode="json"))
    else:
        print_line(f"{file}: right ({scenario.name}: {len(scenario.agents)} agents, {len(scenario.tools)} tools)")


def _validate_team(file: Path, allow: Sequence[str], *, json: bool) -> None:
    from repertory.settings import read_settings
    from scenarios.team_file import read_team_file

    team = read_team_file(file, allow)
    missing = team.missing(read_settings().variables)
    if json:
        names = {"participants": list(team.participants), "providers": list(team.providers)}
        print_json({"name": team.name, **names, "secrets": list(team.secrets), "missing": missing})
        return
    needed = f"; it needs {', '.join(missing)} in the environment" if missing else ""
    print_line(f"{file}: right ({team.name}: {', '.join(team.participants)}){needed}")
