"""What the environment says; nothing else in the project reads it for settings of its own.

REPERTORY_HOME      where models, journal, memories and Ray's state lie; default ~/.repertory
REPERTORY_JOURNAL   the journal of all runs: postgresql://USER@HOST/DATABASE for several machines, or a file;
                    default journal.db in the home. `--journal` sets it. PGPASSWORD serves as its password.
REPERTORY_MEMORY    the long-term memory: a directory, or s3://BUCKET/PREFIX (gs://, az://) for several machines, with
                    the credentials in the storage's own variables; default memory in the home
REPERTORY_API_KEY   the key of the endpoint that `--endpoint` names; OPENAI_API_KEY serves as well
REPERTORY_DEBUG     1 shows the traceback of an error
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.journals.journal_address import JournalAddress, journal_address, usual_home, with_password_of


@dataclass(frozen=True)
class Settings:
    """The settings of this process."""

    home: Path
    """Where everything is kept; it need not exist yet."""
    api_key: str | None = field(default=None, repr=False)
    """The key of an endpoint; never shown, logged or journaled."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """All of the environment's variables: a scenario's tools name those that hold their secrets."""
    journal_text: str = field(default="", repr=False)
    """Where the journal is, as it was given; empty for the file in the home."""
    memory_text: str = ""
    """Where the long-term memory is, as it was given; empty for the directory in the home."""
    journal_password: str = field(default="", repr=False)
    """The password of the journal's server, where its address has none."""
    debug: bool = False
    """Whether errors show their traceback."""

    @property
    def models(self) -> Path:
        """The directory of model weights."""
        return self.home / "models"

    @property
    def journal(self) -> JournalAddress:
        """Where the journal of all runs is.

        Raises:
            UsageError: the address that was given cannot be read.
        """
        address = journal_address(self.journal_text or self.home / "journal.db")
        return with_password_of(address, {"PGPASSWORD": self.journal_password})

    @property
    def memory(self) -> str:
        """The directory of the long-term memory, or its address in object storage."""
        return self.memory_text or str(self.home / "memory")

    @property
    def secrets(self) -> dict[str, str]:
        """Secrets of agents by name, for the memory of this process and its workers only."""
        return {"api_key": self.api_key} if self.api_key else {}

    @property
    def hidden(self) -> tuple[str, ...]:
        """What logs must not show: the agents' secrets and the journal's, which agents never get."""
        return (*self.secrets.values(), *self.journal.secrets)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that an environment makes; an empty variable counts as none."""
    return Settings(
        variables=environment,
        home=usual_home(environment),
        api_key=environment.get("REPERTORY_API_KEY") or environment.get("OPENAI_API_KEY") or None,
        journal_text=environment.get("REPERTORY_JOURNAL", ""),
        memory_text=environment.get("REPERTORY_MEMORY", ""),
        journal_password=environment.get("PGPASSWORD", ""),
        debug=environment.get("REPERTORY_DEBUG", "") not in ("", "0"),
    )
