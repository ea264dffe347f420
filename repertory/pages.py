"""The result as pages that people read. How a result reads, its domain says."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from repertory.evidence import Evidence
from repertory.output import plain, print_json, print_line
from runtime.codec import Json
from scenarios.equipment import load_domain

FOOTNOTE = re.compile(r"^\[\^(\d+)\]: ", re.MULTILINE)
REFERENCE = re.compile(r"\[\^(\d+)\]")

PLAN = "plan.md"
"""The page that is shown at the terminal."""


@runtime_checkable
class HasPages(Protocol):
    """A domain that shows its results as pages; it need not."""

    def pages(self, result: Json, steps: Evidence) -> Mapping[str, str]:
        """The text of each page by file name, such as plan.md and plan.html; `steps` says what evidence stands for."""
        ...


def pages_of(domain_reference: str, folder: Path, result: Json, steps: Evidence) -> Mapping[str, str]:
    """The pages of a result as its domain shows it; none where the domain has none."""
    domain: object = load_domain(domain_reference, folder)
    return domain.pages(result, steps) if isinstance(domain, HasPages) else {}


def print_page(pages: Mapping[str, str], result: Json) -> None:
    """The plan on stdout: laid out at a terminal, as Markdown elsewhere; without a page the result as JSON."""
    if PLAN not in pages:
        print_json(result)
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(_laid_out(plain(pages[PLAN]))))
    else:
        print_line(pages[PLAN])


def _laid_out(page: str) -> str:
    """Markdown for a renderer that knows no footnotes: they become a numbered list."""
    return REFERENCE.sub(r"[\1]", FOOTNOTE.sub(r"\1. ", page))
