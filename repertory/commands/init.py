"""`repertory init`: writes a small commented scenario to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repertory.output import print_line

TEMPLATE = """\
# yaml-language-server: $schema={schema}
# A scenario: who does what, with which tools and which model. Perform it with `repertory run {file}`,
# check it with `repertory validate {file}`. All fields: docs/scenarios.md.

name: {name}
title: A weekend in Beijing

# What the team is to know of its field: the task, the checks, how the answer is composed.
domain: scenarios.travel.domain:TravelDomain

# What is asked for, in your own words. What is needed and missing, you are asked at the terminal,
# or you give it with --input, such as --input start_date=2026-12-05.
request: |
  两个大人和一个6岁的孩子，北京两日游，预算3000元，想去故宫，住东城区。

# Values that the request leaves open.
inputs:
  start_date: 2026-12-05

# Whose preferences and earlier trips are remembered.
traveller: me

# Which model: a name of `repertory models list`, or that of an OpenAI-compatible endpoint of yours
# (its key comes from REPERTORY_API_KEY).
# model:
#   name: my-model
#   endpoint: http://127.0.0.1:8000/v1

# What the executors may call. A tool of your own is a Python function: `module:function`.
tools:
  - attraction_lookup
  - recommend_attractions
  - ticket_availability
  - hotel_search
  - restaurant_search
  - transfer_estimate
  - opening_calendar
  - budget_sum
  # - my_tools:weather      # two lines of Python in my_tools.py beside this file

# What the tools know of the city, and what has been written on travelling there with children. A directory of your
# own, relative to this file, or one that ships with a Python package.
data: scenarios.travel:data/beijing
memory:
  knowledge: scenarios.travel:knowledge

# Where a run stops, whatever its agents want.
limits:
  rounds: 2
  wall_s: 1800
"""


def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("scenario.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a small commented scenario to start from."""
    from repertory.results import write_all
    from runtime.errors import UsageError
    from scenarios.load import load_text

    if file.exists() and not force:
        raise UsageError(f"{file}: found a file, expected nothing there; --force replaces it")
    text = template(file)
    load_text(text, file)
    write_all(file.parent, {file.name: text})
    print_line(f"{file}: written; next: repertory validate {file}, then repertory run {file}")


def template(file: Path) -> str:
    """The text of a new scenario that shall stand at `file`."""
    import re

    from scenarios.scenario import SCHEMA_FILE

    name = re.sub(r"\W+", "_", file.stem, flags=re.ASCII).strip("_")
    name = name if name[:1].isalpha() else f"scenario_{name}".rstrip("_")
    return TEMPLATE.format(schema=SCHEMA_FILE, file=file.name, name=name)
