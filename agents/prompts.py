"""Prompts are files: `agents/prompts/NAME.md`, a system part and a user part divided by a line `---`.

Placeholders are `${name}`. The system part comes first and changes least, so that a server's prefix cache can keep it.
A scenario may put a directory of its own before the shipped one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from runtime.errors import UsageError

SHIPPED = Path(__file__).parent / "prompts"
"""The prompts that come with the cast."""

DIVIDER = "\n---\n"


@dataclass(frozen=True)
class Prompt:
    """A prompt as it was read."""

    name: str
    system: str
    user: str

    @property
    def digest(self) -> str:
        """Names this very text: 12 hexadecimal digits."""
        return hashlib.blake2b(f"{self.system}{DIVIDER}{self.user}".encode(), digest_size=6).hexdigest()

    def fill(self, values: Mapping[str, str]) -> tuple[str, str]:
        """The system part and the user part with all placeholders filled.

        Raises:
            UsageError: when a placeholder has no value, or is not written as `${name}`.
        """
        return self._fill(self.system, values), self._fill(self.user, values)

    def _fill(self, text: str, values: Mapping[str, str]) -> str:
        try:
            return Template(text).substitute(values)
        except KeyError as error:
            known = ", ".join(sorted(values)) or "none"
            raise UsageError(
                f"prompt {self.name}: nothing fills the placeholder {error.args[0]!r}; known are: {known}"
            ) from error
        except ValueError as error:
            raise UsageError(f"prompt {self.name}: {error}; a placeholder is ${{name}}, a dollar sign is $$") from error


class Prompts:
    """The prompts of some directories; each is read once. `texts` stand in place of files, by their names."""

    def __init__(self, *directories: Path, texts: Mapping[str, str] = {}) -> None:
        self._directories = (*directories, SHIPPED)
        self._read = {name: parse_prompt(name, text) for name, text in texts.items()}

    def get(self, name: str) -> Prompt:
        """The prompt of this name, from the first directory that has it.

        Raises:
            UsageError: when no directory has it, or it has not the two parts.
        """
        if name not in self._read:
            self._read[name] = parse_prompt(name, self._find(name).read_text(encoding="utf-8"))
        return self._read[name]

    def _find(self, name: str) -> Path:
        for directory in self._directories:
            path = directory / f"{name}.md"
            if path.is_file():
                return path
        places = ", ".join(str(directory) for directory in self._directories)
        raise UsageError(f"there is no prompt {name}.md in {places}")


def shipped_names() -> list[str]:
    """The names of the prompts that come with the cast."""
    return sorted(path.stem for path in SHIPPED.glob("*.md"))


def parse_prompt(name: str, text: str) -> Prompt:
    """The prompt of a file's text.

    Raises:
        UsageError: when it has not the two parts.
    """
    system, divider, user = text.partition(DIVIDER)
    if not divider or not user.strip():
        raise UsageError(f"prompt {name}: expected a system part, a line ---, and a user part")
    return Prompt(name, system.strip(), user.strip())
