"""`repertory validate FILE`: is it right, before anything is spent on it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repertory.output import JsonFlag, print_json, print_line


def validate(
    file: Annotated[Path, typer.Argument(help="The scenario file.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Replace a value.")] = None,
    input_: Annotated[list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="Give an input.")] = None,
    json: JsonFlag = False,
) -> None:
    """Check a scenario with all that it names; nothing is performed."""
    import asyncio

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
