"""The plan as pages for people: plan.md and plan.html, from the same `Page`.

The HTML page stands alone: no script, no font, no picture from elsewhere, and a policy that forbids them. Every text is
escaped for where it stands; names from data files and models may contain anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scenarios.travel.facts import StepSource
from scenarios.travel.itinerary import TripResult
from scenarios.travel.page import page

TEMPLATES = Path(__file__).parent / "templates"
MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~^&$])")


def render_markdown(result: TripResult, steps: Mapping[str, StepSource] | None = None) -> str:
    """plan.md; `steps` (`Facts.sources`) tells what the evidence ids stand for."""
    return _environment().get_template("plan.md.j2").render(page=page(result, steps or {}))


def render_html(result: TripResult, steps: Mapping[str, StepSource] | None = None) -> str:
    """plan.html, one file without outside resources; `steps` as in `render_markdown`."""
    return _environment().get_template("plan.html.j2").render(page=page(result, steps or {}))


def markdown_text(text: str) -> str:
    """`text` on one line, so that Markdown shows it as it is."""
    return MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split()))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = markdown_text
    return environment
